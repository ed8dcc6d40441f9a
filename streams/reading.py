"""What a batch of `events` or `crossings` says: decoded once for detect and match (panel.py).

Placement (DESIGN 3): state lives in the partition that Kafka's own partitioner (murmur2) gives a key. A record that
another client's partitioner put elsewhere is not judged where it lies: match forwards it, once, to its own partition.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streams.dead import REDRIVEN_HEADER
from streams.engine.batch import Batch, Record
from streams.errors import InvalidEvent
from streams.event import (
    ORIGIN_HEADER,
    RESERVED_SOURCES,
    UNDECODABLE,
    Event,
    decode_event,
    event_key,
    find_header,
    is_signed,
    read_event,
    recorded_id,
)
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import EVENTS, partition_of

Readable = tuple[Record, Event, bytes]
"""An event that is to be judged here: the record it came in, the event, and its key."""


class Reading(NamedTuple):
    """A portion of a batch: its records, sorted into events to judge (they may still lack ids; see `identify`), those that
    nobody can read, with the reason, and those that belong elsewhere."""

    records: Sequence[Record]
    events: list[Readable]
    unreadable: list[tuple[Record, str]]
    misplaced: list[tuple[Record, bytes, int]]


Place = tuple[bytes, int]
"""An event's key, and the partition that is its own."""
Places = dict[str, dict[str, dict[str | tuple[str | None, str] | None, Place]]]
"""By source, type, and subject (with the partition key, where there is one): what a place follows from. One step after the
other, since a tuple of them costs more to make and to compare than all else that is done to read an event."""

UNREAD = (*UNDECODABLE, KeyError)
"""No event, or of a source or a type not seen before."""
PLACES = 200_000
"""Places remembered by names that were checked; when there are more, they are worked out anew."""


class Reader:
    """Reads batches."""

    def __init__(self, settings: Settings, rows: Rows) -> None:
        self._rows = rows
        self._partitions = settings.partitions
        self._events_topic = EVENTS.full_name(settings)
        self._signing_key = settings.signing_key.get_secret_value().encode()
        self._spread = rows.spread_sources
        self._places: Places = {}
        self._places_left = PLACES

    def portions(self, batch: Batch) -> Iterator[Reading]:
        """What the batch says, some of it at a time."""
        read = self._read_events if batch.topic == self._events_topic else self._read_crossings
        for records in batch.portions():
            reading = Reading(records, [], [], [])
            read(reading, batch.partition)
            yield reading

    def _read_events(self, reading: Reading, here: int) -> None:
        judge = reading.events.append
        places = self._known_places()
        for record in reading.records:
            # A lookup tells of names seen before that they are valid, whose key they make and where that lies.
            try:
                event = decode_event(record.value or b"")
                place = places[event.source][event.type].get(
                    event.subject if event.partitionkey is None else (event.subject, event.partitionkey)
                )
            except UNREAD:
                place = None
            if place is None or event.specversion:
                try:
                    event, place = self._look_closely(record)
                except InvalidEvent as error:
                    reading.unreadable.append((record, str(error)))
                    continue
            key, partition = place
            if partition == here or find_header(record.headers, ORIGIN_HEADER):
                judge((record, event, key))
            else:
                reading.misplaced.append((record, key, partition))

    def _known_places(self) -> Places:
        spread = self._rows.spread_sources
        if spread is not self._spread or self._places_left < 0:
            self._spread, self._places, self._places_left = spread, {}, PLACES
        return self._places

    def _look_closely(self, record: Record) -> tuple[Event, Place]:
        """The event and its place, everything checked. Raises InvalidEvent."""
        event = read_event(record.value)
        key = event_key(event, self._spread)
        place = key, partition_of(key, self._partitions)
        if event.source not in RESERVED_SOURCES:
            names = event.subject if event.partitionkey is None else (event.subject, event.partitionkey)
            places = self._places.setdefault(event.source, {}).setdefault(event.type, {})
            self._places_left -= names not in places
            places[names] = place
        elif not self._is_ours(record):
            raise InvalidEvent("source", f"{event.source} is reserved; publish under a name of your own")
        return event, place

    @staticmethod
    def _read_crossings(reading: Reading, _here: int) -> None:
        # Ours, and lying where the events lay that crossed.
        for record in reading.records:
            try:
                reading.events.append((record, read_event(record.value), record.key or b""))
            except InvalidEvent as error:
                reading.unreadable.append((record, str(error)))

    def _is_ours(self, record: Record) -> bool:
        return is_signed(record.value or b"", record.headers, self._signing_key)


def identify(batch: Batch, record: Record, event: Event) -> None:
    """Give an event that came straight from Kafka the id and the time of its record, when something comes of it.

    Most events lead to nothing, and an id costs as much as judging ten events.
    """
    if not event.id:
        event.id = recorded_id(record.headers, batch.topic, batch.partition, record.offset)
    if not event.accepted_at_ms:
        event.accepted_at_ms = record.timestamp


def read_origin(record: Record) -> tuple[bytes, int] | None:
    """The partition, as `topic/partition`, and the offset a forwarded record came from; None for any other record.

    A dead letter put back (streams/redrive.py) tells of its origin too, for its id's sake: it comes late on purpose.
    """
    origin = find_header(record.headers, ORIGIN_HEADER)
    if origin is None or find_header(record.headers, REDRIVEN_HEADER) is not None:
        return None
    place, _, offset = origin.rpartition(b"/")
    return (place, int(offset)) if offset.isdigit() else None
