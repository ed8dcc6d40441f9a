"""The edge of a watched value: what is remembered of it, and what the next value makes of that. Pure.

Every rule here takes the edge as it was, None for a value never seen, and gives the edge as it then is, None when it stays
as it is. The first value ever seen sets the side and crosses nothing. A record at or below the offset that last changed the
edge has been judged before and changes nothing (invariant 3).

With `held_for` (`judge_held`) a value that goes across waits: its crossing is made when it goes, kept in the edge, and told
once the value has been across for so long, by event time. What shows that the time has passed is an event of the value
itself, whatever it brings (until then the value was what it was last told to be), or the time that passes on the partition
(pending.py). A value that is back before that takes the crossing along. An event older than the one that last
changed the edge comes late: it neither undoes nor fires anything.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from streams.event import Event
from streams.language.comparison import same
from streams.state import State


class Hold(msgspec.Struct, omit_defaults=True, gc=False):
    """What the edge of a watch with `held_for` knows besides its side. Times are event times, in Unix milliseconds.

    `since_ms` is the time of the event that last changed the edge. `crossing` waits to be told, under the key `key`: at the
    latest when the partition's time is `due_ms`. While it waits, the edge's side is still the one before.
    """

    since_ms: int
    crossing: Event | None = None
    key: str = ""
    due_ms: int = 0


class Edge(State, omit_defaults=True, gc=False):
    """A watched value's side: whether it is across the threshold. `value` is its last value, kept where any change is watched.

    A partition has keys of its own besides: one for each that records are forwarded from (`origin_offset`: how far they have
    come), and those of pending.py, which keep something in `value`.
    """

    across: bool = False
    origin_offset: int = -1
    value: Any = msgspec.UNSET
    hold: Hold | None = None


def judge_origin(forwarded: Edge | None, origin_offset: int, offset: int) -> Edge | None:
    """How far a partition's forwarded records have come with this one; None when it has come before.

    A forward may be repeated (its sender was killed before it could remember), behind records that came later. They were
    forwarded in order, so one at or below the largest origin offset is a repetition: its value is history.
    """
    if forwarded is not None and origin_offset <= forwarded.origin_offset:
        return None
    return Edge(offset=offset, origin_offset=origin_offset)


def judge_edge(edge: Edge | None, across: bool, offset: int) -> tuple[Edge | None, bool]:
    """A value on this side: the edge after it, and whether it has changed sides."""
    if edge is None:
        return Edge(offset=offset, across=across), False
    if across == edge.across or offset <= edge.offset:
        return None, False
    return Edge(offset=offset, across=across), True


def judge_change(edge: Edge | None, value: object, offset: int) -> tuple[Edge | None, bool]:
    """Any value, where any change is watched: the edge after it, and whether it is another value than the last one."""
    if edge is None:
        return Edge(offset=offset, value=value), False
    if offset <= edge.offset or same(edge.value, value):
        return None, False
    return Edge(offset=offset, value=value), True


class Arrival(NamedTuple):
    """A value of a watch with `held_for`, as it arrives. `at_ms` is its event time; `clock_ms` the partition's (-1: none yet).

    `is_across` tells its side, given the side before, which the hysteresis asks for. `make_crossing` makes what is to be told
    if it stays on the side given; it is asked only when the value goes across.
    """

    offset: int
    at_ms: int
    clock_ms: int
    is_across: Callable[[bool], bool]
    make_crossing: Callable[[bool], tuple[Event, str]]


def judge_held(edge: Edge | None, arrival: Arrival, held_for_ms: int, both_ways: bool) -> tuple[Edge | None, Hold | None]:
    """The edge after a value, and the hold whose crossing is to be told now, if one is.

    Going across waits, and with `both_ways` so does going back; otherwise the value is back at once.
    """
    offset, at_ms = arrival.offset, arrival.at_ms
    if edge is None or edge.hold is None:
        return Edge(offset=offset, across=arrival.is_across(False), hold=Hold(at_ms)), None
    if offset <= edge.offset or at_ms < edge.hold.since_ms:
        return None, None
    changed, told = None, None
    hold = waiting(edge)
    if hold is not None and at_ms >= hold.since_ms + held_for_ms:
        told, edge = hold, confirm(edge)
        changed = edge
    waits = waiting(edge) is not None
    side = edge.across != waits  # where the value is, told or not
    after = arrival.is_across(side)
    if after == side:
        return changed, told
    if waits or not (after or both_ways):
        return Edge(offset=offset, across=after, hold=Hold(at_ms)), told
    crossing, key = arrival.make_crossing(after)
    # Silence is counted from here: on a partition whose time is ahead of this value's feed, it would else be over at once.
    due_ms = max(at_ms, arrival.clock_ms) + held_for_ms
    return Edge(offset=offset, across=side, hold=Hold(at_ms, crossing, key, due_ms)), told


def waiting(edge: Edge | None) -> Hold | None:
    """The hold whose crossing waits to be told; None when none does. The edge of a value never seen is None."""
    return None if edge is None or edge.hold is None or edge.hold.crossing is None else edge.hold


def confirm(edge: Edge) -> Edge:
    """The edge when its crossing is told: across at last. Its offset stays, so that no record of the value is passed over."""
    since_ms = 0 if edge.hold is None else edge.hold.since_ms
    return Edge(offset=edge.offset, across=not edge.across, hold=Hold(since_ms))
