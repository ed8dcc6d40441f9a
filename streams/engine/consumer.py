"""Faust's aiokafka consumer, delivering whole batches (steps 2 and 6 of the room's protocol)."""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP, ConsumerMessage
from mode.utils.futures import notify

from streams.engine.batch import Batch
from streams.engine.consumer_thread import BatchConsumerThread

UNREADABLE_SECONDS = 0.02
"""How often it is looked whether a partition may be read while none may, as in a rebalance, or with all queues full."""


class Acks:
    """One partition's delivered batches of one epoch, by their last offsets, until they are acked."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.delivered: deque[int] = deque()
        self.done: set[int] = set()
        self.next_offset: int | None = None

    def ack(self, last_offset: int) -> None:
        """One batch is done. `next_offset` moves past the longest prefix of batches that are."""
        self.done.add(last_offset)
        while self.delivered and self.delivered[0] in self.done:
            offset = self.delivered.popleft()
            self.done.discard(offset)
            self.next_offset = offset + 1


class NoReadOffsets(dict[TP, int | None]):
    """Faust drops a message at or below the offset it remembers having read, which after a seek may be an older one.

    Such a batch would never be acked. Epochs tell old from new here, so nothing is remembered.
    """

    def __getitem__(self, tp: TP) -> None:
        """None: nothing is known to have been read."""

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        """Nothing is remembered."""


class BatchConsumer(Consumer):  # type: ignore[misc]  # faust ships no complete types
    """Delivers each partition's fetched records as one message whose offset is the last that it accounts for."""

    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._acks: dict[TP, Acks] = {}
        super().__init__(*args, **kwargs)
        self._read_offset = NoReadOffsets()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def is_assigned(self) -> bool:
        """Whether the partitions it was assigned are still its own: not from when a rebalance begins until it assigns anew."""
        return not self._thread._ensure_consumer()._subscription.reassignment_in_progress

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Step 2. Records that are dropped here are fetched again: whatever drops them is followed by a seek.

        A seek of an older epoch was one of the sources; the changelogs' records lie where they lay.
        """
        fetched, active = await self._wait_next_records(timeout)
        if not fetched or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        generation = self.app.consumer_generation_id
        for tp, batch in fetched.items():
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            is_source = not self._is_changelog_tp(tp)
            if is_source and batch.epoch != self._thread.epoch:
                continue
            if active is None or tp in active or tp in self._buffered_partitions:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                if is_source:
                    self._enter(tp, batch)
                yield tp, self._message(tp, batch)

    async def _wait_next_records(self, timeout: float) -> tuple[dict[TP, Batch] | None, set[TP] | None]:
        """Step 1. Where no partition may be read Faust looks again after a second, and events wait so long for a rebalance."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if not self._get_active_partitions():
            await self.sleep(UNREADABLE_SECONDS)
            return {}, set()
        found: tuple[dict[TP, Batch] | None, set[TP] | None] = await super()._wait_next_records(timeout)
        return found

    def _enter(self, tp: TP, batch: Batch) -> None:
        acks = self._acks.get(tp)
        if acks is None or acks.epoch != batch.epoch:
            acks = self._acks[tp] = Acks(batch.epoch)
        acks.delivered.append(batch.last_offset)

    def _message(self, tp: TP, batch: Batch) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.last_offset,
            batch.timestamp_ms / 1000.0,
            0,
            None,
            None,
            batch,
            None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: Any) -> bool:
        """Step 6. An ack of an older epoch changes nothing: its records are being read again."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        acks = self._acks.get(message.tp)
        batch: Batch = message.value
        if acks is not None and acks.epoch == batch.epoch == self._thread.epoch:
            acks.ack(batch.last_offset)
        notify(self._waiting_for_ack)
        return True

    def _new_offset(self, tp: TP) -> int | None:
        acks = self._acks.get(tp)
        return acks.next_offset if acks is not None and acks.epoch == self._thread.epoch else None

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._acks) if topics is None or tp in topics or tp.topic in topics)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: batches are counted, so gaps between or inside them mean nothing."""

    async def commit_done(self) -> None:
        """Commit all that is acked by now, also what a commit that is under way came too early for."""
        await self.maybe_wait_for_commit_to_finish()
        await self.commit()

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        """Forget the acks of partitions that go."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._acks.pop(tp, None)


class BatchTransport(Transport):  # type: ignore[misc]  # faust ships no complete types
    """Faust's aiokafka transport with the consumer above."""

    Consumer = BatchConsumer
