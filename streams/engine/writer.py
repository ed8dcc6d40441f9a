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


class Output(NamedTuple):
    """One record to write."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class Outputs:
    """What a batch leads to, grouped by topic and partition, in the order it was added."""

    def __init__(self) -> None:
        self.records: dict[Place, list[Output]] = defaultdict(list)

    def add(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """One more record."""
        self.records[topic, partition].append(Output(key, value, headers))


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

    def send(self, outputs: Outputs) -> list[asyncio.Future[None]]:
        """Queue all records, in order; each future is done when the broker has its share, or raises KafkaError."""
        return [self._lane(place).put(records) for place, records in outputs.records.items()]

    def _lane(self, place: Place) -> "Lane":
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(self._producer, place)
        return lane


class Lane:
    """One partition's queue: one batch under way, the next filling up behind it."""

    def __init__(self, producer: Any, place: Place) -> None:
        self._producer = producer
        self._topic, self._partition = place
        self._records: deque[tuple[Output, asyncio.Future[None] | None]] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, records: Sequence[Output]) -> asyncio.Future[None]:
        """Queue these records; the future follows the last of them."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._records.extend((record, None) for record in records[:-1])
        self._records.append((records[-1], future))
        if self._task is None:
            self._task = asyncio.create_task(self._pump(), name=f"lane-{self._topic}-{self._partition}")
        return future

    async def _pump(self) -> None:
        futures: list[asyncio.Future[None]] = []
        try:
            while self._records:
                batch, futures = self._fill()
                await (await self._producer.send_batch(batch, self._topic, partition=self._partition))
                for future in futures:
                    if not future.done():
                        future.set_result(None)
        except Exception as error:
            futures += [future for _, future in self._records if future is not None]
            self._records.clear()
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        finally:
            self._task = None

    def _fill(self) -> tuple[Any, list[asyncio.Future[None]]]:
        batch = self._producer.create_batch()
        futures = []
        while self._records:
            record, future = self._records[0]
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)) is None:
                break
            self._records.popleft()
            if future is not None:
                futures.append(future)
        return batch, futures
