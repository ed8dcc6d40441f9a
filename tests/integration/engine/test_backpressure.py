"""What cannot be written is not read either, and holds up nobody else."""

import pytest
from faust.types import TP

from streams.app import BUFFERED_BATCHES
from streams.engine import settling
from streams.topics import EVENTS
from tests.integration.engine.conftest import PARTITIONS, Broker, Feed, StartToy
from tests.integration.engine.toy import Toy
from tests.waiting import eventually

KEYS_A_PARTITION = 25
"""Of the feed's 50 keys, those that one of its partitions gets."""


async def read_until(toy: Toy) -> int:
    """How many records the worker has taken from the broker, all partitions together."""
    tps = [TP(EVENTS.full_name(toy.settings), number) for number in range(PARTITIONS)]
    return sum([await toy.app.consumer.position(tp) or 0 for tp in tps])


async def test_a_stage_whose_outputs_are_not_acked_stops_reading(
    start_toy: StartToy, feed: Feed, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many bytes and no more are judged or wait for it, whatever comes; with the acks all of it goes on."""
    monkeypatch.setattr(settling, "BYTES_IN_FLIGHT", 100 * settling.OVERHEAD_BYTES)
    toy = await start_toy()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    toy.writer.hold()

    async def has_stopped() -> bool:
        before = await read_until(toy)
        await feed.write(400)
        return await read_until(toy) == before

    for _ in range(3):
        await eventually(has_stopped, 60, "the worker reads no more")
    under_way = sum(len(acks.delivered) for acks in toy.app.consumer._acks.values())
    judged = sum(toy.judged.values())
    assert judged <= PARTITIONS * 100
    assert under_way <= judged + BUFFERED_BATCHES + PARTITIONS
    toy.writer.release()
    await eventually(broker.all_committed, what="everything is committed")
    await broker.check_answers()


async def test_a_partition_whose_outputs_are_not_acked_holds_up_no_other(
    start_toy: StartToy, feed: Feed, broker: Broker
) -> None:
    """What is judged of the others is remembered, acked and committed meanwhile."""
    toy = await start_toy()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    toy.writer.hold(0)
    for _ in range(30):
        await feed.write(4 * PARTITIONS)

    async def others_committed() -> bool:
        ends, committed = await broker.ends(), await broker.committed()
        return committed[0] == 0 and all(committed[number] == ends[number] for number in range(1, PARTITIONS))

    await eventually(others_committed, 60, "all other partitions are committed")
    toy.writer.release()
    await eventually(broker.all_committed, what="everything is committed")
    await broker.check_answers()


async def test_batches_that_wait_together_write_each_state_once(start_toy: StartToy, feed: Feed, broker: Broker) -> None:
    """However many batches became ready while one write was under way, the next one has every key's last state."""
    toy = await start_toy()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    toy.writer.hold()
    for written in range(1, 21):
        await feed.write(50, partitions=1)
        await eventually(lambda: toy.judged[0] >= written, what="a batch of its own")  # noqa: B023
    toy.writer.release()
    await eventually(broker.all_committed, what="everything is committed")
    assert toy.judged[0] >= 20
    assert sum((await broker.changelog_ends()).values()) <= 3 * 50
    await broker.check_answers()
