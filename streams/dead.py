"""Dead letters: a record that cannot be handled goes to `dead` with its reason and where it lay (invariant 6).

A letter lies on `dead` as the record was, its own headers first and ours last, so that a header of a feed's that has one of our
names is never taken for ours. What became of a letter is told on the same topic (streams/resolution.py).
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from streams.event import find_header, recorded_id
from streams.execution import KIND_HEADER, QUOTA
from streams.settings import Settings
from streams.topics import CROSSINGS, DEAD, DISPATCHES, EVENTS, EXECUTIONS, FIRINGS, Topic
from streams.workspace import DEFAULT_WORKSPACE

Headers = list[tuple[str, bytes]]

OURS = ("topic", "partition", "offset", "stage", "error")
"""The headers that make a record a dead letter, in the order in which they are its last ones."""
REDRIVEN_HEADER = "touchline-redriven"
"""The id of the dead letter that a record on a stage's topic was put back from."""
HOMES = {topic.name: topic for topic in (EVENTS, CROSSINGS, FIRINGS, DISPATCHES, EXECUTIONS)}
"""The topics a letter can be put back on. A row that no topic took (rows_out) comes again when it is mended, by itself."""
_ID = re.compile(r"([0-9]{1,9})-([0-9]{1,18})")


def dead_letter_topic(settings: Settings) -> str:
    """The dead-letter topic's full name."""
    return DEAD.full_name(settings)


def dead_letter_headers(
    headers: Sequence[tuple[str, bytes]], topic: str, partition: int, offset: int, stage: str, error: str
) -> Headers:
    """The headers of a dead letter: the record's own, then its coordinates, the stage that gave up on it, and why."""
    return [
        *headers,
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(offset).encode()),
        ("stage", stage.encode()),
        ("error", error.encode(errors="replace")),
    ]


class Place(NamedTuple):
    """Where a letter lies on `dead`. It never moves, so this is its id, written `partition-offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"


def read_place(text: str) -> Place | None:
    """A letter's place from its id; None for what can be none."""
    found = _ID.fullmatch(text)
    return Place(int(found[1]), int(found[2])) if found else None


class DeadLetter(NamedTuple):
    """A record that a stage gave up on: as it was, where it lay, and why. `at_ms` is when it died, Unix milliseconds.

    `headers` are its own; `topic` is a full name, or the table's of a row that never became a record.
    """

    place: Place
    at_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    topic: str
    partition: int
    offset: int
    stage: str
    reason: str

    def home(self, settings: Settings) -> Topic | None:
        """The topic it can be put back on, None when there is none."""
        name = self.topic.removeprefix(settings.topic_prefix)
        return HOMES.get(name) if self.topic == settings.topic_prefix + name else None


def read_letter(record: Any) -> DeadLetter | None:
    """The letter that a record of `dead` is; None for what is none, a resolution above all."""
    ours = record.headers[-len(OURS) :]
    if tuple([name for name, _ in ours]) != OURS:
        return None
    topic, partition, offset, stage, reason = [value.decode(errors="replace") for _, value in ours]
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    place, own = Place(record.partition, record.offset), list(record.headers[: -len(OURS)])
    return DeadLetter(place, record.timestamp, record.key, record.value, own, topic, int(partition), int(offset), stage, reason)


class Concern(NamedTuple):
    """Whom a letter concerns, as far as it says so; None is unknown."""

    workspace: str | None = None
    trigger_id: str | None = None
    execution_id: str | None = None
    event_id: str | None = None


class _Event(msgspec.Struct):
    """What an event says of itself, whatever else is wrong with it."""

    id: str = ""
    workspace: str = ""


class _Work(msgspec.Struct):
    """What a firing, a word to the gate, a dispatch or an execution says of itself."""

    workspace: str = ""
    trigger_id: str = ""
    execution_id: str = ""
    event_id: str = ""
    event: _Event | None = None
    inject: "_Work | None" = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_work = msgspec.json.Decoder(_Work).decode
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def concern(letter: DeadLetter, home: Topic | None) -> Concern:
    """Whom the letter concerns; `home` is its own. What names no workspace, and could, belongs to the default one."""
    try:
        if home in (EVENTS, CROSSINGS):
            event = _decode_event(letter.value or b"")
            event_id = event.id or recorded_id(letter.headers, letter.topic, letter.partition, letter.offset)
            return Concern(event.workspace or DEFAULT_WORKSPACE, event_id=event_id)
        if home is not None:
            return _work_concern(_decode_work(letter.value or b""), home)
    except _UNDECODABLE:
        pass
    # Of firings (but those to be counted for a workspace) and executions, the key is the trigger's id, whatever the value is.
    keyed = home is EXECUTIONS or (home is FIRINGS and find_header(letter.headers, KIND_HEADER) != QUOTA)
    return Concern(trigger_id=letter.key.decode(errors="replace") if letter.key and keyed else None)


def _work_concern(work: _Work, home: Topic) -> Concern:
    inject = work.inject or work
    workspace: str | None = (work.event.workspace if work.event else work.workspace) or DEFAULT_WORKSPACE
    if home is FIRINGS and work.event is None:
        workspace = None  # a word to the gate, which names none
    event_id = inject.event.id if inject.event else inject.event_id
    return Concern(workspace, inject.trigger_id or None, inject.execution_id or None, event_id or None)
