"""What cannot be written is not read either."""

from faust.types import TP

from streams.app import BUFFERED_BATCHES
from streams.engine.stage import BATCHES_IN_FLIGHT
from streams.topics import EVENTS
from tests.integration.engine.conftest import PARTITIONS, Broker, Feed, StartToy
from tests.integration.engine.toy import Toy
from tests.waiting import eventually


async def read_until(toy: Toy) -> int:
    """How many records the worker has taken from the broker, all partitions together."""
    tps = [TP(EVENTS.full_name(toy.settings), number) for number in range(PARTITIONS)]
    return sum([await toy.app.consumer.position(tp) or 0 for tp in tps])


async def test_a_stage_whose_outputs_are_not_acked_stops_reading(start_toy: StartToy, feed: Feed, broker: Broker) -> None:
    """So many batches and no more are judged or wait for it, whatever comes; with the acks all of it goes on."""
    toy = await start_toy()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    toy.writer.released.clear()

    async def has_stopped() -> bool:
        before = await read_until(toy)
        await feed.write(400)
        return max(toy.judged.values(), default=0) == BATCHES_IN_FLIGHT and await read_until(toy) == before

    for _ in range(3):
        await eventually(has_stopped, 60, "the worker reads no more")
    under_way = sum(len(acks.delivered) for acks in toy.app.consumer._acks.values())
    assert under_way <= PARTITIONS * BATCHES_IN_FLIGHT + BUFFERED_BATCHES + PARTITIONS
    assert max(toy.judged.values()) == BATCHES_IN_FLIGHT
    toy.writer.released.set()
    await eventually(broker.all_committed, what="everything is committed")
    await broker.check_answers()
