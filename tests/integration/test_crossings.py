"""Crossings that rows ask for, through a real Postgres, a real Kafka and a worker that is killed on the way."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from streams.event import Event, read_event
from streams.settings import Settings
from streams.topics import CROSSINGS, FIRINGS, TRIGGERS, Topic
from tests.integration.api import records, serve_connected
from tests.integration.working import worker
from tests.waiting import eventually

KEYED = {"field": "price", "threshold": 100, "type": "quote", "key": ["symbol"]}
ROWS: dict[str, tuple[str, Any, Any]] = {
    "held": ("stocks:*", None, KEYED | {"direction": "above", "held_for": "60s"}),
    "both": ("stocks:wobble", {"currency": "USD"}, KEYED | {"direction": "both", "hysteresis": 2}),
    "change": ("stocks:halted_changed", {"symbol": "A"}, None),
}
"""Name → schedule_expression, match_filter and crossing."""
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
JUDGED_SECONDS = 60
"""A worker takes its partitions over once the one that was killed has been silent for ten seconds."""


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector that carries its rows to Kafka."""
    async with serve_connected(installation) as client:
        yield client


async def execute(settings: Settings, sql: str, *values: object) -> None:
    """Run one statement on the installation's schema."""
    connection = await asyncpg.connect(settings.database_url, server_settings={"search_path": settings.database_schema})
    try:
        await connection.execute(sql, *values)
    finally:
        await connection.close()


async def create_rows(settings: Settings) -> dict[str, str]:
    """Write ROWS with SQL, and wait until they are on their topic; name → id."""
    ids = {name: str(uuid.uuid4()) for name in ROWS}
    for name, (expression, match_filter, crossing) in ROWS.items():
        await execute(
            settings,
            "INSERT INTO jobs (id, name, schedule_expression, match_filter, crossing, agent_id, hub_id)"
            " VALUES ($1, $2, $3, $4, $5, 'trader', 'desk')",
            ids[name],
            name,
            expression,
            json.dumps(match_filter),
            json.dumps(crossing),
        )

    async def written() -> bool:
        return {record.key.decode() for record in await records(settings, TRIGGERS)} >= set(ids.values())

    await eventually(written, 30, "the rows are on their topic")
    return ids


async def publish(client: httpx.AsyncClient, *quotes: tuple[int, str, dict[str, Any]]) -> None:
    """Publish quotes: seconds since BEGAN, symbol, and what else the payload holds; ids tell the first two."""
    events = [
        {
            "id": f"{symbol}-{second}",
            "source": "stocks",
            "type": "quote",
            "time": (BEGAN + timedelta(seconds=second)).isoformat(),
            "payload": {"symbol": symbol, "currency": "USD"} | payload,
        }
        for second, symbol, payload in quotes
    ]
    answer = await client.post("/api/events/ingest", json=events)
    assert answer.status_code == 202, answer.text


async def crossings(settings: Settings) -> dict[str, Event]:
    """Every crossing there is, by what it is and which event crossed; a repeated one is the same."""
    found: dict[str, Event] = {}
    for record in await records(settings, CROSSINGS):
        event = read_event(record.value)
        told = found.setdefault(f"{event.type} {event.caused_by}", event)
        assert told == event
    return found


async def until_told(settings: Settings, *expected: str) -> dict[str, Event]:
    """Wait until exactly these crossings are there."""

    async def told() -> bool:
        return (await crossings(settings)).keys() >= set(expected)

    await eventually(told, JUDGED_SECONDS, f"{expected} are there")
    found = await crossings(settings)
    assert found.keys() == set(expected)
    return found


async def test_what_rows_ask_for_is_told_once_though_the_worker_is_killed_while_it_waits(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """Every kind of row; a held crossing waits in one worker, and its silence is told by the next one."""
    ids = await create_rows(installation)
    async with worker(installation):
        await publish(
            client,
            *((0, symbol, {"price": 99, "halted": False}) for symbol in "AB"),
            (10, "A", {"price": 100}),
            (15, "A", {"price": 99}),
            (20, "B", {"price": 101}),
            (30, "B", {"price": 97.9, "halted": True}),
            (31, "A", {"halted": None}),
        )
        await until_told(installation, "wobble A-10", "wobble B-20", "wobble B-30", "halted_changed A-31")
        await publish(client, (40, "A", {"price": 90}), (50, "A", {"price": 103}), (60, "B", {"price": 98}))
        before = ["wobble A-10", "wobble B-20", "wobble B-30", "halted_changed A-31", "wobble A-40", "wobble A-50"]
        await until_told(installation, *before)
    async with worker(installation):
        await publish(client, (109, "C", {"price": 1}))
        await publish(client, (111, "C", {"price": 1, "halted": True}), (112, "A", {"halted": 0}))
        after = await until_told(installation, *before, "halted_changed A-112", "price_cross_above A-50")
        held = after["price_cross_above A-50"]
        assert held.payload == {
            "symbol": "A",
            "threshold": 100,
            "price": 103,
            "direction": "above",
            "held_for_seconds": 60,
            "since": (BEGAN + timedelta(seconds=50)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        assert after["halted_changed A-112"].payload == {"symbol": "A", "previous": None, "halted": 0}
        await eventually(lambda: have_fired(installation, ids), 30, "each of the rows has fired")
        await execute(installation, "DELETE FROM jobs")
        await eventually(lambda: is_forgotten(client, installation), 30, "nothing is remembered of what nobody watches")


async def have_fired(settings: Settings, ids: dict[str, str]) -> bool:
    """Whether each row has a firing."""
    return {json.loads(record.value)["trigger_id"] for record in await records(settings, FIRINGS)} == set(ids.values())


async def is_forgotten(client: httpx.AsyncClient, settings: Settings) -> bool:
    """Whether the changelog holds no value of a watch any more, after one more event."""
    await publish(client, (200, "C", {"price": 1}))
    changelog = await records(settings, Topic("touchline-edges-changelog"))
    compacted = {record.key: record.value for record in changelog}
    return not [key for key, value in compacted.items() if value is not None and not key.startswith(b"\x1f")]
