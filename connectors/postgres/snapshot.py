"""A snapshot: all rows as they were at one log position, sent as records of op `r`.

How one position and one view are made to agree, since the SQL interface exports no snapshot with a slot:
1. One session locks the tables IN SHARE MODE. It gets the lock when every transaction that wrote to them has ended, so
   each of them committed before the log's end as it is now, or rolled back; nobody else can write to them.
2. A second session begins a REPEATABLE READ transaction and asks for the log's end. Its view, taken at that question,
   holds exactly what committed before the answer.
3. The first session lets go. What is written from here on commits after that position, and the slot has it.
Writers wait only for steps 1 to 3, some milliseconds, never for Kafka. The lock itself is asked for with a limit, so that a
long transaction does not make all others queue behind us; the caller tries again.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from connectors.postgres.connection import connected
from connectors.postgres.outlet import Outlet
from connectors.postgres.pgoutput import Row, json_value
from connectors.postgres.row_topics import keys_on_topic
from connectors.postgres.tables import TABLES, Table
from streams.change import Origin
from streams.settings import Settings

LOCK_TIMEOUT = "2s"
"""How long we queue for the tables: while we do, new writers queue behind us."""
PREFETCHED_ROWS = 1000
"""Rows fetched at a time: what bounds this process's memory."""

log = structlog.get_logger()


async def take_snapshot(settings: Settings, outlet: Outlet) -> int:
    """Send every row, then a delete for each key the topics have and the tables have not; return the log position it shows.

    The slot must exist already. Returns when the broker has all of it. Raises KafkaError, asyncpg.PostgresError, OSError.
    """
    gone = {table.name: await keys_on_topic(settings, table) for table in TABLES}
    async with _consistent_view(settings) as (connection, lsn):
        for table in TABLES:
            at_ms, rows, keys = time.time_ns() // 1_000_000, 0, gone[table.name]
            origin = Origin(lsn, None, settings.database_schema, table.name, snapshot=True)
            async for row in _rows(connection, table):
                await outlet.upsert(table, None, row, "r", origin, at_ms)
                keys.discard(table.key_of(row))
                rows += 1
            for key in keys:
                await outlet.delete(table, key, None, origin, at_ms)
            log.info("snapshot_taken", table=table.name, rows=rows, deleted=len(keys), lsn=lsn)
    await outlet.flush()
    return lsn


@asynccontextmanager
async def _consistent_view(settings: Settings) -> AsyncIterator[tuple[asyncpg.Connection, int]]:
    async with connected(settings) as reader, reader.transaction(isolation="repeatable_read", readonly=True):
        async with connected(settings) as locker, locker.transaction():
            await locker.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            await locker.execute(f"LOCK TABLE {', '.join(table.name for table in TABLES)} IN SHARE MODE")
            lsn: int = await reader.fetchval("SELECT pg_current_wal_insert_lsn()")
        yield reader, lsn


async def _rows(connection: asyncpg.Connection, table: Table) -> AsyncIterator[Row]:
    columns = await connection.fetch(
        "SELECT attname, atttypid FROM pg_attribute"
        " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table.name,
    )
    types = {name: int(oid) for name, oid in columns}
    selected = ", ".join('"' + name.replace('"', '""') + '"::text' for name in types)
    query = f"SELECT {selected} FROM {table.name}"  # noqa: S608 -- names out of the catalog, quoted
    async for values in connection.cursor(query, prefetch=PREFETCHED_ROWS):
        yield {
            name: None if text is None else json_value(text, oid)
            for (name, oid), text in zip(types.items(), values, strict=True)
        }
