"""A process's pulse: its heartbeat on `heartbeats`, on time and whenever there is news."""

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.heartbeat import LEASE_BEATS, Heartbeat, encode
from streams.settings import Settings
from streams.topics import HEARTBEATS

log = structlog.get_logger()


class Pulse:
    """Sends one process's heartbeats. `describe` fills in the stages, counts and applied offsets of the moment."""

    def __init__(self, settings: Settings, role: str, describe: Callable[[Heartbeat], None]) -> None:
        self.process = f"{role}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._settings = settings
        self._role = role
        self._describe = describe
        self._news = asyncio.Event()
        self._producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", linger_ms=0, request_timeout_ms=5000)
        self._task: asyncio.Task[None] | None = None
        self._renewed_at_seconds = time.monotonic()
        self.lapses = 0

    async def start(self) -> None:
        """Send the first heartbeat, wait until the broker has it, and go on in the background. Raises KafkaError."""
        await self._producer.start()
        await self._send(self._word())
        self._task = asyncio.create_task(self._go_on(), name="pulse")

    async def stop(self) -> None:
        """Say goodbye: leave a tombstone, so that nobody waits for this process."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            with suppress(KafkaError):
                await self._send(None)
        await self._producer.stop()

    def holds(self) -> bool:
        """Whether the last heartbeat was sent so lately that everybody still waits for this process."""
        return time.monotonic() - self._renewed_at_seconds < LEASE_BEATS * self._settings.heartbeat_seconds

    async def renew(self) -> None:
        """Send a heartbeat now, and return when the broker has it. Raises KafkaError."""
        await self._send(self._word())

    def beat(self) -> None:
        """Send a heartbeat soon: something changed that others wait for."""
        self._news.set()

    def _word(self) -> bytes:
        heartbeat = Heartbeat(process=self.process, role=self._role, at_ms=time.time_ns() // 1_000_000)
        self._describe(heartbeat)
        return encode(heartbeat)

    async def _send(self, value: bytes | None) -> None:
        sent_at_seconds = time.monotonic()
        await self._producer.send_and_wait(HEARTBEATS.full_name(self._settings), value, key=self.process.encode())
        # `lapses` counts the times it was given up, so that nobody overlooks one that a later heartbeat ended.
        self.lapses += sent_at_seconds - self._renewed_at_seconds > LEASE_BEATS * self._settings.heartbeat_seconds
        self._renewed_at_seconds = sent_at_seconds

    async def _go_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._settings.heartbeat_seconds)
            self._news.clear()
            try:
                await self._send(self._word())
            except KafkaError as error:
                log.warning("heartbeat_unsent", error=repr(error))
