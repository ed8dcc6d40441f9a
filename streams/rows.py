"""The rows of Postgres as every process knows them, from compacted topics: triggers, hubs, sources, workspaces, keys.

Every worker and every ingest process reads the whole of these topics, from the start, outside any consumer group, and then
follows them. Each topic has one partition, in commit order, so "applied up to offset N" says all: that number goes out
with the heartbeat, and a call that changed a row waits until every process is past its change (invariant 7).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.change import Origin
from streams.goodbye import let_go
from streams.key import ApiKey
from streams.packed import Packed
from streams.settings import Settings
from streams.topics import HUBS, KEYS, SOURCES, TRIGGERS, WORKSPACES, Topic
from streams.trigger import Hub, Source, Trigger
from streams.workspace import Workspace

log = structlog.get_logger()

RETRY_SECONDS = 0.5
"""Pause after the broker failed a read: short, since a row that waits is a trigger that is not live."""

OnChange = Callable[[str, str, Any, Any], None]
"""Told of every change: topic name, row key, the row before (None when it is new) and the row now (None when deleted)."""


Row = TypeVar("Row")


class RowAfter(msgspec.Struct, Generic[Row]):
    """What a reader needs of a change. Not what was before: that may be the very row that nobody could read."""

    after: Row | None
    source: Origin


Decode = Callable[[bytes], RowAfter[Any]]


class Rows:
    """All rows, kept current. The mappings are read-only to their users."""

    def __init__(
        self, settings: Settings, on_change: OnChange | None = None, on_applied: Callable[[], None] | None = None
    ) -> None:
        self.triggers = Packed(Trigger)
        self.hubs: dict[str, Hub] = {}
        self.sources: dict[str, Source] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.keys: dict[str, ApiKey] = {}
        self.spread_sources: frozenset[str] = frozenset()
        self.applied: dict[str, int] = {}
        self._on_change = on_change
        self._on_applied = on_applied
        kept: tuple[tuple[Topic, MutableMapping[str, Any], type], ...] = (
            (TRIGGERS, self.triggers, Trigger),
            (HUBS, self.hubs, Hub),
            (SOURCES, self.sources, Source),
            (WORKSPACES, self.workspaces, Workspace),
            (KEYS, self.keys, ApiKey),
        )
        self._tables: dict[str, tuple[Topic, MutableMapping[str, Any], Decode]] = {
            topic.full_name(settings): (topic, rows, msgspec.json.Decoder(RowAfter[kind]).decode)  # type: ignore[valid-type]
            for topic, rows, kind in kept
        }
        self._waiting: dict[tuple[str, str, int], list[asyncio.Future[int]]] = {}
        self._recent: OrderedDict[tuple[str, str, int], int] = OrderedDict()
        self._consumer = AIOKafkaConsumer(
            **settings.kafka_client(), auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=500
        )
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read all of these topics to their ends, then follow them in the background. Raises KafkaError when unreachable."""
        consumer = self._consumer
        await consumer.start()
        partitions = [TopicPartition(name, 0) for name in self._tables]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            self.applied.setdefault(self._tables[partition.topic][0].name, 0)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            await self._read(timeout_ms=200)
        self._task = asyncio.create_task(self._follow(), name="rows")

    async def stop(self) -> None:
        """Stop following. The rows stay as they are."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await let_go(self._consumer)

    async def catch_up(self) -> None:
        """Return once everything that lay on the topics at the call is applied."""
        ends = await self._consumer.end_offsets([TopicPartition(name, 0) for name in self._tables])
        async with self._moved:
            await self._moved.wait_for(lambda: all(self.applied[self._tables[p.topic][0].name] >= ends[p] for p in ends))

    async def wait_for(self, table: str, key: str, transaction_id: int, timeout_seconds: float) -> int | None:
        """The offset, on topic `table`, of the change that Postgres transaction made to row `key`; None when it is late."""
        wanted = (table, key, transaction_id)
        if wanted in self._recent:
            return self._recent[wanted]
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(wanted, []).append(future)
        try:
            return await asyncio.wait_for(future, timeout_seconds)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(wanted, None)

    async def _follow(self) -> None:
        while True:
            try:
                await self._read(timeout_ms=1000)
            except (KafkaError, OSError) as error:
                log.warning("rows_unreadable", error=repr(error), retry_seconds=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self, timeout_ms: int) -> None:
        for partition, records in (await self._consumer.getmany(timeout_ms=timeout_ms)).items():
            topic, rows, decode = self._tables[partition.topic]
            for record in records:
                self._apply(topic.name, rows, decode, record)
            # By position, not by the last record: compaction may have taken the records before the end.
        moved = False
        for name, (topic, _, _) in self._tables.items():
            position = await self._consumer.position(TopicPartition(name, 0))
            moved |= self.applied.get(topic.name) != position
            self.applied[topic.name] = position
        if moved:
            async with self._moved:
                self._moved.notify_all()
            if self._on_applied is not None:
                self._on_applied()

    def _apply(self, table: str, rows: MutableMapping[str, Any], decode: Decode, record: Any) -> None:
        key = (record.key or b"").decode(errors="replace")
        change = None
        try:
            change = decode(record.value) if record.value is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # Nobody can say what the row asks for now; what it asked for before is certainly over.
            log.warning("row_unreadable", topic=table, key=key, offset=record.offset, error=str(error))
        row = change.after if change is not None else None
        before = rows.get(key)
        if row is not None:
            rows[key] = row
        elif before is not None:
            del rows[key]
        if table == SOURCES.name:
            self.spread_sources = frozenset(source.source for source in self.sources.values() if source.spread == "subject")
        if self._on_change is not None:
            self._tell(table, key, before, row)
        if change is not None and change.source.txId is not None:
            self._announce((table, key, change.source.txId), record.offset)

    def _tell(self, table: str, key: str, before: Any, row: Any) -> None:
        try:
            self._on_change(table, key, before, row)  # type: ignore[misc]  # asked for by the caller
        except Exception:
            log.exception("row_unapplied", topic=table, key=key)  # one row must not stop those behind it

    def _announce(self, change: tuple[str, str, int], offset: int) -> None:
        for future in self._waiting.get(change, ()):
            if not future.done():
                future.set_result(offset)
        self._recent[change] = offset
        while len(self._recent) > 10_000:  # a change is asked for within seconds of its commit
            self._recent.popitem(last=False)
