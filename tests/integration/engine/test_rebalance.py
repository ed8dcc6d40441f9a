"""Partitions move while batches are under way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from streams.engine.consumer import UNREADABLE_SECONDS
from streams.settings import Settings
from tests.integration.engine.conftest import Broker, Feed, StartToy
from tests.integration.engine.toy import Toy
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


async def test_what_is_done_is_committed_before_partitions_go(
    settings: Settings, start_toy: StartToy, feed: Feed, broker: Broker
) -> None:
    """Nothing is judged twice when a worker joins or leaves in good order, however long ago the others last committed."""
    first = Toy(settings)
    first.app.conf.broker_commit_interval = 3_600.0
    await first.start()
    try:
        await feed.write(4_000)
        await eventually(lambda: first.counts["read"] == 4_000, what="the first worker has read everything")
        assert await broker.committed() == dict.fromkeys(range(4), 0)
        second = await start_toy()
        await eventually(lambda: second.partitions, what="the second worker has partitions")
        await feed.write(4_000)
        await eventually(lambda: first.counts["read"] + second.counts["read"] == 8_000, what="both have read everything")
    finally:
        await first.stop()
    await feed.write(4_000)
    await eventually(broker.all_committed, 60, what="everything is committed")
    assert (first.counts + second.counts)["read"] == 12_000
    assert (first.counts + second.counts)["skipped"] == 0
    await broker.check_answers()


async def test_a_stop_that_meets_a_rebalance_commits_what_is_done(start_toy: StartToy, feed: Feed, broker: Broker) -> None:
    """A worker joins while another is stopping and waits for acks: nothing is judged twice."""
    first = await start_toy()
    await eventually(lambda: first.partitions, what="the first worker is ready")
    first.writer.hold()
    await feed.write(4_000)
    await eventually(lambda: len(first.judged) == 4, what="the first worker has judged some of every partition")
    stopping = asyncio.create_task(first.app.stop())
    starting = asyncio.create_task(start_toy())
    await eventually(lambda: first.app.rebalancing, what="the rebalance has begun")
    first.writer.release()
    await stopping
    second = await starting
    await eventually(broker.all_committed, 60, what="everything is committed")
    assert (first.counts + second.counts)["read"] == 4_000
    assert (first.counts + second.counts)["skipped"] == 0
    await broker.check_answers()


async def test_what_may_be_read_again_is_read_at_once(
    start_toy: StartToy, feed: Feed, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust sleeps for a second when no partition may be read, and after every rebalance events waited for it to wake."""
    toy = await start_toy()
    await eventually(lambda: toy.partitions, what="the worker is ready")
    consumer, slept = toy.app.consumer, list[float]()
    sleep = consumer.sleep

    async def sleep_and_say_so(seconds: float) -> None:
        slept.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(consumer, "sleep", sleep_and_say_so)
    consumer.pause_partitions(partitions := consumer.assignment())
    await eventually(lambda: slept.count(UNREADABLE_SECONDS) > 2, what="it has looked several times")
    await feed.write(4_000)
    consumer.resume_partitions(partitions)
    await eventually(broker.all_committed, 60, what="everything is committed")
    assert 1 not in slept


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


async def test_nobody_hears_that_partitions_are_ready_when_they_are_going(settings: Settings, start_toy: StartToy) -> None:
    """A recovery that ends while the next rebalance is under way is silent: whoever heard it would take up others' work."""
    toy, told = Toy(settings), list[str]()
    recovery: Any = toy.app.tables.recovery
    build, complete = recovery._build_highwaters, recovery.on_recovery_completed
    is_going, is_over = asyncio.Event(), asyncio.Event()

    async def build_late(*arguments: Any) -> None:
        await is_going.wait()
        await build(*arguments)

    async def complete_and_say_so(generation_id: int = 0) -> None:
        await complete(generation_id)
        is_over.set()

    def tell(what: str) -> Callable[..., Awaitable[None]]:
        async def on_signal(*_: object, **__: object) -> None:
            told.append(what)
            if told[-2:] == ["assigned", "revoked"]:
                is_going.set()
                await asyncio.wait_for(is_over.wait(), 20)

        return on_signal

    recovery._build_highwaters, recovery.on_recovery_completed = build_late, complete_and_say_so
    toy.app.on_partitions_revoked.connect(tell("revoked"), weak=False)
    toy.app.on_partitions_assigned.connect(tell("assigned"), weak=False)
    toy.app.on_rebalance_complete.connect(tell("ready"), weak=False)
    starting = asyncio.create_task(toy.start())  # which ends when partitions are ready
    try:
        await eventually(lambda: "assigned" in told, what="the first worker has partitions")
        await start_toy()
        await eventually(lambda: told[-1] == "ready", what="the first worker is ready")
        assert told[told.index("assigned") :] == ["assigned", "revoked", "assigned", "ready"]
    finally:
        await starting
        await toy.stop()
