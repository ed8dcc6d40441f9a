"""Partitions move while batches are under way."""

import asyncio

from streams.settings import Settings
from tests.integration.engine.conftest import Broker, Feed, StartToy
from tests.waiting import eventually


async def test_a_rebalance_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    stored: Settings, start_toy: StartToy, feed: Feed, broker: Broker
) -> None:
    """Workers come and go while a backlog is read; each record has one outcome, counted on from the one before."""
    await feed.write(40_000)
    first = await start_toy(stored)
    await eventually(lambda: first.counts["read"] > 0, what="the first worker is at work")
    second = await start_toy(stored)
    await feed.write(20_000)
    await eventually(lambda: second.partitions, what="the second worker has partitions")
    third = await start_toy(stored)
    await first.stop()
    await feed.write(20_000)
    await eventually(lambda: third.partitions, what="the third worker has partitions")
    await second.stop()
    await feed.write(20_000)
    await eventually(broker.all_committed, 60, what="everything is committed")
    await broker.check_answers()


async def test_a_partition_without_a_commit_is_read_from_its_start_after_a_rebalance(
    start_toy: StartToy, feed: Feed, broker: Broker
) -> None:
    """What a worker that stays has read, and not committed, is read again from the first record on."""
    first = await start_toy()
    await eventually(lambda: first.partitions, what="the first worker is ready")
    first.writer.hold()
    await feed.write(4_000)
    await eventually(lambda: len(first.judged) == 4, what="the first worker has judged some of every partition")
    assert await broker.committed() == dict.fromkeys(range(4), 0)
    second = asyncio.create_task(start_toy())
    await eventually(lambda: first.app.rebalancing, what="the rebalance has begun")
    first.writer.release()
    await second
    await eventually(broker.all_committed, 60, what="everything is committed")
    await broker.check_answers()


async def test_nobody_hears_that_partitions_are_ready_when_they_are_going_or_have_gone(start_toy: StartToy) -> None:
    """A recovery that ends after the next rebalance began is silent: whoever heard it would take up others' work."""
    toy = await start_toy()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    heard: list[str] = []

    async def hear(*_: object, **__: object) -> None:
        heard.append("ready")

    toy.app.on_rebalance_complete.connect(hear, weak=False)
    recovery, generation = toy.app.tables.recovery, toy.app.consumer_generation_id
    await recovery.on_recovery_completed(generation - 1)
    assert heard == [], "an earlier generation's"
    await recovery.on_recovery_completed(generation)
    assert heard == ["ready"]
    toy.app.consumer._thread._ensure_consumer()._subscription.begin_reassignment()
    assert not toy.app.consumer.is_assigned()
    await recovery.on_recovery_completed(generation)
    assert heard == ["ready"], "this generation's, of partitions that are going"
