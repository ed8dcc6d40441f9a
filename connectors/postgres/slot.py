"""The replication slot and its publication: what Postgres keeps for us of its log, and how it is read.

Source: PostgreSQL manual, "Replication Management Functions" and "Logical Replication Message Formats". asyncpg decodes a
`pg_lsn` as an integer, so log positions are plain numbers here, as in Debezium's envelope.
"""

import re
from collections.abc import AsyncGenerator
from typing import NamedTuple

import asyncpg
import structlog

from connectors.postgres.pgoutput import Decoder, Message
from connectors.postgres.tables import TABLES
from streams.errors import ConnectorError

PREFETCHED_MESSAGES = 1000
"""Messages fetched from Postgres at a time: what bounds this process's memory when one transaction holds many."""

log = structlog.get_logger()


class SlotState(NamedTuple):
    """The slot as Postgres describes it. `lost` says why it can no longer be read; `lag_bytes` is the log it holds back."""

    database: str
    is_here: bool
    confirmed_lsn: int
    lag_bytes: int
    lost: str | None


class Slot:
    """One schema's slot and publication; both carry the schema's name, so that installations never meet."""

    def __init__(self, schema: str) -> None:
        self.name = f"{schema}_touchline"
        self._schema = schema
        if not re.fullmatch(r"[a-z0-9_]{1,63}", self.name):
            raise ConnectorError(
                f"{schema!r} cannot be part of a replication slot's name; choose a TOUCHLINE_DATABASE_SCHEMA of at most "
                "53 lower-case letters, digits and underscores"
            )

    async def publish(self, connection: asyncpg.Connection) -> bool:
        """Make the publication what it must be. True when it was not: then the log before this moment lacks changes."""
        wanted = {(self._schema, table.name) for table in TABLES}
        async with connection.transaction():
            operations = await connection.fetchrow(
                "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AS all FROM pg_publication WHERE pubname = $1",
                self.name,
            )
            found = await connection.fetch(
                "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = $1", self.name
            )
            if operations and operations["all"] and {tuple(row) for row in found} == wanted:
                return False
            await connection.execute(f'DROP PUBLICATION IF EXISTS "{self.name}"')
            tables = ", ".join(f'"{self._schema}"."{table.name}"' for table in TABLES)
            await connection.execute(f'CREATE PUBLICATION "{self.name}" FOR TABLE {tables}')
        return True

    async def state(self, connection: asyncpg.Connection) -> SlotState | None:
        """What Postgres says of the slot, None when it has none of that name."""
        row = await connection.fetchrow(
            "SELECT database, database = current_database() AS is_here, confirmed_flush_lsn AS confirmed_lsn,"
            " pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS lag_bytes,"
            " CASE WHEN wal_status = 'lost' THEN coalesce(invalidation_reason, 'its log is gone') END AS lost"
            " FROM pg_replication_slots WHERE slot_name = $1",
            self.name,
        )
        return None if row is None else SlotState(*row)

    async def make(self, connection: asyncpg.Connection) -> None:
        """Make the slot. Postgres first waits for the end of every transaction that is writing now."""
        await connection.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", self.name)
        log.info("slot_made", slot=self.name)

    async def drop(self, connection: asyncpg.Connection) -> None:
        """Drop the slot."""
        await connection.execute("SELECT pg_drop_replication_slot($1)", self.name)
        log.info("slot_dropped", slot=self.name)

    async def peek(self, connection: asyncpg.Connection, upto_lsn: int, most_messages: int) -> AsyncGenerator[Message, None]:
        """The log up to `upto_lsn`, in commit order, not yet taken off the slot.

        It stops after the transaction that brings it to `most_messages`: the interface has no smaller step, and keeps the
        rest of a large one in a file on the server. From there it is fetched a piece at a time.
        Raises ConnectorError for a message that cannot be decoded, asyncpg.PostgresError when the slot cannot be read.
        """
        decoder = Decoder()
        async with connection.transaction():
            cursor = connection.cursor(
                "SELECT data FROM pg_logical_slot_peek_binary_changes($1, $2, $3,"
                " 'proto_version', '1', 'publication_names', $4)",
                self.name,
                upto_lsn,
                most_messages,
                f'"{self.name}"',
                prefetch=PREFETCHED_MESSAGES,
            )
            async for (data,) in cursor:
                message = decoder.decode(data)
                if message is not None:
                    yield message

    async def advance(self, connection: asyncpg.Connection, lsn: int) -> None:
        """Let go of the log before `lsn`, or of as much of it as Postgres has on disk."""
        await connection.execute("SELECT pg_replication_slot_advance($1, $2)", self.name, lsn)
