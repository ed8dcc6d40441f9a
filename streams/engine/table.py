"""State: a Faust table whose changes are written as record batches, and which recovers by the larger offset.

Faust assigns the changelog's partitions along with the source's, and feeds recovery and standbys from it. What a stage
reads and writes is `StateTable.partition(n)`; where that lies is store.py's matter.

Of the changelog a partition applies only what follows on the offset it holds. Faust loses batches on the way to a
standby (whoever resumes the flow empties the queues), so a batch that does not follow is not applied: the changelog is
read again from there. With that, what Faust is told to be persisted is what is held, in memory as well, and a standby
that takes over, or a partition that stays, reads only what is missing.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Generic

import msgspec
import structlog
from aiokafka.errors import IllegalStateError
from faust.stores.memory import Store
from faust.tables.table import Table
from faust.types import TP

from streams.engine.batch import Batch, BatchSchema
from streams.engine.store import NOTHING, Open, Partition, S, Values, in_memory
from streams.engine.writer import Outputs, Writer, Written
from streams.state import State

log = structlog.get_logger()

_encode = msgspec.json.Encoder().encode


class PartitionStore(Store, Generic[S]):  # type: ignore[misc]  # faust ships no complete types
    """The partitions that this process holds, by number, as Faust's tables want to see them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partitions: dict[int, Partition[S]] = {}
        self._began_at = 0.0
        self._restored_before = 0

    def persisted_offset(self, tp: TP) -> int:
        """The last changelog offset held. Never None, for which Faust would take an offset from an earlier assignment."""
        offset: int = self.table.partition(tp.partition).offset
        return offset

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0) -> None:
        """Let go of what went elsewhere, and of what belongs to a changelog that is gone."""
        self._began_at, self._restored_before = time.monotonic(), self.table.restored.total()
        tps = {tp for tp in assigned if tp.topic == self.table.changelog}
        for number in self.partitions.keys() - {tp.partition for tp in tps}:
            self.partitions.pop(number).close()
        if not tps:
            return
        consumer = self.app.consumer
        ends, begins = await asyncio.gather(consumer.highwaters(*tps), consumer.earliest_offsets(*tps))
        for tp in tps:
            partition: Partition[S] = self.table.partition(tp.partition)
            if partition.offset >= (ends[tp] or 0):
                if partition.offset != NOTHING:
                    log.warning("store_discarded", changelog=tp.topic, partition=tp.partition, offset=partition.offset)
                partition.discard()
            partition.offset = max(partition.offset, (begins[tp] or 0) - 1)  # what was deleted there has nothing to say

    def apply_changelog_batch(self, batch: object, to_key: object, to_value: object) -> None:
        """Nothing: a batch was applied when it came (`StateTable.on_changelog_event`)."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Say what it took."""
        records = self.table.restored.total() - self._restored_before
        if records:
            seconds = round(time.monotonic() - self._began_at, 2)
            log.info("state_restored", table=self.table_name, records=records, seconds=seconds)

    async def on_stop(self) -> None:
        """Close all."""
        for partition in self.partitions.values():
            partition.close()
        self.partitions.clear()


class StateTable(Table, Generic[S]):  # type: ignore[misc]  # faust ships no complete types
    """A table of `state` structs, keyed by bytes, its changelog's partitions those of its source topic."""

    def __init__(
        self, app: Any, name: str, partitions: int, state: type[S], store: Open = in_memory, *, by_age: bool = False
    ) -> None:
        """`by_age`: stages iterate over its partitions, oldest state first."""
        self.rank = len(app.tables)
        """Which table of the app this is: the first made is 0."""
        self.restored: Counter[int] = Counter()
        """Changelog records that recovery and standbys have applied here, by partition."""
        self._decode = msgspec.json.Decoder(state).decode
        self._open = store
        self._by_age = by_age
        self._rereading: dict[TP, asyncio.Task[None]] = {}
        # A recovery buffer of 1 would make Faust keep reading the changelog it writes.
        super().__init__(
            app,
            name=name,
            partitions=partitions,
            schema=BatchSchema(),
            key_type=bytes,
            value_type=bytes,
            recovery_buffer_size=2,
        )
        app.tables.add(self)

    __hash__ = object.__hash__  # Faust's own does the same, in Python, for every key that is remembered

    def _new_store(self) -> PartitionStore[S]:
        return PartitionStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    def partition(self, number: int) -> Partition[S]:
        """One partition's keys and states. Change it only while judging a batch of that partition."""
        store: PartitionStore[S] = self.data
        partition = store.partitions.get(number)
        if partition is None:
            partition = store.partitions[number] = self._open(self.name, number, self._decode, by_age=self._by_age)
        return partition

    async def remember(self, writer: Writer, number: int, states: Mapping[bytes, State | None]) -> None:
        """Step 5, whole: write these changes (None: forgotten) to the changelog, await its ack, then give them to the store.

        The caller awaits one such call of a partition before it makes the next. Raises KafkaError.
        """
        values = {key: None if state is None else _encode(state) for key, state in states.items()}
        changes = Outputs()
        for key, value in values.items():
            changes.add(self.changelog, number, key, value)
        (written,) = await asyncio.gather(*writer.send(changes))
        self.persist(number, states, values, written)

    def persist(self, number: int, states: Mapping[bytes, State | None], values: Values, written: Written) -> None:
        """Step 5, its end: these changes are acked in the changelog. A partition that has gone needs none of it."""
        store: PartitionStore[S] = self.data
        if number in store.partitions:
            store.partitions[number].persist(states, values, written)

    async def on_changelog_event(self, event: Any) -> None:
        """Recovery or a standby brings a batch of the changelog; it is applied whole, if it follows on what is held."""
        batch: Batch = event.message.value
        store: PartitionStore[S] = self.data
        partition = store.partitions.get(batch.partition)
        if batch.topic != self.changelog or partition is None:
            return  # left in Faust's queue from an earlier assignment
        if batch.first_offset > partition.offset + 1:
            self._reread(event.message.tp, partition.offset)
        elif batch.last_offset > partition.offset:
            try:
                partition.restore(batch, batch.last_offset)
                self.restored[batch.partition] += batch.records
            except Exception:
                # Faust would log it and go on without the batch.
                log.exception("store_failed", changelog=batch.topic, partition=batch.partition)
                os._exit(70)  # EX_SOFTWARE, as in Stage: never go on past a hole

    def _reread(self, tp: TP, offset: int) -> None:
        recovery = self.app.tables.recovery
        for offsets in (recovery.active_offsets, recovery.standby_offsets):
            if tp in offsets:
                offsets[tp] = offset
        if tp not in self._rereading:
            log.info("changelog_reread", changelog=tp.topic, partition=tp.partition, offset=offset)
            self._rereading[tp] = asyncio.create_task(self._seek(tp, offset), name=f"reread-{tp.topic}-{tp.partition}")

    async def _seek(self, tp: TP, offset: int) -> None:
        try:
            await self.app.consumer.seek_wait({tp: max(offset, 0)})
        except IllegalStateError:
            log.info("changelog_gone", changelog=tp.topic, partition=tp.partition)  # a rebalance took it meanwhile
        except Exception:
            log.exception("changelog_unreadable", changelog=tp.topic, partition=tp.partition)
            os._exit(70)
        finally:
            del self._rereading[tp]

    @property
    def changelog(self) -> str:
        """The changelog topic's name."""
        return str(self.changelog_topic.get_topic_name())
