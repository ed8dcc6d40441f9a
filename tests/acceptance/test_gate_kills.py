"""Every policy while the worker is killed again and again: what was decided stays decided, what waits is not lost."""

import random
from collections import Counter
from typing import Any

import psutil

from tests.acceptance.installation import Client, Command
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually

BATCH = 500
DRAIN_SECONDS = 240


def publish_all(client: Client, source: str, payloads: list[dict[str, Any]]) -> None:
    """Hand in one event for each payload, in order."""
    for first in range(0, len(payloads), BATCH):
        events = [{"source": source, "type": "tick", "payload": payload} for payload in payloads[first : first + BATCH]]
        results = client.post("/api/events/ingest", events, 202)["results"]
        assert all("event_id" in result for result in results)


async def kill(running: Command) -> None:
    """Kill -9 the worker, and wait until another one runs in its place."""
    before = running.addresses.pids["worker-1"]
    psutil.Process(before).kill()
    await eventually(lambda: running.addresses.pids["worker-1"] != before, 30, "the worker was started again")


def heard(receiver: Receiver, trigger_id: str) -> list[Any]:
    """The payloads that were injected for a trigger, each execution once, in the order of its first inject."""
    first = {one.headers["idempotency-key"]: one for one in receiver.of(trigger_id) if not one.path.endswith("cancel")}
    return [one.body["event"]["payload"] for one in first.values()]


async def test_a_queue_of_ten_thousand_drains_in_order_across_two_kills(
    running: Command, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """All of it, in order, each execution once."""
    total = 10_000
    trigger_id = client.create_trigger("tick", f"{source}:tick", hub_id, max_concurrent=200)
    publish_all(client, source, [{"n": n} for n in range(total)])
    for share in (0.1, 0.5):
        await eventually(lambda: len(receiver.received) > share * total, DRAIN_SECONDS, "it drains")  # noqa: B023
        await kill(running)
    await eventually(
        lambda: len({one.headers["idempotency-key"] for one in receiver.received}) >= total, DRAIN_SECONDS, "all of it fires"
    )
    assert [payload["n"] for payload in heard(receiver, trigger_id)] == list(range(total))


async def test_every_policy_holds_while_the_worker_is_killed(
    running: Command, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Killed three times in the middle of it; each policy's promise is checked on what the hub was sent."""
    ticks, games = 150, 5
    policies: dict[str, dict[str, Any]] = {
        "plain": {},
        "once": {"one_shot": True},
        "queue": {"dedup": "queue", "per": "payload.game"},
        "three": {"max_concurrent": 3},
        "timed": {"dedup": "queue", "timeout_seconds": 60},
        "count": {"count_threshold": 3, "window": "30d", "per": "payload.game"},
        "rate": {"rate_limit": "20/1h"},
        "debounce": {"debounce": "500ms"},
    }
    ids = {name: client.create_trigger(name, f"{source}:tick", hub_id, **columns) for name, columns in policies.items()}
    chance = random.Random(5)
    for first in range(0, ticks, 50):
        publish_all(client, source, [{"n": n, "game": n % games} for n in range(first, first + 50)])
        await eventually(
            lambda: len(heard(receiver, ids["plain"])) > first + chance.randrange(40),  # noqa: B023
            DRAIN_SECONDS,
            "it is under way",
        )
        await kill(running)
    for name in ("plain", "queue", "three", "timed"):
        await eventually(lambda: len(heard(receiver, ids[name])) >= ticks, DRAIN_SECONDS, f"{name} fires")  # noqa: B023
    await eventually(lambda: len(heard(receiver, ids["count"])) >= ticks // 3, DRAIN_SECONDS, "the counts are full")

    assert [payload["n"] for payload in heard(receiver, ids["plain"])] == list(range(ticks))
    assert [payload["n"] for payload in heard(receiver, ids["three"])] == list(range(ticks))
    assert [payload["n"] for payload in heard(receiver, ids["timed"])] == list(range(ticks))
    for game in range(games):
        own = [payload["n"] for payload in heard(receiver, ids["queue"]) if payload["game"] == game]
        assert own == list(range(game, ticks, games))
        counted = [payload["n"] for payload in heard(receiver, ids["count"]) if payload["game"] == game]
        assert counted == list(range(game, ticks, games))[2::3]
    assert [payload["n"] for payload in heard(receiver, ids["once"])] == [0]
    assert [payload["n"] for payload in heard(receiver, ids["rate"])] == list(range(20))

    def coalesced() -> list[int]:
        windows = {
            one.headers["idempotency-key"]: [
                event["payload"]["n"]
                for part in one.body["seed_parts"]
                for event in (part.get("literal") or {}).get("events", [])
            ]
            for one in receiver.of(ids["debounce"])
        }
        return [n for window in windows.values() for n in window]

    await eventually(lambda: len(coalesced()) >= ticks, DRAIN_SECONDS, "the last window is over")
    assert coalesced() == list(range(ticks))
    statuses = Counter(one["status"] for one in client.executions(ids["rate"]))
    assert not set(statuses) - {"COMPLETED", "SKIPPED"}
