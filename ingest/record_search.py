"""Finding a record on topics that have no index: every record is looked at, within a bound of time.

Backwards in growing chunks, all partitions side by side, for what is probably recent; forwards for what followed something.
Kafka reads only forwards, so a chunk is a seek and a read to where the chunk before it began. The reading shares this
process with the event path: it goes in small steps, and one search at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Generic, NamedTuple, Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import Unavailable
from streams.goodbye import let_go
from streams.settings import Settings
from streams.topics import Topic

TURN_SECONDS = 15.0
"""How long a search waits for the one before it: somewhat longer than one may take."""
SEARCH_SECONDS = 10.0
"""How long one search may read: a few million records on a quiet machine, and shorter than most clients wait."""
FIRST_CHUNK_RECORDS = 2_000
LARGEST_CHUNK_RECORDS = 100_000
"""A partition's records of one chunk: few at first, since people ask about what just happened; then twice as many each time."""
STEP_RECORDS = 1_000
"""Records looked at before others have their turn: about five milliseconds."""
FETCH_BYTES = 256 * 1024
"""What one fetch brings of a partition: it is copied in one go, a few milliseconds for eight of them."""

Found = TypeVar("Found")
Spans = Mapping[TopicPartition, tuple[int, int]]
"""What to read of each partition: from the first offset, up to and without the second."""


class Result(NamedTuple, Generic[Found]):
    """What was found, and whether everything asked for was looked at (always, when one thing was looked for and found)."""

    found: list[Found]
    complete: bool


class RecordSearch:
    """One search of `seconds`; an async context manager. `records` counts what is looked at. All methods raise Unavailable."""

    def __init__(self, settings: Settings, seconds: float | None = None) -> None:
        self.records = 0
        self.oldest_ms: int | None = None
        """The timestamp of the oldest record looked at, Unix milliseconds."""
        self._settings = settings
        self._seconds = SEARCH_SECONDS if seconds is None else seconds
        self._deadline_seconds = 0.0
        self.begin_anew()
        self._consumer = AIOKafkaConsumer(
            **settings.kafka_client(),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await let_go(self._consumer)
            raise _unavailable(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await let_go(self._consumer)

    def begin_anew(self) -> None:
        """What is read from here on has the whole time, whatever was done since the search began."""
        self._deadline_seconds = monotonic() + self._seconds

    async def spans(self, places: Iterable[tuple[Topic, int]], since_ms: int | None, until_ms: int | None = None) -> Spans:
        """What these partitions hold now, or of it what was written between two times, Unix milliseconds."""
        partitions = [TopicPartition(topic.full_name(self._settings), number) for topic, number in places]
        try:
            begins = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
            if since_ms is not None:
                begins |= await self._offsets(partitions, since_ms, ends)
            if until_ms is not None:
                ends = await self._offsets(partitions, until_ms, ends)
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        return {partition: (begins[partition], ends[partition]) for partition in partitions}

    async def newest(self, spans: Spans, look: Callable[[Any], Found | None]) -> Result[Found]:
        """Search backwards; stops behind the first chunk in which `look` found something."""
        left, size = _not_empty(spans), FIRST_CHUNK_RECORDS
        while left:
            chunks = {partition: (max(begin, end - size), end) for partition, (begin, end) in left.items()}
            result = await self._read(chunks, look, stop_early=False)
            if result.found or not result.complete:
                return result
            left = _not_empty({partition: (begin, chunks[partition][0]) for partition, (begin, _) in left.items()})
            size = min(2 * size, LARGEST_CHUNK_RECORDS)
        return Result([], complete=True)

    async def first(self, spans: Spans, look: Callable[[Any], Found | None]) -> Result[Found]:
        """Search forwards; stops at the first record in which `look` found something."""
        return await self._read(_not_empty(spans), look, stop_early=True)

    async def every(self, spans: Spans, look: Callable[[Any], Found | None]) -> Result[Found]:
        """Search forwards for all in which `look` finds something, as far as the time allows."""
        return await self._read(_not_empty(spans), look, stop_early=False)

    async def _offsets(
        self, partitions: list[TopicPartition], at_ms: int, ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, max(at_ms, 0)))
        return {partition: place.offset if (place := found[partition]) else ends[partition] for partition in partitions}

    async def _read(self, spans: Spans, look: Callable[[Any], Found | None], *, stop_early: bool) -> Result[Found]:
        found: list[Found] = []
        try:
            self._consumer.assign(list(spans))
            for partition, (begin, _) in spans.items():
                self._consumer.seek(partition, begin)
            left = {partition: end for partition, (_, end) in spans.items()}
            while left:
                if monotonic() > self._deadline_seconds:
                    return Result(found, complete=False)
                await self._step(left, look, found)
                if found and stop_early:
                    return Result(found, complete=True)
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        return Result(found, complete=True)

    async def _step(self, left: dict[TopicPartition, int], look: Callable[[Any], Found | None], found: list[Found]) -> None:
        for partition, records in (await self._consumer.getmany(*left, timeout_ms=200, max_records=STEP_RECORDS)).items():
            for record in records:
                if record.offset >= left[partition]:
                    break
                self.records += 1
                if (one := look(record)) is not None:
                    found.append(one)
            self.oldest_ms = min(records[0].timestamp, self.oldest_ms or records[0].timestamp)
        for partition in list(left):
            if await self._consumer.position(partition) >= left[partition]:
                del left[partition]
                self._consumer.pause(partition)
        await asyncio.sleep(0)


@asynccontextmanager
async def searching(turn: asyncio.Lock, settings: Settings, seconds: float | None = None) -> AsyncIterator[RecordSearch]:
    """A search, begun when it has its `turn`; it may read for so long (SEARCH_SECONDS when nothing is said).

    Raises Unavailable, also when the one before it does not end.
    """
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await turn.acquire()
    except TimeoutError as error:
        raise Unavailable("another search is under way; ask again") from error
    try:
        async with RecordSearch(settings, seconds) as search:
            yield search
    finally:
        turn.release()


def _not_empty(spans: Spans) -> Spans:
    return {partition: (begin, end) for partition, (begin, end) in spans.items() if begin < end}


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"Kafka could not be searched ({error!r}); nothing was changed, try again")
