"""Retention: rows of executions that finished long ago are deleted, a few at a time, by the instance that leads.

What was counted stays counted, and the positions stay (projection.py), so that the records of a deleted execution, read again,
neither bring it back nor count it twice. What is really told of it later still:

- its dead letter is redriven: it lives again, so it has a row again, of what is told from then on;
- anything else, a time-out say that comes late: it ended long ago, no row is made, and its end stays what it was.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from connectors.postgres.connection import connected
from streams.execution import FINAL
from streams.settings import Settings

LOOK_SECONDS = 60.0
"""How often we look for rows that are due: they were kept for days, and a minute more is nothing."""
BATCH_ROWS = 1000
"""Rows a transaction deletes: some ten milliseconds, during which a record that comes late for one of them waits."""

_DELETE = """
DELETE FROM executions WHERE execution_id IN (
    SELECT execution_id FROM executions
    WHERE status = $1 AND created_at < $2 AND finished_at < $2
    ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
"""

log = structlog.get_logger()


class Retention:
    """The stage. Run it with `endurance.keep_going`. `leads` says whether this instance is the one that works."""

    name = "retention"

    def __init__(self, settings: Settings, leads: Callable[[], bool]) -> None:
        self.working = False
        self.counts = {"deleted": 0}
        self._settings = settings
        self._leads = leads

    async def session(self) -> None:
        """Look and delete, again and again. Raises what broke, one of `endurance.PASSING`."""
        kept = timedelta(days=self._settings.executions_kept_days)
        while True:
            if self._leads():
                self.working = True
                async with connected(self._settings) as connection:
                    deleted = await delete_finished(connection, datetime.now(UTC) - kept)
                if deleted:
                    log.info("executions_deleted", executions=deleted, kept_days=self._settings.executions_kept_days)
                    self.counts["deleted"] += deleted
            await asyncio.sleep(LOOK_SECONDS)


async def delete_finished(connection: asyncpg.Connection, before: datetime) -> int:
    """Delete every execution that finished before that time; how many there were. Each batch is a transaction of its own."""
    deleted = 0
    for status in FINAL:
        while rows := int((await connection.execute(_DELETE, status.value, before, BATCH_ROWS)).rpartition(" ")[2]):
            deleted += rows
    return deleted
