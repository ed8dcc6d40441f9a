"""What a batch of `events` or `crossings` says: decoded once, shared by detect and match.

Placement (DESIGN 3): state lives in the partition that Kafka's own partitioner (murmur2) gives a key. A record that
another client's partitioner put elsewhere is not judged where it lies: match forwards it, once, to its own partition.
"""

from typing import NamedTuple

from streams.engine.batch import Batch, Record
from streams.errors import InvalidEvent
from streams.event import ORIGIN_HEADER, RESERVED_SOURCES, Event, derived_id, event_key, is_signed, read_event
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import EVENTS, partition_of


class Readable(NamedTuple):
    """An event that is to be judged here, the record it came in, and its key."""

    record: Record
    event: Event
    key: bytes


class Reading(NamedTuple):
    """A batch, sorted: events to judge, records nobody can read (with the reason), records that belong elsewhere."""

    events: list[Readable]
    unreadable: list[tuple[Record, str]]
    misplaced: list[tuple[Record, bytes, int]]


class Reader:
    """Reads batches; the second stage to ask gets what the first one read."""

    def __init__(self, settings: Settings, rows: Rows) -> None:
        self._rows = rows
        self._partitions = settings.partitions
        self._events_topic = EVENTS.full_name(settings)
        self._signing_key = settings.signing_key.get_secret_value().encode()

    def read(self, batch: Batch) -> Reading:
        """What the batch says."""
        if batch.read is None:
            batch.read = self._read(batch)
        reading: Reading = batch.read
        return reading

    def _read(self, batch: Batch) -> Reading:
        reading = Reading([], [], [])
        placed = batch.topic != self._events_topic  # crossings lie where their events lay
        spread = self._rows.spread_sources
        for record in batch.records:
            try:
                event = self._event(batch, record)
            except InvalidEvent as error:
                reading.unreadable.append((record, str(error)))
                continue
            key = record.key if placed and record.key else event_key(event, spread)
            partition = batch.partition if placed else partition_of(key, self._partitions)
            if partition != batch.partition and not _header(record, ORIGIN_HEADER):
                reading.misplaced.append((record, key, partition))
            else:
                reading.events.append(Readable(record, event, key))
        return reading

    def _event(self, batch: Batch, record: Record) -> Event:
        event = read_event(record.value)
        if event.source in RESERVED_SOURCES and not is_signed(record.value or b"", record.headers, self._signing_key):
            raise InvalidEvent("source", f"{event.source} is reserved; publish under a name of your own")
        if not event.id:
            origin = _header(record, ORIGIN_HEADER) or origin_of(batch, record)
            event.id = derived_id("record", origin.decode())
        if not event.accepted_at_ms:
            event.accepted_at_ms = record.timestamp
        return event


def origin_of(batch: Batch, record: Record) -> bytes:
    """Where a record lies, as `ORIGIN_HEADER` carries it."""
    return f"{batch.topic}/{batch.partition}/{record.offset}".encode()


def _header(record: Record, name: str) -> bytes | None:
    return next((value for header, value in record.headers if header == name), None) if record.headers else None
