"""The stage dispatch as a process, with a real broker and real hubs: who waits for whom, and what outlives a kill."""

import signal
import threading
from contextlib import AsyncExitStack
from typing import Any

from streams.delivery.parked import OWNER
from streams.settings import Settings
from tests.acceptance.receiver import COMPLETED, Answer, Received, Receiver
from tests.integration.api import records
from tests.integration.dispatching import DELIVERED_SECONDS, PARKED, Line, nowhere
from tests.integration.working import worker
from tests.waiting import eventually

ACCEPTED: Answer = (202, {"status": "accepted"})


def numbers(receiver: Receiver, instance: str) -> list[int]:
    """The numbers an instance was injected with, in order, each attempt once more."""
    return [one.body["event"]["payload"]["number"] for one in injects(receiver) if one.body["agent_instance_id"] == instance]


def injects(receiver: Receiver) -> list[Received]:
    """Calls that are no cancels."""
    return [one for one in receiver.received if not one.path.endswith("/cancel")]


def cancels(receiver: Receiver) -> list[Received]:
    """Cancels."""
    return [one for one in receiver.received if one.path.endswith("/cancel")]


async def test_a_dead_hub_holds_up_no_other_and_gets_its_own_in_order_when_it_is_back(installation: Settings) -> None:
    """Healthy hubs get all of theirs while one is down; nothing of the dead one's is lost, doubled or reordered."""
    base_url = nowhere()
    healthy = [f"hub-{number}" for number in range(4)]
    async with Line(installation) as line, AsyncExitStack() as stack, worker(installation):
        receivers = {hub_id: stack.enter_context(Receiver()) for hub_id in healthy}
        for hub_id, receiver in receivers.items():
            await line.register(hub_id, receiver.base_url)
        await line.register("dead", base_url)
        waiting = []
        for number in range(30):
            waiting += [await line.send("dead", f"desk-{instance}", number) for instance in range(3)]
            for hub_id in healthy:
                await line.send(hub_id, f"desk-{number % 2}", number)

        def delivered() -> bool:
            return all(len(receiver.received) == 30 for receiver in receivers.values())

        await eventually(delivered, DELIVERED_SECONDS, "healthy hubs have all of theirs")
        for receiver in receivers.values():
            assert numbers(receiver, "desk-0") == list(range(0, 30, 2))
            assert numbers(receiver, "desk-1") == list(range(1, 30, 2))

        async def all_parked() -> bool:
            return len(await line.parked()) == len(waiting)

        await eventually(all_parked, 30, "all of the dead hub's are parked")
        with Receiver(port=int(base_url.rpartition(":")[2])) as back:
            await eventually(lambda: len(back.received) == len(waiting), DELIVERED_SECONDS, "the hub that is back has all")
            for instance in range(3):
                assert numbers(back, f"desk-{instance}") == list(range(30))

            async def forgotten() -> bool:
                return not await line.parked()

            await eventually(forgotten, 30, "nothing is parked any more")
        assert set(map(tuple, await line.statuses(*waiting))) == {("RUNNING", "COMPLETED")}
        assert await line.dead() == []


async def test_retries_go_on_where_they_were_when_a_worker_is_killed(installation: Settings) -> None:
    """Its successor counts on, keeps the order behind the one that fails, and needs no new record to begin."""
    settings = installation.model_copy(update={"hub_attempts": 6, "hub_backoff_seconds": 1.0, "hub_backoff_cap_seconds": 1.0})

    def answer(received: Received) -> Answer:
        return (500, {}) if received.body["event"]["payload"]["number"] == 0 else COMPLETED

    with Receiver(answer=answer) as receiver:
        async with Line(settings) as line:
            await line.register("hub", receiver.base_url)
            async with worker(settings):
                sent = [await line.send("hub", "desk", number, slot=f"slot-{number}", run=1) for number in range(4)]

                async def tried() -> bool:
                    return max((state.get("attempts", 0) for state in (await line.parked()).values()), default=0) >= 3

                await eventually(tried, DELIVERED_SECONDS, "three attempts failed, and the table says so")
                assert set(numbers(receiver, "desk")) == {0}
            before = len(receiver.received)
            async with worker(settings):
                await eventually(lambda: len(set(numbers(receiver, "desk"))) == 4, DELIVERED_SECONDS, "those behind it came")

                async def told() -> bool:
                    return (await line.statuses(*sent))[1:] == [["RUNNING", "COMPLETED"]] * 3

                await eventually(told, 30, "they are told of")
    seen = numbers(receiver, "desk")
    assert seen[-3:] == [1, 2, 3]
    assert set(seen[:-3]) == {0}
    assert before <= 5
    assert 6 <= len(seen) - 3 <= 7, "the attempt that the kill ended may be made again, and no other"
    assert {one.headers["idempotency-key"] for one in receiver.received[:-3]} == {sent[0]}
    [failed] = (await line.executions(sent[0]))[sent[0]]
    assert (failed.status, failed.attempts, failed.slot, failed.run) == ("FAILED", 6, "slot-0", 1)
    assert failed.error == "gave up after 6 attempts: the hub answered 500"
    assert await line.dead() == [(sent[0], failed.error)]


