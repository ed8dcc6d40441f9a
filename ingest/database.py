"""Postgres, as the API uses it: a pool that needs no database to start with, and one word for all its ways to be gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import msgspec

from streams.errors import InvalidInput, Unavailable
from streams.settings import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

CONNECT_TIMEOUT_SECONDS = 2.0
"""How long a connection may take to open: a client waits for it."""
COMMAND_TIMEOUT_SECONDS = 5.0
"""How long one statement may take; each reads or writes a few rows by an index."""
CONNECTIONS = 10
"""Most connections of one process: the event path needs none, and Postgres has 100 by default."""

GONE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # its own state machine, when the server dies in the middle of an answer
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidCatalogNameError,
)
"""What asyncpg raises when the server is not there, goes away, restarts, or has no connection left."""


class Database:
    """The pool. Every connection sees the installation's schema first, and `jsonb` as Python values."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        """Make the pool; it opens connections as they are asked for."""
        self._pool = await asyncpg.create_pool(
            self.settings.database_url,
            min_size=0,
            max_size=CONNECTIONS,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={"search_path": f'"{self.settings.database_schema}"', "application_name": "touchline-ingest"},
            init=_know_jsonb,
            reset=_keep_as_it_is,
        )

    async def stop(self) -> None:
        """Close every connection, also those in use."""
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["PoolConnectionProxy[asyncpg.Record]"]:
        """A connection for one statement, which Postgres makes a transaction of its own: one round trip instead of three.

        Raises Unavailable when Postgres cannot be used, InvalidInput for a value it cannot hold.
        """
        if self._pool is None:
            raise Unavailable("Postgres is not connected to yet; try again")
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                yield connection
        except GONE as error:
            raise Unavailable(
                f"Postgres did not answer ({error!r}); nothing was changed that was not confirmed, try again"
            ) from error
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise Unavailable(f"Postgres has not the tables of this version ({error}); run: touchline migrate") from error
        except asyncpg.DataError as error:
            raise InvalidInput("", f"holds a value that Postgres cannot keep: {error}") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PoolConnectionProxy[asyncpg.Record]"]:
        """A connection inside a transaction, committed at the end. Raises as `connection` does."""
        async with self.connection() as connection, connection.transaction():
            yield connection


async def _keep_as_it_is(_: "asyncpg.Connection[Any]") -> None:
    """What a connection is given back with. asyncpg has rolled back what was open; nothing here sets anything for a session,
    so the reset it would send after every use is a round trip for nothing."""


async def _know_jsonb(connection: "asyncpg.Connection[Any] | PoolConnectionProxy[Any]") -> None:
    await connection.set_type_codec(
        "jsonb", encoder=lambda value: msgspec.json.encode(value).decode(), decoder=_read_jsonb, schema="pg_catalog"
    )


def _read_jsonb(text: str) -> Any:
    """The value, or its text as it is when no JSON reader holds it: Postgres keeps 1e4000 and 5,000 levels that SQL wrote."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


class Written(NamedTuple):
    """A row as the transaction of this id left it; one that was deleted, as it was last."""

    row: dict[str, Any]
    transaction_id: int


async def transaction_id(connection: "PoolConnectionProxy[asyncpg.Record]") -> int:
    """The running transaction's id as logical decoding tells it: the low 32 bits of Postgres' own 64."""
    return int(await connection.fetchval("SELECT pg_current_xact_id()::text")) & 0xFFFFFFFF
