"""A connection of the connector's own: no pool, since locks, listeners and cursors belong to one session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from streams.settings import Settings

CONNECT_TIMEOUT_SECONDS = 10.0
"""How long connecting may take before it counts as failed and is tried again."""
CLOSE_TIMEOUT_SECONDS = 2.0
"""How long the goodbye may take: a peer that is gone never answers it."""
COMMAND_TIMEOUT_SECONDS = 300.0
"""How long one statement may take. Decoding a transaction of millions of rows takes minutes; only a dead peer takes longer."""


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees the installation's schema alone and writes times as UTC in ISO style.

    Raises OSError or asyncpg.PostgresError when the database cannot be reached.
    """
    connection = await asyncpg.connect(
        settings.database_url,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings={
            "search_path": f'"{settings.database_schema}"',
            "application_name": "touchline-connect",
            "TimeZone": "UTC",
            "DateStyle": "ISO",
            # A plan made once, while a table was empty, reads all of it for every batch until it is analysed a minute later.
            "plan_cache_mode": "force_custom_plan",
            # A host that vanished leaves its lock behind until the server finds out: in 25 seconds, not in two hours.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        },
    )
    try:
        yield connection
    finally:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=CLOSE_TIMEOUT_SECONDS)
