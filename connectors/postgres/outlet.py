"""Where rows leave for Kafka: records in order, in batches, each batch acknowledged before the next of its topic goes."""

import asyncio
from contextlib import suppress
from typing import Literal

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from connectors.postgres.pgoutput import Row
from connectors.postgres.tables import Table
from streams.change import Change, Origin
from streams.dead import dead_letter_headers, dead_letter_topic
from streams.goodbye import LET_GO_SECONDS, let_go
from streams.settings import Settings
from streams.topics import MAX_RECORD_BYTES

BATCH_BYTES = 256 * 1024
"""A batch of some hundred rows: waiting for its ack costs little, and one a topic is little memory."""
LARGEST_VALUE_BYTES = MAX_RECORD_BYTES - 1024
"""What the topics take, less what a record has besides its key and value, with room to spare."""

DEEP_BRACKETS = 500
"""Brackets without which no JSON is too deep: half of what Python can follow."""

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class Outlet:
    """Sends change records; an async context manager. Every method raises KafkaError.

    The producer is idempotent: a batch that was sent and not acknowledged, because the broker went away, is tried until
    it is, at its place in the order. `stalled` says that it takes long. Leaving the context gives up what is under way.
    """

    def __init__(self, settings: Settings, counts: dict[str, int]) -> None:
        self.stalled = False
        self.ends: dict[str, int] = {}
        self._settings = settings
        self._counts = counts
        self._batches: dict[str, BatchBuilder] = {}

    async def __aenter__(self) -> "Outlet":
        self._producer = AIOKafkaProducer(
            **self._settings.kafka_client(),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=int(self._settings.kafka_timeout_seconds * 1000),
        )
        try:
            await self._producer.start()
        except BaseException:
            await let_go(self._producer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        # stop() alone would first send all that is pending, for as long as the broker is away, and after another instance
        # may have taken over. aiokafka has no public way to give it up.
        with suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_SECONDS):
                await self._producer._sender.close()
        self._producer._message_accumulator.fail_all(ProducerClosed())
        await let_go(self._producer)

    async def upsert(
        self, table: Table, before: Row | None, after: Row, op: Literal["c", "u", "r"], origin: Origin, at_ms: int
    ) -> None:
        """Send a row as it is now."""
        await self._change(table, table.key_of(after), Change(before, after, op, origin, at_ms))

    async def delete(self, table: Table, key: bytes, before: Row | None, origin: Origin, at_ms: int) -> None:
        """Send that the row of that key is gone, then the tombstone that lets compaction forget it."""
        await self._change(table, key, Change(before, None, "d", origin, at_ms))
        await self._append(table.topic.full_name(self._settings), key, None)

    async def flush(self) -> None:
        """Send what is collected, and return when the broker has all of it."""
        batches, self._batches = self._batches, {}
        sent = []
        for topic, batch in batches.items():
            future = await self._producer.send_batch(batch, topic, partition=0)
            future.add_done_callback(_look_at)
            sent.append((topic, batch.record_count(), future))
        for topic, records, future in sent:
            metadata = await self._acknowledged(future)
            if metadata.offset >= 0:  # unknown when the broker had the batch from an earlier try
                self.ends[topic] = metadata.offset + records
            self._counts["produced"] += records

    async def _change(self, table: Table, key: bytes, change: Change[Row]) -> None:
        # What a row was is a courtesy, what it is is the point: Debezium, too, leaves `before` out when it has none.
        if change.before is not None and _may_be_deep(change.before):
            change.before = None
        value = _encode(change)
        if len(value) + len(key) > LARGEST_VALUE_BYTES and change.before is not None:
            change.before = None
            value = _encode(change)
        if len(value) + len(key) > LARGEST_VALUE_BYTES:
            await self._bury(table, key, change.source.lsn, len(value))
        else:
            await self._append(table.topic.full_name(self._settings), key, value)

    async def _append(self, topic: str, key: bytes, value: bytes | None) -> None:
        batch = self._batches.get(topic)
        if batch is None:
            batch = self._batches[topic] = self._producer.create_batch()
        if batch.append(timestamp=None, key=key, value=value) is None:
            await self.flush()
            await self._append(topic, key, value)

    async def _bury(self, table: Table, key: bytes, lsn: int, value_bytes: int) -> None:
        """A row no topic can take: readers keep the one before it. Its coordinates are its table and log position."""
        error = f"the row takes {value_bytes} bytes, at most {LARGEST_VALUE_BYTES} are accepted; make it smaller"
        log.error("row_too_large", table=table.name, key=key[:100].decode(errors="replace"), error=error)
        headers = dead_letter_headers([], table.name, 0, lsn, "rows_out", error)
        await self._producer.send_and_wait(dead_letter_topic(self._settings), None, key=key, headers=headers)
        self._counts["dead"] += 1

    async def _acknowledged(self, future: "asyncio.Future[RecordMetadata]") -> RecordMetadata:
        await asyncio.wait([future], timeout=self._settings.kafka_timeout_seconds)
        if not future.done():
            self.stalled = True
            log.warning("rows_wait_for_broker", waited_seconds=self._settings.kafka_timeout_seconds)
        try:
            return await future
        finally:
            self.stalled = False


def _may_be_deep(row: Row) -> bool:
    """Whether JSON in it may be nested deeper than readers can follow, who would then miss what the row is now."""
    texts = (bytes(value) for value in row.values() if isinstance(value, msgspec.Raw))
    return any(text.count(b"{") + text.count(b"[") > DEEP_BRACKETS for text in texts)


def _look_at(future: "asyncio.Future[RecordMetadata]") -> None:
    """Asyncio complains of an exception nobody looked at; a batch that was given up has one."""
    if not future.cancelled():
        future.exception()
