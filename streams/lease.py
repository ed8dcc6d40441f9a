"""A worker's lease: it judges only while everybody knows that it lives (invariant 7).

A call that changes a row waits for every process whose heartbeat is younger than three beats. A worker that was frozen for
longer is not waited for; when it thaws it knows nothing of the change, and the events that were accepted after the call
returned lie in its partitions. So a worker judges nothing unless its own last heartbeat, counted from when it was sent, is
younger than `LEASE_BEATS`. When it is not, or was not in between, the worker first says that it lives, then reads the rows to
their ends, and then goes on: whoever changes a row from there on waits for it again.
"""

import asyncio

import structlog
from aiokafka.errors import KafkaError

from streams.pulse import Pulse
from streams.rows import Rows

log = structlog.get_logger()

RETRY_SECONDS = 0.5
"""Pause after the broker failed: without one nothing that was judged could be written anyway."""


class Lease:
    """Between a worker's stages and its judging."""

    def __init__(self, pulse: Pulse, rows: Rows) -> None:
        self._pulse = pulse
        self._rows = rows
        self._lapses = 0
        self._renewing = asyncio.Lock()

    async def ensure(self) -> None:
        """Return at once while the lease holds; otherwise when the rows are read up to a moment at which it did."""
        if self._holds():
            return
        async with self._renewing:
            while not self._holds():
                try:
                    await self._pulse.renew()
                    lapses = self._pulse.lapses
                    await self._rows.catch_up()
                except (KafkaError, OSError) as error:
                    log.warning("lease_not_renewed", error=repr(error), retry_seconds=RETRY_SECONDS)
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._lapses = lapses
                    log.info("lease_renewed", lapses=lapses)

    def _holds(self) -> bool:
        return self._pulse.holds() and self._pulse.lapses == self._lapses
