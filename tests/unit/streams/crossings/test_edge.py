"""The edge of a watched value: what each next value makes of it."""

from typing import Any

import pytest

from streams.crossings.edge import Arrival, Edge, Hold, confirm, judge_change, judge_edge, judge_held, judge_origin
from streams.event import Event


@pytest.mark.parametrize(
    ("edge", "across", "offset", "expected"),
    [
        (None, True, 7, (Edge(7, across=True), False)),
        (None, False, 7, (Edge(7), False)),
        (Edge(7), False, 8, (None, False)),
        (Edge(7), True, 8, (Edge(8, across=True), True)),
        (Edge(7), True, 7, (None, False)),
        (Edge(7), True, 6, (None, False)),
        (Edge(7, across=True), False, 8, (Edge(8), True)),
        (Edge(7, across=True), False, 7, (None, False)),
    ],
)
def test_a_side_changes_once(edge: Edge | None, across: bool, offset: int, expected: object) -> None:
    """The first value sets the side; a record judged before changes nothing."""
    assert judge_edge(edge, across, offset) == expected


@pytest.mark.parametrize(
    ("last", "value", "changes"),
    [
        (1, 2, True),
        (1, 1.0, False),
        (1, True, True),
        (1, "1", True),
        (1, None, True),
        (None, None, False),
        ("", None, True),
        (2**53, 2**53 + 1, True),
        (0.1, 0.1, False),
        (False, 0, True),
    ],
)
def test_any_other_value_is_a_change(last: object, value: object, changes: bool) -> None:
    """Types are never coerced, and numbers compare exactly."""
    assert judge_change(Edge(3, value=last), value, 4) == ((Edge(4, value=value), True) if changes else (None, False))
    assert judge_change(Edge(3, value=last), value, 3) == (None, False)
    assert judge_change(None, value, 4) == (Edge(4, value=value), False)


def test_a_forward_that_is_repeated_is_history() -> None:
    """A copy of a misplaced record that comes again, behind later ones, must not set the value back."""
    first = judge_origin(None, 5, 100)
    assert first == Edge(offset=100, origin_offset=5)
    assert judge_origin(first, 6, 101) == Edge(offset=101, origin_offset=6)
    assert judge_origin(first, 5, 130) is None
    assert judge_origin(first, 4, 131) is None


CROSSING = Event("stocks", "spike", id="c")
HELD_MS = 30


def arrival(offset: int, at_ms: int, across: bool, clock_ms: int = -1) -> Arrival:
    """A value on this side."""
    return Arrival(offset, at_ms, clock_ms, lambda _: across, lambda _: (CROSSING, "stocks"))


WAITING = Edge(5, hold=Hold(100, CROSSING, "stocks", 130))
ACROSS = Edge(5, across=True, hold=Hold(100))
BELOW = Edge(5, hold=Hold(100))


@pytest.mark.parametrize(
    ("edge", "arrives", "expected", "told"),
    [
        (None, arrival(6, 200, across=True), Edge(6, across=True, hold=Hold(200)), False),
        (BELOW, arrival(6, 200, across=False), None, False),
        (BELOW, arrival(6, 200, across=True), Edge(6, hold=Hold(200, CROSSING, "stocks", 230)), False),
        (BELOW, arrival(6, 200, across=True, clock_ms=900), Edge(6, hold=Hold(200, CROSSING, "stocks", 930)), False),
        (BELOW, arrival(5, 200, across=True), None, False),
        (BELOW, arrival(6, 99, across=True), None, False),
        (WAITING, arrival(6, 129, across=True), None, False),
        (WAITING, arrival(6, 129, across=False), Edge(6, hold=Hold(129)), False),
        (WAITING, arrival(6, 130, across=True), ACROSS, True),
        (WAITING, arrival(6, 130, across=False), Edge(6, hold=Hold(130)), True),
        (WAITING, arrival(6, 99, across=False), None, False),
        (WAITING, arrival(5, 130, across=True), None, False),
        (ACROSS, arrival(6, 200, across=True), None, False),
        (ACROSS, arrival(6, 200, across=False), Edge(6, hold=Hold(200)), False),
    ],
)
def test_a_crossing_waits_until_it_is_held(edge: Edge | None, arrives: Arrival, expected: Edge | None, told: bool) -> None:
    """Back too soon takes it along; late or repeated events change nothing; what was across until now was held until now."""
    after, hold = judge_held(edge, arrives, HELD_MS, both_ways=False)
    assert after == expected
    assert (hold is not None) == told
    assert hold is None or hold.crossing == CROSSING


@pytest.mark.parametrize(
    ("edge", "arrives", "expected", "told"),
    [
        (ACROSS, arrival(6, 200, across=False), Edge(6, across=True, hold=Hold(200, CROSSING, "stocks", 230)), False),
        (
            Edge(5, across=True, hold=Hold(100, CROSSING, "stocks", 130)),
            arrival(6, 129, across=True),
            Edge(6, across=True, hold=Hold(129)),
            False,
        ),
        (Edge(5, across=True, hold=Hold(100, CROSSING, "stocks", 130)), arrival(6, 140, across=False), BELOW, True),
        (WAITING, arrival(6, 140, across=False), Edge(6, across=True, hold=Hold(140, CROSSING, "stocks", 170)), True),
    ],
)
def test_both_ways_going_back_waits_too(edge: Edge, arrives: Arrival, expected: Any, told: bool) -> None:
    """And returning before that is no crossing either."""
    after, hold = judge_held(edge, arrives, HELD_MS, both_ways=True)
    assert (after, hold is not None) == (expected, told)


def test_a_crossing_that_is_told_leaves_the_offset_alone() -> None:
    """The record that showed the time to be over is of another value: those of this one are still to be judged."""
    assert confirm(WAITING) == ACROSS
