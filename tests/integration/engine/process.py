"""The toy as a process of its own, to be killed."""

import asyncio
import signal
import sys
from typing import Self

import msgspec

from streams.settings import Settings
from tests.environment import installation_environment
from tests.integration.engine.toy import Report

READY_SECONDS = 60


class ToyProcess:
    """Runs while the block does. Killed at its end, if it still runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.engine.toy",
            env=installation_environment(self._settings),
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self.kill()
        await self._process.wait()

    async def ready(self) -> Report:
        """What it says when it has partitions."""
        assert self._process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            while line := await self._process.stdout.readline():
                if line.startswith(b"{"):
                    return msgspec.json.decode(line, type=Report)
        raise AssertionError(f"the toy ended with {await self._process.wait()}")

    async def stop(self) -> None:
        """SIGTERM, and wait until it has left in good order."""
        self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

    async def ended(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        async with asyncio.timeout(READY_SECONDS):
            return await self._process.wait()

    def kill(self) -> None:
        """Kill -9."""
        self._process.send_signal(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)