async def test_what_a_worker_parks_after_it_lost_its_partitions_is_not_taken_up(installation: Settings) -> None:
    """It sleeps past its session, wakes and fails once more what its successor has delivered; the next owner knows better."""
    settings = installation.model_copy(update={"hub_attempts": 1000, "hub_backoff_cap_seconds": 0.5})
    answers: list[Answer] = [(503, {})]
    with Receiver(answer=lambda _: answers[-1]) as receiver:
        async with Line(settings) as line:
            await line.register("hub", receiver.base_url)
            async with worker(settings) as sleeper:
                sent = [await line.send("hub", f"desk-{number}", number) for number in range(8)]

                async def parked() -> bool:
                    return len(await line.parked()) == await line.committed() == len(sent)

                await eventually(parked, DELIVERED_SECONDS, "all are parked, and their batches acked")
                sleeper.send_signal(signal.SIGSTOP)
                answers.append(COMPLETED)
                async with worker(settings):

                    async def forgotten() -> bool:
                        return not await line.parked()

                    await eventually(forgotten, DELIVERED_SECONDS, "the successor has delivered them")
                    answers.append((503, {}))
                    sleeper.send_signal(signal.SIGCONT)

                    async def parked_late() -> bool:
                        return bool(await line.parked())

                    await eventually(parked_late, DELIVERED_SECONDS, "the sleeper parks what is over")
            answers.append(COMPLETED)
            before = len(receiver.received)
            async with worker(settings):
                new = await line.send("hub", "desk-0", 100)
                await eventually(lambda: 100 in numbers(receiver, "desk-0"), DELIVERED_SECONDS, "the next owner works")
                await eventually(forgotten, 30, "nothing is parked")
            assert [one.headers["idempotency-key"] for one in receiver.received[before:]] == [new]


async def test_a_hub_that_says_when_is_called_then_and_a_cancel_waits_for_nothing(installation: Settings) -> None:
    """Retry-After is obeyed; a cancel ends what waits, and reaches the hub where that may have what it cancels."""

    def answer(received: Received) -> Answer:
        number = received.body.get("event", {"payload": {"number": -1}})["payload"]["number"]
        if number == 10 and numbers(receiver, "polite").count(10) == 1:
            return 503, {}, {"Retry-After": "2"}
        if number == 20:
            return 503, {}, {"Retry-After": "240"}
        return (404, {}) if number == -1 else ACCEPTED

    with Receiver(answer=answer) as receiver:
        async with Line(installation) as line, worker(installation):
            await line.register("hub", receiver.base_url)
            polite = [await line.send("hub", "polite", number) for number in (10, 11)]
            other = await line.send("hub", "other", 12)
            await eventually(lambda: numbers(receiver, "polite")[-1:] == [11], DELIVERED_SECONDS, "the hub is called again")
            assert numbers(receiver, "polite") == [10, 10, 11]
            first, second, _ = [one for one in injects(receiver) if one.headers["idempotency-key"] in polite]
            assert second.at_seconds - first.at_seconds >= 2
            [beside] = [one for one in injects(receiver) if one.headers["idempotency-key"] == other]
            assert beside.at_seconds < second.at_seconds

            tried, untried, kept = [await line.send("hub", "busy", number) for number in (20, 21, 22)]
            await eventually(lambda: numbers(receiver, "busy") == [20], 30, "the first was tried")
            await line.send("hub", "busy", execution_id=untried, message="the agent was too slow", cancel=True)
            await line.send("hub", "busy", execution_id=tried, message="the agent was too slow", cancel=True)
            await eventually(lambda: numbers(receiver, "busy") == [20, 22], 30, "what was kept goes at once")
            await eventually(lambda: cancels(receiver), 30, "the hub is told of the one it may have")
            await line.send("hub", "busy", execution_id=kept, message="on second thought", cancel=True)
            await eventually(lambda: len(cancels(receiver)) == 2, 30, "and of the one that runs")
            assert [(one.headers["idempotency-key"], one.body) for one in cancels(receiver)] == [
                (f"{execution_id}:cancel", told(execution_id, reason))
                for execution_id, reason in ((tried, "the agent was too slow"), (kept, "on second thought"))
            ]

            async def forgotten() -> bool:
                return not await line.parked()

            await eventually(forgotten, 30, "nothing is parked any more")
            assert await line.statuses(tried, untried, kept) == [[], [], ["RUNNING"]]
            assert await line.dead() == []


async def test_a_cancel_reaches_the_hub_that_a_killed_worker_had_called(installation: Settings) -> None:
    """Nobody knows of a call that a kill ended: the hub may have it, and is told, though the next worker never called it."""
    killed = threading.Event()

    def answer(received: Received) -> Answer:
        if not received.path.endswith("/cancel"):
            killed.wait(DELIVERED_SECONDS)
        return COMPLETED

    with Receiver(answer=answer) as receiver:
        async with Line(installation) as line:
            await line.register("hub", receiver.base_url)
            async with worker(installation) as first:
                called = await line.send("hub", "busy")
                await eventually(lambda: injects(receiver), DELIVERED_SECONDS, "the call is under way")
                first.kill()
            killed.set()
            await line.send("hub", "busy", execution_id=called, message="too slow", cancel=True)
            async with worker(installation):
                await eventually(lambda: cancels(receiver), DELIVERED_SECONDS, "the hub is told")
                assert [one.body for one in cancels(receiver)] == [told(called, "too slow")]
        assert len(injects(receiver)) == 1


