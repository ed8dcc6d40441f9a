"""What the reference hub keeps in Postgres: its agents' instances, a transcript for each inject it took, what was cancelled."""

import re
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from streams.errors import Unavailable
from streams.execution import Inject

CONNECTIONS = 8
"""Connections of the pool: each inject is one statement of about a millisecond, so these serve thousands a second."""
STATEMENT_TIMEOUT_SECONDS = 10.0
"""How long one statement may take; a third of what a sender waits by default, so that it hears 503 and not nothing."""

_NOT_REACHED = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)

_TAKE = """
WITH opened AS (
    INSERT INTO {schema}.instances (hub_id, agent_id, agent_instance_id)
    SELECT $2, $3, $4 WHERE $12::boolean
    ON CONFLICT DO NOTHING
)
INSERT INTO {schema}.transcripts
    (execution_id, hub_id, agent_id, agent_instance_id, trigger_id, route,
     message, seed_parts, event, output, received_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11::timestamptz
WHERE ($12::boolean OR EXISTS (
    SELECT FROM {schema}.instances WHERE hub_id = $2 AND agent_id = $3 AND agent_instance_id = $4
)) AND NOT EXISTS (SELECT FROM {schema}.cancellations WHERE execution_id = $1)
ON CONFLICT (execution_id) DO NOTHING
RETURNING output::text
"""
_TAKEN_BEFORE = "SELECT output::text FROM {schema}.transcripts WHERE execution_id = $1"
_IS_CANCELLED = "SELECT true FROM {schema}.cancellations WHERE execution_id = $1"
_CANCEL = """
WITH cancelled AS (
    INSERT INTO {schema}.cancellations (execution_id, hub_id, trigger_id, agent_instance_id, reason) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
)
SELECT EXISTS (SELECT FROM {schema}.transcripts WHERE execution_id = $1)
"""
_OPEN = """
INSERT INTO {schema}.instances (hub_id, agent_id, agent_instance_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING true
"""


class Cancelled(Exception):
    """The execution was cancelled before its inject came."""


class Transcripts:
    """The tables of one installation's hubs, seen by one hub. Every method raises Unavailable."""

    def __init__(self, database_url: str, database_schema: str, hub_id: str) -> None:
        self._database_url = database_url
        schema = '"' + re.sub('"', '""', database_schema) + '"'
        self._take = _TAKE.format(schema=schema)
        self._taken_before = _TAKEN_BEFORE.format(schema=schema)
        self._is_cancelled = _IS_CANCELLED.format(schema=schema)
        self._cancel = _CANCEL.format(schema=schema)
        self._open = _OPEN.format(schema=schema)
        self._hub_id = hub_id
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            await self._pool.close()

    async def open_instance(self, agent_id: str, agent_instance_id: str) -> bool:
        """Make an instance that stays; False when it was there before."""
        return await self._value(self._open, self._hub_id, agent_id, agent_instance_id) is not None

    async def take(self, inject: Inject, fresh: bool, output: str, received_at: datetime) -> str | None:
        """Keep this inject and return its output; an inject taken before returns its first output and adds nothing.

        `fresh` makes the instance; otherwise None says that it does not exist. One statement does both, and a second
        delivery that arrives during it waits for its commit, so that two at once still leave one transcript.

        Raises Cancelled when it was cancelled before.
        """
        kept = await self._value(
            self._take,
            inject.execution_id,
            self._hub_id,
            inject.agent_id,
            inject.agent_instance_id,
            inject.trigger_id,
            "inject-and-create" if fresh else "inject",
            inject.message,
            _json(inject.seed_parts),
            _json(inject.event),
            _json(output),
            received_at,
            fresh,
        )
        if kept is None:
            kept = await self._value(self._taken_before, inject.execution_id)
        if kept is None and await self._value(self._is_cancelled, inject.execution_id):
            raise Cancelled
        return None if kept is None else msgspec.json.decode(kept, type=str)

    async def cancel(self, execution_id: str, trigger_id: str, agent_instance_id: str, reason: str | None) -> bool:
        """Remember that it is over, the first reason given; True when its agent had answered before."""
        answered: bool = await self._value(self._cancel, execution_id, self._hub_id, trigger_id, agent_instance_id, reason)
        return answered

    async def ready(self) -> None:
        """Return when Postgres answers."""
        await self._value("SELECT true")

    async def _value(self, statement: str, *arguments: object) -> Any:
        try:
            pool = self._pool or await self._connect()
            return await pool.fetchval(statement, *arguments)
        except _NOT_REACHED as error:
            raise Unavailable(f"Postgres does not answer ({error}); send it again later") from error

    async def _connect(self) -> "asyncpg.Pool[asyncpg.Record]":
        """The pool, made at the first use: the hub starts, and says 503, also while Postgres is away."""
        pool = await asyncpg.create_pool(
            self._database_url, min_size=0, max_size=CONNECTIONS, command_timeout=STATEMENT_TIMEOUT_SECONDS
        )
        if self._pool is None:
            self._pool = pool
        else:
            await pool.close()
        return self._pool


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
