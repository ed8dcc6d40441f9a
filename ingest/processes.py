"""The processes of the installation, as their heartbeats tell of them: who lives, what each holds, how far each is.

A process lives from one heartbeat until three are missed, by this process's own clock, or until its tombstone. What lies on the
topic from before this process began is waited for like any other, since it may be alive, but proves nothing to GET /health.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.goodbye import let_go
from streams.heartbeat import LEASE_BEATS, MISSED_BEATS, Heartbeat, decode
from streams.settings import Settings
from streams.topics import HEARTBEATS

log = structlog.get_logger()

RETRY_SECONDS = 0.5
"""Pause after the broker failed a read."""
LOOK_AGAIN_SECONDS = 0.25
"""How often `until` looks for processes that went silent; news of living ones wakes it at once."""


@dataclass(slots=True)
class Process:
    """The last word of one process, when it was heard (monotonic seconds), and whether it was said while we listened."""

    word: Heartbeat
    heard_at_seconds: float
    proven: bool


class Processes:
    """All that are known to live."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, Process] = {}
        self._news = asyncio.Event()
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what lies on the topic, then follow it in the background. Raises KafkaError when there is no broker."""
        partition = TopicPartition(HEARTBEATS.full_name(self._settings), 0)
        self._consumer = consumer = AIOKafkaConsumer(
            **self._settings.kafka_client(), auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=100
        )
        await consumer.start()
        consumer.assign([partition])
        end: int = (await consumer.end_offsets([partition]))[partition]
        await consumer.seek_to_beginning(partition)
        while await consumer.position(partition) < end:
            await self._read(consumer, timeout_ms=200, proven_from=end)
        self._task = asyncio.create_task(self._follow(consumer, end), name="processes")

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._consumer is not None:
            await let_go(self._consumer)

    def live(self, *roles: str) -> Iterator[Heartbeat]:
        """The last words of all that may live, of these roles, or of all."""
        return (process.word for process in self._living() if not roles or process.word.role in roles)

    def proven(self, *roles: str) -> Iterator[Heartbeat]:
        """The last words of all that do live: they have been heard since this process began."""
        return (process.word for process in self._living() if process.proven and process.word.role in roles)

    async def until(
        self, holds: Callable[[Heartbeat], bool], roles: tuple[str, ...], witness: str, deadline_seconds: float
    ) -> bool:
        """Wait until `holds` is true of every living process of these roles; False after `deadline_seconds` (loop time).

        `witness` is this process's own name: as long as its own heartbeats are not heard, neither are those of others, and
        silence says nothing. So it is after this process was frozen, or while the broker is away.
        """
        loop = asyncio.get_running_loop()
        while not (self._hears(witness) and all(holds(word) for word in self.live(*roles))):
            left = deadline_seconds - loop.time()
            if left <= 0:
                return False
            news = self._news
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), min(left, LOOK_AGAIN_SECONDS))
        return True

    def _hears(self, witness: str) -> bool:
        own = self._known.get(witness)
        return own is not None and time.monotonic() - own.heard_at_seconds < LEASE_BEATS * self._settings.heartbeat_seconds

    def _living(self) -> Iterator[Process]:
        silent_since = time.monotonic() - MISSED_BEATS * self._settings.heartbeat_seconds
        return (process for process in list(self._known.values()) if process.heard_at_seconds > silent_since)

    async def _follow(self, consumer: AIOKafkaConsumer, end: int) -> None:
        while True:
            try:
                await self._read(consumer, timeout_ms=1000, proven_from=end)
            except KafkaError as error:
                log.warning("heartbeats_unreadable", error=repr(error), retry_seconds=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self, consumer: AIOKafkaConsumer, timeout_ms: int, proven_from: int) -> None:
        for records in (await consumer.getmany(timeout_ms=timeout_ms)).values():
            for record in records:
                self._hear(record, proven=record.offset >= proven_from)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _hear(self, record: Any, *, proven: bool) -> None:
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._known.pop(key, None)
            return
        try:
            self._known[key] = Process(decode(record.value), time.monotonic(), proven)
        except msgspec.DecodeError as error:
            log.warning("heartbeat_unreadable", key=key, offset=record.offset, error=str(error))