def told(execution_id: str, reason: str) -> dict[str, Any]:
    """A cancel's body."""
    return {"execution_id": execution_id, "trigger_id": "t1", "agent_instance_id": "busy", "reason": reason}


async def test_another_hub_takes_over_only_where_the_trigger_says_so(installation: Settings) -> None:
    """For a hub that is gone the same other one is taken each time, and told to create; records name the one called."""
    settings = installation.model_copy(update={"hub_request_mib": 1})
    with Receiver() as left, Receiver() as right:
        async with Line(settings) as line, worker(settings):
            await line.register("left", left.base_url)
            await line.register("right", right.base_url)
            fallen = [await line.send("gone", f"desk-{number % 8}", number, fallback=True) for number in range(32)]
            failed = await line.send("gone", "desk-0")
            large = await line.send("left", "desk", message="x" * 1024 * 1024)

            async def over() -> bool:
                return all(len(statuses) == 2 for statuses in await line.statuses(*fallen)) and len(await line.dead()) == 2

            await eventually(over, DELIVERED_SECONDS, "all are over")
            received = left.received + right.received
            assert len(received) == 32
            assert {one.path.rpartition("/")[2] for one in received} == {"inject-and-create"}
            for instance in (f"desk-{number}" for number in range(8)):
                assert sorted([len(numbers(left, instance)), len(numbers(right, instance))]) == [0, 4]
            for execution_id, executions in (await line.executions(*fallen)).items():
                used = "left" if execution_id in {one.headers["idempotency-key"] for one in left.received} else "right"
                assert {execution.hub_id for execution in executions} == {used}
            reasons = dict(await line.dead())
            assert reasons[failed] == "hub 'gone' is not registered; POST /api/v1/hubs registers one"
            assert "1048576 at most" in reasons[large]
            assert await line.statuses(failed, large) == [["FAILED"], ["FAILED"]]


async def test_a_hub_that_is_registered_anew_or_deleted_is_so_for_what_waits_too(installation: Settings) -> None:
    """What waits behind an open circuit goes to the new address at once, or ends when there is none."""
    async with Line(installation) as line, worker(installation):
        for hub_id in ("moving", "leaving"):
            await line.register(hub_id, nowhere())
        moved = [await line.send("moving", "desk", number) for number in range(8)]
        moved += [await line.send("moving", "large", message="x" * 3 * 1024 * 1024)]
        left = [await line.send("leaving", "desk", number) for number in range(8)]

        async def all_parked() -> bool:
            return len(await line.parked()) == 17

        await eventually(all_parked, DELIVERED_SECONDS, "all are parked")
        with Receiver() as receiver:
            await line.register("moving", receiver.base_url)
            await line.deregister("leaving")
            await eventually(lambda: numbers(receiver, "desk") == list(range(8)), 10, "the new address has all, in order")

            async def over() -> bool:
                return not await line.parked()

            await eventually(over, 30, "nothing waits any more")
        assert await line.statuses(*moved) == [["RUNNING", "COMPLETED"]] * 9
        reason = "hub 'leaving' is not registered; POST /api/v1/hubs registers one"
        assert await line.dead() == [(execution_id, reason) for execution_id in left]


async def test_a_hub_that_stays_away_is_not_waited_for_and_holds_no_more_than_a_worker_may(installation: Settings) -> None:
    """While many wait nothing more is read; after the patience all of them are dead, in order, with the reason."""
    limits = {"hub_patience_seconds": 3.0, "hub_attempts": 1000, "hub_waiting_max": 10}
    settings = installation.model_copy(update=limits)
    async with Line(settings) as line, worker(settings):
        await line.register("dead", nowhere())
        sent = [await line.send("dead", "desk", 0)]
        await eventually(line.parked, DELIVERED_SECONDS, "the worker works")
        sent += [await line.send("dead", "desk", number) for number in range(1, 20)]

        async def full() -> bool:
            return len(await line.parked()) >= settings.hub_waiting_max

        await eventually(full, 30, "as many wait as a worker may hold")
        sent += [await line.send("dead", "desk", number) for number in range(20, 60)]

        async def over() -> bool:
            return len(await line.dead()) == 60

        await eventually(over, DELIVERED_SECONDS, "all are dead")
        letters = await line.dead()
        assert [execution_id for execution_id, _ in letters] == sent
        assert {reason.partition(":")[0] for _, reason in letters} == {"the hub has not answered for 3 s"}
        assert await line.statuses(*sent) == [["FAILED"]] * 60
        held: set[bytes] = set()
        most = 0
        for record in await records(settings, PARKED):
            held = held - {record.key} if record.value is None or record.key == OWNER else held | {record.key}
            most = max(most, len(held))
        assert most <= 40, "the last forty were not read before there was room"
