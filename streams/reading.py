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

Readable = tuple[Record, Event, bytes]
"""An event that is to be judged here: the record it came in, the event, and its key."""


class Reading(NamedTuple):
    """A batch, sorted: events to judge, records nobody can read (with the reason), records that belong elsewhere."""

    events: list[Readable]
    unreadable: list[tuple[Record, str]]
    misplaced: list[tuple[Record, bytes, int]]


PLACES = 200_000
"""Keys and partitions remembered by what they follow from; when there are more, they are worked out anew."""


class Reader:
    """Reads batches; the second stage to ask gets what the first one read."""

    def __init__(self, settings: Settings, rows: Rows) -> None:
        self._rows = rows
        self._partitions = settings.partitions
        self._events_topic = EVENTS.full_name(settings)
        self._signing_key = settings.signing_key.get_secret_value().encode()
        self._spread = rows.spread_sources
        self._places: dict[tuple[str, str | None, str | None], tuple[bytes, int]] = {}

    def read(self, batch: Batch) -> Reading:
        """What the batch says. Its events may still lack ids; see `identify`."""
        if batch.read is None:
            batch.read = self._read_events(batch) if batch.topic == self._events_topic else self._read_crossings(batch)
        reading: Reading = batch.read
        return reading

    def _read_events(self, batch: Batch) -> Reading:
        reading = Reading([], [], [])
        judge = reading.events.append
        spread, here = self._rows.spread_sources, batch.partition
        if spread is not self._spread or len(self._places) > PLACES:
            self._spread, self._places = spread, {}
        places = self._places
        for record in batch.records:
            try:
                event = read_event(record.value)
            except InvalidEvent as error:
                reading.unreadable.append((record, str(error)))
                continue
            if event.source in RESERVED_SOURCES and not self._is_ours(record):
                reason = f"source: {event.source} is reserved; publish under a name of your own"
                reading.unreadable.append((record, reason))
                continue
            name = event.source, event.subject, event.partitionkey
            place = places.get(name)
            if place is None:
                key = event_key(event, spread)
                place = places[name] = key, partition_of(key, self._partitions)
            key, partition = place
            if partition != here and not _header(record, ORIGIN_HEADER):
                reading.misplaced.append((record, key, partition))
            else:
                judge((record, event, key))
        return reading

    def _read_crossings(self, batch: Batch) -> Reading:
        # Ours, and lying where the events lay that crossed.
        reading = Reading([], [], [])
        for record in batch.records:
            try:
                reading.events.append((record, read_event(record.value), record.key or b""))
            except InvalidEvent as error:
                reading.unreadable.append((record, str(error)))
        return reading

    def _is_ours(self, record: Record) -> bool:
        return is_signed(record.value or b"", record.headers, self._signing_key)


def identify(batch: Batch, record: Record, event: Event) -> None:
    """Give an event that came straight from Kafka the id and the time of its record, when something comes of it.

    Most events lead to nothing, and an id costs as much as judging ten events.
    """
    if not event.id:
        origin = _header(record, ORIGIN_HEADER) or origin_of(batch, record)
        event.id = derived_id("record", origin.decode())
    if not event.accepted_at_ms:
        event.accepted_at_ms = record.timestamp


def origin_of(batch: Batch, record: Record) -> bytes:
    """Where a record lies, as `ORIGIN_HEADER` carries it."""
    return f"{batch.topic}/{batch.partition}/{record.offset}".encode()


def read_origin(record: Record) -> tuple[bytes, int] | None:
    """The partition, as `topic/partition`, and the offset a forwarded record came from; None for any other record."""
    origin = _header(record, ORIGIN_HEADER)
    if origin is None:
        return None
    place, _, offset = origin.rpartition(b"/")
    return (place, int(offset)) if offset.isdigit() else None


def _header(record: Record, name: str) -> bytes | None:
    return next((value for header, value in record.headers if header == name), None) if record.headers else None
