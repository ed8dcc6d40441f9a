"""What cannot be written is not read either."""

import asyncio

from streams.app import BUFFERED_BATCHES
from streams.engine.stage import BATCHES_IN_FLIGHT
from streams.settings import Settings
from tests.integration.engine.conftest import Broker, Feed
from tests.integration.engine.toy import Toy
from tests.waiting import eventually


async def test_a_stage_whose_outputs_are_not_acked_stops_reading(settings: Settings, feed: Feed, broker: Broker) -> None:
    """So many batches and no more are judged or wait for it, whatever comes; with the acks all of it goes on."""
    toy = Toy(settings)
    await toy.start()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    toy.writer.released.clear()
    for _ in range(100):  # each a batch of its own, as the worker reads faster than that
        await feed.write(40)
        await eventually(lambda: stands_still(toy) or idle(toy), what="the worker has read it, or reads no more")
    judged = toy.judged.copy()
    assert max(judged.values()) <= BATCHES_IN_FLIGHT
    queue = next(iter(toy.app.agents.values())).channel_iterator.channel.queue
    assert queue.qsize() <= 2 * BUFFERED_BATCHES
    toy.writer.released.set()
    await eventually(broker.all_committed, what="everything is committed")
    await toy.stop()
    await broker.check_answers()
