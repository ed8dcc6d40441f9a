"""Faust's app with whole-batch delivery, which commits what is done before partitions go (step 6 of the room's protocol)."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import faust
import structlog

from streams.engine.consumer import BatchTransport

log = structlog.get_logger()


class BatchApp(faust.App):  # type: ignore[misc]  # faust ships no complete types
    """`finish` ends what was begun; nothing new is taken meanwhile. The options are Faust's."""

    def __init__(self, finish: Callable[[], Awaitable[None]], **options: Any) -> None:
        super().__init__(**options)
        self._finish = finish
        self._let_go = asyncio.Event()

    async def _on_partitions_revoked(self, revoked: Any) -> None:
        """When it is stopping Faust would hang up here, before what is done is committed: the group waits until it is."""
        if not self.should_stop:
            await super()._on_partitions_revoked(revoked)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.conf.broker_session_timeout):
                await self._let_go.wait()

    async def _stop_consumer(self) -> None:
        await super()._stop_consumer()
        self._let_go.set()

    async def _consumer_wait_empty(self, consumer: Any, _logger: Any) -> None:
        """Faust's last step before partitions go, and before it stops: what is done is committed, so nobody repeats it."""
        await self._finish()
        await consumer.commit_done()

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    async def _on_agent_error(self, agent: Any, error: BaseException) -> None:
        """Faust would start the agent again, past the batch it failed at: whoever restarts us reads that batch again."""
        log.error("stage_stopped", topic=agent.name, exc_info=error)
        os._exit(70)  # EX_SOFTWARE

    def _create_directories(self) -> None:
        """None: states lie where their stores put them, and Faust's directories would stay empty wherever it was started."""
