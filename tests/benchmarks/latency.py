"""From an event's POST to its inject, through a whole installation: ingest, Kafka, every stage, a hub that answers at once."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from tests.benchmarks.results import Pace
from tests.benchmarks.whole import WARM_UP_SHARE, Hub, Whole, percentile

SECONDS = 20
"""Length of one pace; its beginning warms up and is not counted (WARM_UP_SHARE)."""
DRAIN_SECONDS = 180.0
"""How long injects may come after the last event; what has not come by then is missing."""
QUIET_SECONDS = 10.0
"""Nothing new for so long means nothing will come."""


class Asked(NamedTuple):
    """A pace to measure. A `batch` of 1 is a POST an event; more are NDJSON, as a fast feed sends them."""

    events_per_second: int
    fires_every: int
    batch: int


PACES = (Asked(100, 1, 1), Asked(1_000, 1, 1), Asked(1_000, 1, 10), Asked(5_000, 5, 50), Asked(5_000, 1, 50))
"""1,000 events/s come one a POST, and ten a POST as from one feed that gathers for 10 ms. At 5,000 both a fifth and all of
them fire: the first asks the stages, the second asks dispatch as well."""


async def measure_latency(whole: Whole, hub: Hub, seconds: int, say: Callable[[str], None]) -> list[Pace]:
    """Every pace in turn, each with a source and a trigger of its own."""
    await whole.post("/api/v1/hubs", {"hub_id": "bench", "base_url": hub.base_url}, 201)
    paces = []
    for number, asked in enumerate(PACES):
        pace = await _Run(whole, hub, f"pace-{number}", asked).measure(seconds)
        say(
            f"  {asked.events_per_second} events/s, {asked.batch} a POST, one in {asked.fires_every} fires: "
            f"p50 {pace.inject_p50_ms} ms, p99 {pace.inject_p99_ms} ms, "
            f"{pace.injects_per_second:.0f} injects/s, {pace.missing} missing"
        )
        paces.append(pace)
    return paces


class _Run:
    """One pace."""

    def __init__(self, whole: Whole, hub: Hub, source: str, asked: Asked) -> None:
        self._whole, self._hub, self._source, self._asked = whole, hub, source, asked
        self._posted_at: dict[int, float] = {}
        self._accept_ms: dict[int, float] = {}

    async def measure(self, seconds: int) -> Pace:
        asked, hub = self._asked, self._hub
        hub.forget()
        await self._add_trigger()
        events = asked.events_per_second * seconds
        with self._whole.cores() as cores:
            await self._send(events)
            await self._drained(len(range(0, events, asked.fires_every)))
        counted = range(int(events * WARM_UP_SHARE), events)
        took_ms = [(hub.received_at[n] - self._posted_at[n]) * 1000 for n in counted if n in hub.received_at]
        firing = [n for n in range(events) if n % asked.fires_every == 0]
        accept_ms = [taken for n, taken in self._accept_ms.items() if n in counted]
        return Pace(
            *asked,
            events=events,
            injects_per_second=round(len(hub.received_at) / (max(hub.received_at.values()) - self._posted_at[0]), 1),
            missing=sum(n not in hub.received_at for n in firing),
            doubled=hub.received - len(hub.received_at),
            inject_p50_ms=percentile(took_ms, 0.5),
            inject_p99_ms=percentile(took_ms, 0.99),
            accept_p50_ms=percentile(accept_ms, 0.5),
            accept_p99_ms=percentile(accept_ms, 0.99),
            cores=cores,
        )

    async def _add_trigger(self) -> None:
        row: dict[str, object] = {"name": self._source, "schedule_type": "event", "schedule_expression": f"{self._source}:tick"}
        row |= {"match_filter": {"fires": True}, "agent_id": "agent", "hub_id": "bench"}
        await self._whole.post("/api/v1/triggers", row, 201)

    async def _send(self, events: int) -> None:
        """Each POST at its time, whether or not those before it were answered, as independent feeds do."""
        asked, began = self._asked, time.monotonic()
        async with asyncio.TaskGroup() as group:
            for first in range(0, events, asked.batch):
                delay = began + first / asked.events_per_second - time.monotonic()
                if delay > 0:
                    await asyncio.sleep(delay)
                group.create_task(self._post(range(first, first + asked.batch)))

    async def _post(self, numbers: range) -> None:
        asked, began = self._asked, time.monotonic()
        self._posted_at |= dict.fromkeys(numbers, began)
        told = [
            {"source": self._source, "type": "tick", "payload": {"number": n, "fires": n % asked.fires_every == 0}}
            for n in numbers
        ]
        if asked.batch == 1:
            await self._whole.post("/api/events/ingest", told[0], 202)
        else:
            answer = await self._whole.post("/api/events/ingest", b"\n".join(map(msgspec.json.encode, told)), 202)
            assert all("event_id" in result for result in answer["results"]), answer
        self._accept_ms[numbers[0]] = (time.monotonic() - began) * 1000

    async def _drained(self, expected: int) -> None:
        hub, deadline = self._hub, time.monotonic() + DRAIN_SECONDS
        known, known_at = -1, time.monotonic()
        while len(hub.received_at) < expected and time.monotonic() < deadline:
            if hub.received != known:
                known, known_at = hub.received, time.monotonic()
            if time.monotonic() - known_at > QUIET_SECONDS:
                break
            await asyncio.sleep(0.05)
