"""A process that slept until its partitions had gone, and wakes."""

from streams.settings import Settings
from tests.integration.engine.conftest import Broker, Feed
from tests.integration.engine.process import ToyProcess
from tests.waiting import eventually


async def test_a_worker_that_sleeps_past_its_session_and_wakes_spoils_nothing(
    stored: Settings, feed: Feed, broker: Broker
) -> None:
    """Its successor works on meanwhile; what the sleeper then still writes, and later has again, fits in."""
    async with ToyProcess(stored) as sleeper, ToyProcess(stored) as successor:
        await sleeper.ready()
        await feed.write(20_000)
        await eventually(broker.has_answers, what="it is at work")
        sleeper.pause()
        await successor.ready()
        await feed.write(20_000)
        await eventually(broker.all_committed, 60, what="the successor has done it all")
        sleeper.go_on()
        await feed.write(20_000)
        await eventually(broker.all_committed, 60, what="both have done it all")
        await successor.stop()
        await feed.write(20_000)
        await eventually(broker.all_committed, 60, what="the sleeper has done it all")
    await broker.check_answers()
