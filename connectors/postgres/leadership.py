"""Leadership: of all instances one works, the one whose connection holds an advisory lock; the others stand by."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import structlog

from connectors.postgres.connection import connected
from streams.errors import ConnectorError
from streams.settings import Settings

STANDBY_SECONDS = 1.0
"""How often one that waits asks for the lock. It asks, and does not queue for it: a statement that waits holds back vacuum."""

log = structlog.get_logger()


@asynccontextmanager
async def leadership(settings: Settings, name: str, wake: Callable[[], None]) -> AsyncIterator[None]:
    """Wait for the lock `name`, hold it, and call `wake` whenever a statement has changed rows.

    When the connection that holds the lock ends, Postgres gives it to another: then the work inside is cancelled at once and
    ConnectorError is raised.
    """
    loop = asyncio.get_running_loop()
    async with connected(settings) as leader:
        if not await _lock(leader, name):
            log.info("standing_by", lock=name)
            while not await _lock(leader, name):  # noqa: ASYNC110 -- Postgres tells nobody that a lock became free
                await asyncio.sleep(STANDBY_SECONDS)
        log.info("leading", lock=name)
        await leader.add_listener(f"{settings.database_schema}_rows", lambda *_: wake())
        try:
            async with asyncio.timeout(None) as tenure:

                def end(_: object) -> None:
                    tenure.reschedule(loop.time())

                leader.add_termination_listener(end)
                try:
                    yield
                finally:
                    leader.remove_termination_listener(end)
        except TimeoutError as error:
            if not tenure.expired():
                raise
            raise ConnectorError("the connection to Postgres that held the lock ended; trying again") from error


async def _lock(connection: asyncpg.Connection, name: str) -> bool:
    held: bool = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name)
    return held
