"""How many requests a second the door answers with 202, one event in each, and a hundred."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from connectors.kafka.topics import describe_topics
from streams.settings import Settings
from streams.topics import EVENTS
from tests.benchmarks.results import Door
from tests.benchmarks.whole import Whole, percentile

DOORS = ((1, 32), (100, 8))
"""Events a request, and connections that ask again as soon as they are answered: enough to keep one process busy."""


async def measure_ingest(whole: Whole, seconds: int, say: Callable[[str], None]) -> list[Door]:
    """Each size in turn. Raises AssertionError when an accepted event is not on the topic."""
    doors = []
    for events, connections in DOORS:
        door = await _measure(whole, events, connections, seconds)
        say(f"  {events} events a request: {door.requests_per_second:,.0f} requests/s, {door.events_per_second:,.0f} events/s")
        doors.append(door)
    return doors


async def _measure(whole: Whole, events: int, connections: int, seconds: int) -> Door:
    event = {"source": "door", "type": "knock", "payload": {"symbol": "AAPL", "price": 100.25, "venue": "XNAS"}}
    body: Any = event if events == 1 else [event] * events
    took_ms: list[float] = []
    before = await _lying(whole)
    began = time.monotonic()

    async def ask() -> None:
        while time.monotonic() - began < seconds:
            asked_at = time.monotonic()
            answer = await whole.post("/api/events/ingest", body, 202)
            assert events == 1 or all("event_id" in result for result in answer["results"]), answer
            took_ms.append((time.monotonic() - asked_at) * 1000)

    with whole.cores() as cores:
        await asyncio.gather(*[ask() for _ in range(connections)])
        took_seconds = time.monotonic() - began
    lying, accepted = await _lying(whole) - before, len(took_ms) * events
    assert lying == accepted, f"{accepted:,} events were accepted, and {lying:,} are on the topic"
    return Door(
        events_per_request=events,
        connections=connections,
        requests_per_second=round(len(took_ms) / took_seconds, 1),
        events_per_second=round(accepted / took_seconds, 1),
        p50_ms=percentile(took_ms, 0.5),
        p99_ms=percentile(took_ms, 0.99),
        cores=cores,
    )


async def _lying(whole: Whole) -> int:
    """How many records `events` has had."""
    topics = await describe_topics(Settings(kafka_bootstrap_servers=whole.addresses.kafka))
    return next(topic.end_offset for topic in topics if topic.name == EVENTS.name)
