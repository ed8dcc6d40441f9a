"""What is recorded of an event and a trigger: the event itself, its crossing, its firing, its execution, the row as it was.

Every id follows from others (DESIGN, invariant 2), so each is looked for by its id where it must lie: crossings beside their
event, firings and rows under the trigger. Only the event has no known place, and is searched for.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from ingest.authentication import Caller
from ingest.record_search import RecordSearch, Result, Spans
from streams.change import Change
from streams.errors import InvalidEvent
from streams.event import (
    RESERVED_SOURCES,
    Event,
    derived_id,
    event_key,
    is_signed,
    read_event,
    recorded_id,
)
from streams.execution import decode_firing
from streams.lineage import is_genuine
from streams.settings import Settings
from streams.topics import CROSSINGS, EVENTS, FIRINGS, TRIGGERS, Topic, partition_of
from streams.trigger import Trigger
from streams.why import row_then
from streams.workspace import DEFAULT_WORKSPACE

SKEW_MS = 60_000
"""How far the clocks of processes, and so the times of records, may be apart."""
AROUND_MS = 5 * 60_000
"""How far from the given time an event is looked for."""

_decode_change = msgspec.json.Decoder(Change[Trigger]).decode


class Place(NamedTuple):
    """An event, and where its record lies."""

    event: Event
    topic: str
    partition: int
    offset: int


class Evidence:
    """Looks things up within one search, for a caller: what is another workspace's is not there.

    `spread` are the sources declared `spread: subject`.
    """

    def __init__(self, settings: Settings, search: RecordSearch, spread: frozenset[str], caller: Caller) -> None:
        self.search = search
        self._settings = settings
        self._spread = spread
        self._caller = caller
        self._signing_key = settings.signing_key.get_secret_value().encode()

    async def find_event(self, event_id: str, source: str | None, subject: str | None, around_ms: int | None) -> Result[Place]:
        """The event of that id, on `events` or `crossings`; `source` (of a spread one with `subject`) tells its partition."""
        look = self._look(event_id, lambda event: event.id == event_id)
        numbers: Collection[int] = range(self._settings.partitions)
        if source is not None and (source not in self._spread or subject is not None):
            numbers = [self._home(Event(source=source, subject=subject))]
        since_ms, until_ms = (None, None) if around_ms is None else (around_ms - AROUND_MS, around_ms + AROUND_MS)
        places = [(topic, number) for topic in (EVENTS, CROSSINGS) for number in numbers]
        spans = await self.search.spans(places, since_ms, until_ms)
        return await self.search.newest(spans, look)

    async def find_tree(self, root_event_id: str, since_ms: int, limit: int) -> Result[Place]:
        """The event and what came of it, accepted since then: its crossings, and events whose genuine lineage began with it.

        The oldest first, and not complete when there are more than `limit`.
        """
        left = limit

        def concerns(event: Event) -> bool:
            nonlocal left
            if event.lineage is None:
                is_of_tree = root_event_id in (event.id, event.caused_by)
            else:
                is_of_tree = event.lineage.root_event_id == root_event_id
            left -= is_of_tree
            return is_of_tree and left >= 0

        places = [(topic, number) for topic in (EVENTS, CROSSINGS) for number in range(self._settings.partitions)]
        spans = await self.search.spans(places, since_ms - SKEW_MS)
        result = await self.search.every(spans, self._look(root_event_id, concerns))
        for place in result.found:
            if place.topic == EVENTS.full_name(self._settings):
                place.event.caused_by = ""  # ours to say, and feeds may write there
        return Result(result.found, result.complete and left >= 0)

    def root_of(self, place: Place) -> str:
        """The id of the first event of the chain that an event is part of: its own, when it began one."""
        event = place.event
        if event.lineage is not None:
            return event.lineage.root_event_id
        return event.caused_by if event.caused_by and place.topic == CROSSINGS.full_name(self._settings) else event.id

    async def find_crossing(self, crossing_id: str, cause: Event) -> Result[Event]:
        """The crossing of that id, in its cause's partition, from the cause on."""
        spans = await self._since(CROSSINGS, self._home(cause), cause)
        look = self._look(crossing_id, lambda event: event.id == crossing_id)
        result = await self.search.first(spans, look)
        return Result([place.event for place in result.found], result.complete)

    async def has_fired(self, trigger_id: str, event: Event) -> bool | None:
        """Whether a firing lies on its topic, from the event on; None when there is too much to read."""
        execution_id = derived_id("execution", trigger_id, event.id)
        needle = execution_id.encode()
        spans = await self._since(FIRINGS, partition_of(trigger_id.encode(), self._settings.partitions), event)

        def look(record: Any) -> bool | None:
            if needle not in (record.value or b""):
                return None
            try:
                return True if decode_firing(record.value).execution_id == execution_id else None
            except msgspec.DecodeError:
                return None

        result = await self.search.first(spans, look)
        return True if result.found else False if result.complete else None

    async def row_then(self, now: Trigger, event: Event) -> Trigger | None:
        """The row in force when the event was accepted; None when nobody can say."""
        accepted_at = instant(event.accepted_at_ms)
        if (row := row_then(accepted_at, now, None)) is not None:
            return row
        key = now.id.encode()

        def look(record: Any) -> Change[Trigger] | None:
            if record.key != key or record.value is None:
                return None
            try:
                change = _decode_change(record.value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return None
            is_later = change.after is not None and row_then(accepted_at, change.after, None) is None
            return change if is_later else None

        result = await self.search.first(await self._since(TRIGGERS, 0, event), look)
        return row_then(accepted_at, now, result.found[0].before if result.found else None)

    def _home(self, event: Event) -> int:
        return partition_of(event_key(event, self._spread), self._settings.partitions)

    async def _since(self, topic: Topic, number: int, event: Event) -> Spans:
        return await self.search.spans([(topic, number)], event.accepted_at_ms - SKEW_MS)

    def _look(self, event_id: str, concerns: Callable[[Event], bool]) -> Callable[[Any], Place | None]:
        """Finds events that name this id, or have it, of which `concerns` is true, in workspaces that the caller sees.

        Feeds that speak to Kafka may leave ids out: then they follow from where a record lies.
        """
        needle = _needle(event_id)
        is_derived = len(event_id) == 36 and event_id[14] == "5"

        def look(record: Any) -> Place | None:
            value = record.value or b""
            if needle not in value and not (is_derived and _derived(record) == event_id):
                return None
            try:
                event = read_event(value)
            except InvalidEvent:
                return None
            workspace = event.workspace or DEFAULT_WORKSPACE
            if not self._caller.sees(workspace):
                return None
            if event.source in RESERVED_SOURCES and not is_signed(value, record.headers, self._signing_key):
                return None
            event.id = event.id or _derived(record)
            event.accepted_at_ms = event.accepted_at_ms or record.timestamp
            if event.lineage is not None and not is_genuine(event.lineage, workspace, self._signing_key):
                event.lineage = None  # it says nothing, and the event fired nobody
            if not concerns(event):
                return None
            return Place(event, record.topic, record.partition, record.offset)

        return look


def instant(at_ms: int) -> datetime:
    """A time given in Unix milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _derived(record: Any) -> str:
    return recorded_id(record.headers, record.topic, record.partition, record.offset)


def _needle(event_id: str) -> bytes:
    """The longest part of an id that every JSON writer writes as it is; a quick look before a record is decoded."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else " " for letter in event_id)
    return max(kept.split(), key=len, default="").encode()
