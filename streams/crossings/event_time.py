"""When an event happened, as far as anybody says: event time, in Unix milliseconds. Pure."""

from datetime import UTC, datetime, timedelta

import msgspec

from streams.event import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def event_time_ms(event: Event, recorded_at_ms: int) -> int:
    """The event's own `time` (RFC 3339, with its offset), else when it was accepted, else its record's timestamp.

    A `time` that is no such instant, which feeds straight to Kafka may write, is as good as none.
    """
    if event.time is not None:
        try:
            instant = msgspec.convert(event.time, datetime)
            if instant.tzinfo is not None:
                return (instant - _EPOCH) // _MILLISECOND
        except (msgspec.ValidationError, OverflowError):
            pass
    return event.accepted_at_ms or recorded_at_ms


def rfc3339(at_ms: int) -> str:
    """An instant as events and rows carry it."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
