"""A connector's stage at work inside a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from connectors.postgres.endurance import Stage, keep_going

S = TypeVar("S", bound=Stage)


@asynccontextmanager
async def running(stage: S) -> AsyncIterator[S]:
    """The stage, at work until the block ends."""
    task = asyncio.create_task(keep_going(stage))
    try:
        yield stage
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
