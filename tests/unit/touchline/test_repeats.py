"""A library that repeats itself is heard once in a while; touchline's own lines always."""

import logging

import pytest

from touchline.repeats import QUIET_SECONDS, Repeats


def _record(name: str, message: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, values, None)


def test_a_line_is_told_once_and_then_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another wording, another logger and touchline's own are told; the next of the same says how many were left out."""
    now = [0.0]
    monkeypatch.setattr("touchline.repeats.time.monotonic", lambda: now[0])
    repeats = Repeats()
    assert [repeats.filter(_record("aiokafka", "no broker %s", number)) for number in range(4)] == [True, False, False, False]
    assert repeats.filter(_record("aiokafka", "another line"))
    assert repeats.filter(_record("asyncpg", "no broker %s", 1))
    assert all(repeats.filter(_record("touchline", "fact")) for _ in range(3))
    now[0] = QUIET_SECONDS
    later = _record("aiokafka", "no broker %s", 9)
    assert repeats.filter(later)
    assert later.__dict__["repeated"] == 3
