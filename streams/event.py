"""An event: one fact from a feed, as it lies on the `events` and `crossings` topics."""

import hmac
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from uuid_utils import UUID, uuid5

from streams.errors import InvalidEvent

MANUAL = "manual"
"""The source of events that fire one trigger by hand: their type is its id."""
RESERVED_SOURCES = frozenset({"clock", "webhook", MANUAL})
"""Written by touchline alone; on the topic such a record carries a signature."""

SIGNATURE_HEADER = "touchline-signature"
ORIGIN_HEADER = "touchline-origin"
"""`topic/partition/offset` of a record that was forwarded to its key's own partition."""

NAME_LENGTH = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAMESPACE = UUID("6a0b7d52-3a55-5d3c-9d0a-5a2f6f1d7c11")


class Lineage(msgspec.Struct, omit_defaults=True):
    """Where a firing comes from: the first event, and the triggers that fired on the way, the last of them its own.

    `execution_id` is the firing's own, so that an event which carries this lineage names the execution that emitted it;
    `parent_execution_id` the one that emitted the event which fired it, if one did. `signature` proves that touchline made it
    (streams/lineage.py).
    """

    root_event_id: str = ""
    trigger_chain: list[str] = []
    trigger_depth: int = 0
    execution_id: str = ""
    parent_execution_id: str = ""
    signature: str = ""


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """One event. JSON on the wire; a plain object and a structured CloudEvent decode into the same struct.

    `payload` is any JSON value, an object for all that filters look into. `accepted_at_ms` is Unix time in
    milliseconds at the door (the record's timestamp for feeds straight to Kafka). `watch` and `caused_by` are set on
    crossings only: which watched edge was crossed, and by which event. `specversion`, `data`, `partitionkey` and
    `touchlinelineage` are a CloudEvent's; its extension attributes must be scalars, so the last is the lineage as JSON text.
    """

    source: str = ""
    type: str = ""
    payload: Any = None
    id: str = ""
    subject: str | None = None
    time: str | None = None
    lineage: Lineage | None = None
    workspace: str = ""
    accepted_at_ms: int = 0
    watch: str = ""
    caused_by: str = ""
    specversion: str = ""
    data: Any = None
    partitionkey: str | None = None
    touchlinelineage: str | None = None


decode_event = msgspec.json.Decoder(Event).decode
"""The plain object, unchecked. What it raises for anything else is UNDECODABLE; `read_event` says why, and checks."""
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode_lineage = msgspec.json.Decoder(Lineage).decode
encode_event = msgspec.json.Encoder().encode


def derived_id(*parts: str) -> str:
    """The id that follows from `parts` (uuid5, RFC 9562): the same parts give the same id on every machine, ever."""
    return str(uuid5(_NAMESPACE, "\x1f".join(parts)))


def check_name(path: str, value: object) -> str:
    """Return `value` if it can be a source or a type: 1 to 256 characters, none of them a control character.

    Raises InvalidEvent otherwise.
    """
    if not isinstance(value, str) or not value:
        raise InvalidEvent(path, "must be a text of 1 to 256 characters")
    if len(value) > NAME_LENGTH:
        raise InvalidEvent(path, f"is {len(value)} characters long; at most {NAME_LENGTH} are accepted")
    if _CONTROL.search(value):
        raise InvalidEvent(path, "holds a control character; printable text is accepted")
    return value


def read_event(value: bytes | None) -> Event:
    """Decode one record's value: the plain object or a structured CloudEvent. Raises InvalidEvent with the reason.

    Ids, times and signatures are the caller's: they follow from where the record lies.
    """
    if not value:
        raise InvalidEvent("", "the record is empty; a JSON object with source, type and payload is accepted")
    try:
        event = decode_event(value)
    except UNDECODABLE as error:
        raise InvalidEvent("", f"not an event: {error}") from error
    if event.specversion:
        if event.specversion != "1.0":
            raise InvalidEvent("specversion", "1.0 is accepted")
        event.payload, event.data, event.specversion = event.data, None, ""
        event.lineage, event.touchlinelineage = read_lineage(event.lineage, event.touchlinelineage), None
    check_name("source", event.source)
    check_name("type", event.type)
    return event


def read_lineage(lineage: object, text: object) -> Lineage | None:
    """A CloudEvent's lineage: `text` is its `touchlinelineage`. Raises InvalidEvent, also for an attribute named `lineage`."""
    if lineage is not None:
        raise InvalidEvent("lineage", "a CloudEvent carries it in the attribute touchlinelineage, as JSON text")
    if text is None:
        return None
    if not isinstance(text, str):
        raise InvalidEvent("touchlinelineage", "must be a text: the JSON of an inject's lineage")
    try:
        return _decode_lineage(text)
    except UNDECODABLE as error:
        raise InvalidEvent("touchlinelineage", f"is not the JSON text of an inject's lineage: {error}") from error


def sign(value: bytes, key: bytes) -> bytes:
    """The signature of a lineage, and of a record of a reserved source, in `SIGNATURE_HEADER` (HMAC-SHA256, hex; RFC 2104)."""
    return hmac.new(key, value, "sha256").hexdigest().encode()


def is_signed(value: bytes, headers: Sequence[tuple[str, bytes]], key: bytes) -> bool:
    """Whether these headers hold the signature that touchline itself would have put on `value`."""
    return any(name == SIGNATURE_HEADER and hmac.compare_digest(given, sign(value, key)) for name, given in headers)


def find_header(headers: Sequence[tuple[str, bytes]], name: str) -> bytes | None:
    """The value of a record's first header of that name, None when there is none."""
    return next((value for header, value in headers if header == name), None) if headers else None


def origin_of(topic: str, partition: int, offset: int) -> bytes:
    """Where a record lies, as `ORIGIN_HEADER` carries it. `topic` is its full name."""
    return f"{topic}/{partition}/{offset}".encode()


def recorded_id(headers: Sequence[tuple[str, bytes]], topic: str, partition: int, offset: int) -> str:
    """The id of an event that came without one: it follows from where its record lies, or lay before it was forwarded."""
    origin = find_header(headers, ORIGIN_HEADER) or origin_of(topic, partition, offset)
    return derived_id("record", origin.decode())


def event_key(event: Event, spread_sources: frozenset[str]) -> bytes:
    """The record key: the source, or source/subject for a source declared `spread: subject`; `partitionkey` is honoured."""
    if event.partitionkey:
        return event.partitionkey.encode()
    if event.subject and event.source in spread_sources:
        return f"{event.source}/{event.subject}".encode()
    return event.source.encode()
