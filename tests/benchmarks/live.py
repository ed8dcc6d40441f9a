"""How long a create call takes until its trigger is live in every worker, with many rows there already."""

import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from itertools import count

import asyncpg
import msgspec

from tests.benchmarks.rowsets import MIX, triggers
from tests.benchmarks.whole import Hub, Whole, percentile
from tests.waiting import eventually

CREATES = 300
WARM_UP = 20
LOADED_SECONDS = 300.0
COLUMNS = ("id", "name", "schedule_expression", "agent_id", "hub_id", "match_filter")


class Live(msgspec.Struct):
    """Milliseconds from before the POST to its 201, which says that every worker judges by the row."""

    rows: int
    creates: int
    p50_ms: float
    p99_ms: float


async def measure_live(whole: Whole, hub: Hub, rows: int, say: Callable[[str], None]) -> Live:
    """Put `rows` into Postgres by SQL, wait until they are loaded, then create triggers one after the other."""
    await whole.post("/api/v1/hubs", {"hub_id": "hub", "base_url": hub.base_url}, 201)
    await _insert(whole.addresses.database, rows)

    numbers = count()

    async def created() -> bool:
        number = next(numbers)
        body = {"name": f"live-{number}", "schedule_expression": "stocks:price", "agent_id": "agent", "hub_id": "hub"}
        return (
            await whole.status_of("/api/v1/triggers", body | {"match_filter": {"symbol": f"S{number}"}}) == HTTPStatus.CREATED
        )

    # The rows before it are on the topic before it: where this one is live they are.
    await eventually(created, LOADED_SECONDS, f"{rows:,} rows are loaded")
    took_ms = []
    for _ in range(CREATES + WARM_UP):
        began = time.monotonic()
        assert await created(), "a create was answered 202: not live in time"
        took_ms.append((time.monotonic() - began) * 1000)
    found = Live(rows, CREATES, percentile(took_ms[WARM_UP:], 0.5), percentile(took_ms[WARM_UP:], 0.99))
    say(f"  {rows:,} rows: p50 {found.p50_ms} ms, p99 {found.p99_ms} ms")
    return found


async def _insert(database_url: str, rows: int) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "scheduler"})
    try:
        await connection.copy_records_to_table(
            "jobs",
            columns=COLUMNS,
            records=(
                (
                    str(uuid.uuid4()),
                    row.name,
                    row.schedule_expression,
                    row.agent_id,
                    row.hub_id,
                    msgspec.json.encode(row.match_filter).decode(),
                )
                for row in triggers(MIX, rows)
            ),
        )
    finally:
        await connection.close()
