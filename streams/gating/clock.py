"""The gate's clock: when a time that a state waits for has come, it is written to `firings` as a record like any other.

Wall time decides only when that record is written; what it changes, its own timestamp says. A clock that goes back makes it
come later, and one that comes too early changes nothing and is waited for again.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from streams.engine.writer import Outputs, Writer

log = structlog.get_logger()

TICK_SECONDS = 0.05
"""How often the clock is looked at: a look costs nothing when nothing is due, and people write time-outs in seconds."""


class Clock:
    """Asks what is due, tick by tick, and writes it."""

    def __init__(self, due: Callable[[int], Outputs], writer: Writer) -> None:
        self._due = due
        self._writer = writer
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="gate-clock")

    async def stop(self) -> None:
        """End; what is due then is due for whoever has the partitions next."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        try:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                due = self._due(time.time_ns() // 1_000_000)
                if due.records:
                    await asyncio.gather(*self._writer.send(due))
        except Exception:
            log.exception("stage_stopped", stage="gate-clock")
            os._exit(70)  # as in Stage: a time that was taken and not written would never come
