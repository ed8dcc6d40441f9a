"""Waiting until a record of `executions` is in Postgres: the projection says so in the transaction that puts it there.

All who wait share one look at the table `execution_positions`, taken as long as anybody waits.
"""

import asyncio
from typing import NamedTuple

from ingest.database import Database
from streams.errors import Unavailable

LOOK_SECONDS = 0.01
"""Between two looks: about as long as a record takes to get there."""


class _Waiting(NamedTuple):
    partition: int
    offset: int
    passed: asyncio.Future[bool]


class ExecutionPositions:
    """How far the executions have been projected, for whoever waits for one record of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: set[_Waiting] = set()
        self._looking: asyncio.Task[None] | None = None

    async def passed(self, partition: int, offset: int, within_seconds: float) -> bool:
        """Wait until the record at that offset has been projected; False when it has not within this time."""
        waiting = _Waiting(partition, offset, asyncio.get_running_loop().create_future())
        self._waiting.add(waiting)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="execution-positions")
        try:
            async with asyncio.timeout(within_seconds):
                return await waiting.passed
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiting)

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                async with self._database.connection() as connection:
                    rows = await connection.fetch("SELECT topic_partition, next_offset FROM execution_positions")
            except Unavailable:
                continue  # they wait no longer than they said
            positions = {row["topic_partition"]: row["next_offset"] for row in rows}
            for waiting in self._waiting:
                if positions.get(waiting.partition, 0) > waiting.offset and not waiting.passed.done():
                    waiting.passed.set_result(True)
