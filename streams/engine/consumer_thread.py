"""What fetches: Faust's consumer thread, without the thread, draining whole batches (step 1 of the room's protocol)."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode import Service
from mode.utils.futures import maybe_async

from streams.committed import mend
from streams.engine.batch import Batch
from streams.engine.fetch_session import SessionClient
from streams.engine.parsing import Unparsed, take_whole

log = structlog.get_logger()

FETCH_WAIT_MS = 25
"""How long the broker may hold a fetch for which it has nothing. A consumer has one fetch at a time under way per
broker, so one that covers only idle partitions delays a busy one by this much at most (DESIGN 5; Faust fixes 1,500)."""
PREFETCH_BACKOFF_SECONDS = 0.01
"""How long records that nobody takes yet keep their broker's other partitions from being fetched: enough for a batch to be
taken, so that the next fetch covers its partition too. aiokafka waits 100 ms, and one full queue delayed everybody by it."""


class BatchConsumerThread(AIOKafkaConsumerThread):  # type: ignore[misc]  # faust ships no complete types
    """What talks to the broker: Faust's thread for that, without the thread, in the loop of the stages.

    Two threads of one interpreter wait for each other at every step of a fetch, and what the fetches do in C holds the
    interpreter all the same. Heartbeats go out between batches, each of which is judged within some tens of milliseconds.

    `epoch` counts seeks, and is changed and read around each drain.
    """

    wait_for_shutdown = False
    start, maybe_start, stop, crash = Service.start, Service.maybe_start, Service.stop, Service.crash
    _stopped_set, set_shutdown = Service._stopped_set, Service.set_shutdown
    _stop_children, _stop_futures = Service._stop_children, Service._stop_futures
    _stop_exit_stacks = Service._stop_exit_stacks

    epoch = 0
    _seeking = False

    def __init__(self, consumer: Consumer, **kwargs: Any) -> None:
        super().__init__(consumer, thread_loop=consumer.loop, **kwargs)

    async def on_stop(self) -> None:
        """Leave the group and disconnect."""
        await self.on_thread_stop()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return await maybe_async(fun(*args, **kwargs))

    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._isolation_level = "read_committed"  # what a feed's transaction took back never happened
        return consumer

    async def on_start(self) -> None:
        """Start, let no partition hold up another, fetch incrementally, and wait for offsets that are being loaded."""
        await super().on_start()
        consumer = self._ensure_consumer()
        mend(consumer._coordinator)
        fetcher = consumer._fetcher
        fetcher._prefetch_backoff = PREFETCH_BACKOFF_SECONDS
        fetcher._client = SessionClient(fetcher._client, fetcher._subscriptions)

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> dict[TP, Batch]:
        """Step 1. Drains without suspending, so that no seek comes between the look at the epoch and the drain."""
        fetched: dict[TP, Batch] = {}
        epoch = self.epoch
        fetcher = consumer._fetcher
        deadline = time.monotonic() + (timeout or 0)
        with fetcher._subscriptions.fetch_context():
            while not self._outdated(epoch):
                if consumer._closed or fetcher._closed:
                    raise ConsumerStoppedError
                if not fetcher._subscriptions.reassignment_in_progress:
                    fetched = await self._drain(fetcher, self._wanted(active_partitions), epoch)
                    if fetched:
                        break
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=remaining)
                if waiter.done():
                    waiter.result()  # authorization errors
                else:
                    waiter.cancel()
        return fetched

    def _wanted(self, active_partitions: set[TP]) -> set[TP]:
        if self.app.rebalancing:
            # Faust resumes the sources before it seeks them, and clears the agents' queues after: what is read in
            # between would be judged past records that were dropped, or delivered and never judged.
            return {tp for tp in active_partitions if self.consumer._is_changelog_tp(tp)}
        return active_partitions

    @staticmethod
    async def _drain(fetcher: Any, wanted: set[TP], epoch: int) -> dict[TP, Batch]:
        subscription = fetcher._subscriptions.subscription
        partitions = subscription.assignment if subscription is not None else None
        if not wanted or partitions is None:
            return {}  # to aiokafka no partitions are all partitions
        before: dict[TP, tuple[int, int]] = {}
        for tp, result in fetcher._records.items():
            records = getattr(result, "_partition_records", None)
            if records is not None:
                take_whole(records)
                state = partitions.state_value(tp) if tp in wanted else None
                if state is not None and state._position == records.next_fetch_offset:
                    before[tp] = records.next_fetch_offset, records._records.size_bytes
        read = await fetcher.fetched_records(wanted, timeout=0)
        drained: dict[TP, Batch] = {}
        for tp, (first, size_bytes) in before.items():
            after = partitions.state_value(tp).position
            if after > first:
                unparsed: list[Unparsed] = read.get(tp, [])
                record_batches = [one.records_from(first) for one in unparsed]
                timestamp_ms = max([one.record_batch.max_timestamp for one in unparsed], default=0)
                own = TP(tp.topic, tp.partition)  # until here it is aiokafka's own kind of pair
                drained[own] = Batch(own, record_batches, epoch, first, after - 1, size_bytes, timestamp_ms)
        return drained

    def _outdated(self, epoch: int) -> bool:
        return self._seeking or epoch != self.epoch or not self.consumer.flow_active

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        """Seek every source partition to its committed offset, or to its beginning when it has none."""
        return await self.call_thread(self._seek_to_committed)  # type: ignore[no-any-return]

    async def _seek_to_committed(self) -> Mapping[TP, int | None]:
        # aiokafka's own seek_to_committed leaves a partition without a commit where its last fetch left it, past what
        # was fetched and dropped; and it asks for one offset after the other.
        consumer = self._ensure_consumer()
        self._seeking = True
        try:
            tps = [tp for tp in self.assignment() if not self.consumer._is_changelog_tp(tp)]
            offsets = await asyncio.gather(*[consumer.committed(tp) for tp in tps])
            committed = dict(zip(tps, offsets, strict=True))
            fresh = [TopicPartition(*tp) for tp, offset in committed.items() if offset is None]
            for tp, offset in committed.items():
                if offset is not None:
                    consumer.seek(tp, offset)
            if fresh:
                log.info("read_from_the_beginning", partitions=len(fresh), reason="nothing of them was ever committed")
                await consumer.seek_to_beginning(*fresh)
            return committed
        finally:
            self.epoch += 1
            self._seeking = False
