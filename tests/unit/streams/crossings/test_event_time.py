"""When an event happened: what it says itself counts, and what is no instant does not."""

import pytest

from streams.crossings.event_time import event_time_ms, rfc3339
from streams.event import Event

ACCEPTED_MS, RECORDED_MS = 2_000, 3_000


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T01:00:01.2345+01:00", 1_234),
        ("1969-12-31T23:59:59Z", -1_000),
        ("0001-01-01T00:00:00+23:00", -62_135_679_600_000),
        (None, ACCEPTED_MS),
        ("1970-01-01T00:00:01", ACCEPTED_MS),
        ("1970-01-01", ACCEPTED_MS),
        ("yesterday", ACCEPTED_MS),
        ("", ACCEPTED_MS),
    ],
)
def test_an_events_own_time_comes_first(time: str | None, expected: int) -> None:
    """An instant by RFC 3339 with its offset; without one, when the event was accepted."""
    assert event_time_ms(Event(time=time, accepted_at_ms=ACCEPTED_MS), RECORDED_MS) == expected


def test_an_event_straight_from_kafka_has_its_records_time() -> None:
    """Nobody accepted it at a door."""
    assert event_time_ms(Event(), RECORDED_MS) == RECORDED_MS


def test_an_instant_is_told_by_rfc_3339() -> None:
    """In UTC, with milliseconds."""
    assert rfc3339(1_234) == "1970-01-01T00:00:01.234Z"
