"""A connector's stage at work inside a test, and a worker beside it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from connectors.postgres.endurance import Stage, keep_going
from streams.settings import Settings
from tests.environment import installation_environment

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


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process; killed at the end of the block, unless it has ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "touchline.cli", "worker", env=installation_environment(settings)
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
