"""Acceptance: what every event is judged by, however it was handed in, and what it is given on the way."""

import time
import uuid

from ingest.json_text import check_time
from streams.errors import InvalidEvent, ReservedSource
from streams.event import RESERVED_SOURCES, Event, check_name
from streams.lineage import forged, is_genuine


def accepted(event: Event) -> Event:
    """Judge `event` and return it with its id and the time of its acceptance.

    Raises InvalidEvent naming the field, and ReservedSource for a source that is touchline's own.
    """
    check_name("source", event.source)
    check_name("type", event.type)
    if event.source in RESERVED_SOURCES:
        raise ReservedSource(
            f"source {event.source} is touchline's own, as are {', '.join(sorted(RESERVED_SOURCES))}; "
            "publish under a name of your own"
        )
    if event.subject is not None:
        check_name("subject", event.subject)
    if event.partitionkey is not None:
        check_name("partitionkey", event.partitionkey)
    if event.time is not None:
        check_time(event.time)
    return stamped(event)


def stamped(event: Event) -> Event:
    """Give `event` its id, unless it has one, and the time of its acceptance. Raises InvalidEvent for an id that cannot be."""
    if event.id:
        check_name("id", event.id)
    else:
        event.id = str(uuid.uuid4())
    event.accepted_at_ms = time.time_ns() // 1_000_000
    return event


def check_lineage(event: Event, signing_key: bytes) -> Event:
    """Return `event`, which is in its workspace already, if it has no lineage or a genuine one. Raises InvalidEvent."""
    if event.lineage is not None and not is_genuine(event.lineage, event.workspace, signing_key):
        raise InvalidEvent("lineage", forged(event.workspace))
    return event


def given_id(value: str | None) -> str:
    """An id that was sent: empty when there was none. Raises InvalidEvent for one that is empty, or cannot be an id."""
    if value is None:
        return ""
    if not value:
        raise InvalidEvent("id", "is empty; leave it out to be given one, or send a text of 1 to 256 characters")
    return check_name("id", value)


def given_workspace(value: object) -> str:
    """A workspace that was sent: empty when there was none. Raises InvalidEvent for one that cannot be."""
    return "" if value is None else check_name("workspace", value)
