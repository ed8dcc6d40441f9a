"""Record batches out: outputs and state changes (steps 4 and 5 of the room's protocol)."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from streams.settings import Settings

BATCH_BYTES = 1024 * 1024
"""Upper bound of one record batch: half of what the broker accepts, so that one oversized record still fits."""
DELIVERY_TIMEOUT_MS = 30_000
"""How long a batch may wait for its ack, retries included: longer than a broker takes to restart. After that the
process stops, and its successor reads the inputs again."""

Headers = Sequence[tuple[str, bytes]]
Place = tuple[str, int]
"""A topic's full name and a partition."""


Output = tuple[bytes | None, bytes | None, Headers]
"""One record to write: its key, its value and its headers."""


class Written(NamedTuple):
    """Where the broker put what one call queued for a partition: the first record's offset and the last one's.

    Both are -1 where it cannot say: it took a batch twice, and no longer knew where the first one went (KIP-98).
    """

    first_offset: int
    last_offset: int


class Outputs:
    """What a batch leads to, grouped by topic and partition, in the order it was added."""

    def __init__(self) -> None:
        self.records: dict[Place, list[Output]] = defaultdict(list)

    def add(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """One more record."""
        self.records[topic, partition].append((key, value, headers))


class Writer:
    """One idempotent producer for all stages of a process: acks=all, and no record overtakes another of its partition.

    aiokafka lets one batch a partition wait, and its senders poll for the place; so each partition has a lane of its own
    here, in which all that arrives while one batch is under way becomes the next.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._lanes: dict[Place, Lane] = {}

    async def start(self) -> None:
        """Connect. Raises KafkaError when the broker cannot be reached."""
        self._producer = AIOKafkaProducer(
            **self._settings.kafka_client(),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * BATCH_BYTES,
            request_timeout_ms=DELIVERY_TIMEOUT_MS,
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is left and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    def send(self, outputs: Outputs) -> list[asyncio.Future[Written]]:
        """Queue all records, in order; each future is done when the broker has its share, or raises KafkaError."""
        return [self._lane(place).put(records) for place, records in outputs.records.items()]

    def _lane(self, place: Place) -> "Lane":
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(self._producer, place)
        return lane


class Put:
    """What one call queued for one partition, until all of it is acked. It may be spread over several batches."""

    def __init__(self) -> None:
        self.done: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._first_offset: int | None = None

    def ack(self, offset: int, *, last: bool) -> None:
        """The broker has the first or the last of the records, at this offset (-1: somewhere)."""
        if self._first_offset is None:
            self._first_offset = offset
        if last and not self.done.done():
            unknown = offset < 0 or self._first_offset < 0
            self.done.set_result(Written(-1, -1) if unknown else Written(self._first_offset, offset))

    def fail(self, error: Exception) -> None:
        """The broker does not have all of it."""
        if not self.done.done():
            self.done.set_exception(error)


Queued = tuple[Output, Put | None, bool]
"""A record that waits for its batch; its put, on the first and on the last record of one; and whether it is the last."""


class Ending(NamedTuple):
    """A put's first or last record within a batch: how many records lie before it there."""

    put: Put
    before: int
    last: bool


class Lane:
    """One partition's queue: one batch under way, the next filling up behind it."""

    def __init__(self, producer: Any, place: Place) -> None:
        self._producer = producer
        self._topic, self._partition = place
        self._queue: deque[Queued] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, records: Sequence[Output]) -> asyncio.Future[Written]:
        """Queue these records; the future follows the last of them."""
        put = Put()
        if len(records) > 1:
            self._queue.append((records[0], put, False))
            self._queue.extend([(record, None, False) for record in records[1:-1]])
        self._queue.append((records[-1], put, True))
        if self._task is None:
            self._task = asyncio.create_task(self._pump(), name=f"lane-{self._topic}-{self._partition}")
        return put.done

    async def _pump(self) -> None:
        endings: list[Ending] = []
        try:
            while self._queue:
                batch, endings = self._fill()
                base_offset = (await (await self._producer.send_batch(batch, self._topic, partition=self._partition))).offset
                for put, before, last in endings:
                    put.ack(-1 if base_offset is None or base_offset < 0 else base_offset + before, last=last)
        except Exception as error:
            unsent = [put for _, put, _ in self._queue if put is not None]
            self._queue.clear()
            for put in [ending.put for ending in endings] + unsent:
                put.fail(error)
        finally:
            self._task = None

    def _fill(self) -> tuple[Any, list[Ending]]:
        batch = self._producer.create_batch()
        endings = []
        count = 0
        while self._queue:
            (key, value, headers), put, last = self._queue[0]
            if batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
                break
            self._queue.popleft()
            if put is not None:
                endings.append(Ending(put, count, last))
            count += 1
        return batch, endings
