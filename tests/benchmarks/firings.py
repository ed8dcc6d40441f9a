"""Firings: how many a second go through gate and dispatch into a hub, and what a dead hub costs those that are healthy."""

import asyncio
import socket
import time
from collections.abc import Callable

import msgspec

from tests.benchmarks.whole import Hub, Whole, percentile

FIRINGS = 20_000
BATCH = 500
COUNTED = (0.1, 0.9)
"""The shares of the firings between which the rate is taken: the first ones still fill, the last ones drain."""
DRAIN_SECONDS = 120.0
HEALTHY = 20
PHASES, PHASE_SECONDS, EVENTS_PER_SECOND, DEAD_PER_SECOND = 20, 6, 100, 5
"""Phases take turns, without and with the dead hub, so that what else the machine does meets both: 6,000 events each, of which
60 lie above the 99th percentile."""


class Fired(msgspec.Struct):
    """`firings` events that each fire one trigger, handed in at once: injects a second, and cores used by each process."""

    firings: int
    injects_per_second: float
    missing: int
    cores: dict[str, float]


class Beside(msgspec.Struct):
    """Milliseconds from POST to inject at 20 healthy hubs, over the phases without and those with a dead hub beside them."""

    without_p50_ms: float
    without_p99_ms: float
    with_p50_ms: float
    with_p99_ms: float
    missing: int


class FiringFigures(msgspec.Struct):
    """Both."""

    fired: Fired
    beside: Beside


async def measure_firings(whole: Whole, hub: Hub, say: Callable[[str], None]) -> FiringFigures:
    """The rate first, then the dead hub."""
    await whole.post("/api/v1/hubs", {"hub_id": "bench", "base_url": hub.base_url}, 201)
    fired = await _measure_rate(whole, hub)
    say(f"  {fired.injects_per_second:,.0f} injects/s, {fired.missing} missing, cores {fired.cores}")
    beside = await _measure_beside(whole, hub)
    say(
        f"  20 hubs: p50 {beside.without_p50_ms} ms, p99 {beside.without_p99_ms} ms; beside a dead one "
        f"{beside.with_p50_ms} and {beside.with_p99_ms} ms, {beside.missing} missing"
    )
    return FiringFigures(fired, beside)


async def _measure_rate(whole: Whole, hub: Hub) -> Fired:
    hub.forget()
    await _add_trigger(whole, "rate", "bench")
    with whole.cores() as cores:
        for first in range(0, FIRINGS, BATCH):
            await _publish(whole, "rate", range(first, first + BATCH))
        await _received(hub, FIRINGS)
    times = sorted(hub.received_at.values())
    first, last = (int(share * len(times)) for share in COUNTED)
    per_second = (last - first) / (times[last] - times[first])
    return Fired(FIRINGS, round(per_second, 1), FIRINGS - len(times), cores)


async def _measure_beside(whole: Whole, hub: Hub) -> Beside:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        await whole.post("/api/v1/hubs", {"hub_id": "dead", "base_url": f"http://127.0.0.1:{nobody.getsockname()[1]}"}, 201)
        await _add_trigger(whole, "dead", "dead")
        for number in range(HEALTHY):
            await whole.post("/api/v1/hubs", {"hub_id": f"healthy-{number}", "base_url": hub.base_url}, 201)
            await _add_trigger(whole, f"healthy-{number}", f"healthy-{number}")
        without: list[float] = []
        beside: list[float] = []
        missing = 0
        await _phase(whole, hub, dead=False)  # warms up
        for phase in range(PHASES):
            took_ms, lost = await _phase(whole, hub, dead=bool(phase % 2))
            (beside if phase % 2 else without).extend(took_ms)
            missing += lost
    return Beside(
        percentile(without, 0.5), percentile(without, 0.99), percentile(beside, 0.5), percentile(beside, 0.99), missing
    )


async def _phase(whole: Whole, hub: Hub, *, dead: bool) -> tuple[list[float], int]:
    """One POST after the other at an even pace; the milliseconds each healthy one took, and how many never came."""
    hub.forget()
    posted_at: dict[int, float] = {}
    events = PHASE_SECONDS * EVENTS_PER_SECOND
    every = EVENTS_PER_SECOND // DEAD_PER_SECOND
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(events):
            await asyncio.sleep(max(0.0, began + number / EVENTS_PER_SECOND - time.monotonic()))
            posted_at[number] = time.monotonic()
            group.create_task(_publish(whole, f"healthy-{number % HEALTHY}", range(number, number + 1)))
            if dead and number % every == 0:
                group.create_task(_publish(whole, "dead", range(number, number + 1)))
    await _received(hub, events)
    return [(at - posted_at[number]) * 1000 for number, at in hub.received_at.items()], events - len(hub.received_at)


async def _add_trigger(whole: Whole, source: str, hub_id: str) -> None:
    row = {"name": source, "schedule_expression": f"{source}:tick", "agent_id": "agent", "hub_id": hub_id}
    await whole.post("/api/v1/triggers", row, 201)


async def _publish(whole: Whole, source: str, numbers: range) -> None:
    events = [{"source": source, "type": "tick", "payload": {"number": number}} for number in numbers]
    await whole.post("/api/events/ingest", b"\n".join(map(msgspec.json.encode, events)), 202)


async def _received(hub: Hub, expected: int) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while len(hub.received_at) < expected and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
