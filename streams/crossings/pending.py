"""Crossings that wait: their values went across, and are to stay so for `held_for` before it counts (edge.py).

A value that is simply silent is held too. What tells then that the time has passed is the partition's own time: the largest
event time that any of its events has shown, of any source. An event counts there at most with its record's timestamp, so that
one which is dated into the future passes nobody's time but its own value's. A partition that gets no events lets no time pass.

The edges themselves keep what waits. Which ones do, and the partition's time, lies beside them in the same table, so that
whoever takes the partition over goes on without a look at all its edges:

    <separator>clock             the partition's time
    <separator>pending<number>   the places that wait, spread over ROSTERS such lists

They are written at a batch's end, behind the edges it changed. So when the worker is killed while it writes, an edge may wait
that no list names: its record is read again, and puts it back (`wait`); and a list may name an edge that waits no more, which
`load` finds out. The time is never ahead of the edges, so a record that is read again meets no time later than at first.
"""

import heapq
from collections.abc import Iterator
from zlib import crc32

from streams.crossings.edge import Edge, waiting
from streams.crossings.edges import Edges

ROSTERS = 256
"""Lists a partition. One is written whole when it changes: with 10,000 that wait, 40 places."""
_CLOCK = b"\x1fclock"


class Pending:
    """What waits on one partition, by when it is due, while this process has the partition."""

    def __init__(self, edges: Edges) -> None:
        self.clock_ms = -1
        self._due: list[tuple[int, bytes]] = []
        self._rosters: dict[int, set[bytes]] = {}
        self._changed: set[int] = set()
        self._load(edges)
        self._remembered_ms = self.clock_ms

    def _load(self, edges: Edges) -> None:
        clock = edges.get(_CLOCK)
        if clock is None:
            return  # nobody has waited here yet
        self.clock_ms = clock.value
        for number in range(ROSTERS):
            roster = edges.get(_roster_place(number))
            for text in () if roster is None else roster.value:
                place = text.encode()
                hold = waiting(edges.get(place))
                self._rosters.setdefault(number, set()).add(place)
                if hold is None:
                    self.leave(place)
                else:
                    heapq.heappush(self._due, (hold.due_ms, place))

    def knows(self, place: bytes) -> bool:
        """Whether this place is among those that wait."""
        return place in self._rosters.get(crc32(place) % ROSTERS, ())

    def wait(self, place: bytes, due_ms: int) -> None:
        """This place's crossing waits until then."""
        heapq.heappush(self._due, (due_ms, place))
        number = crc32(place) % ROSTERS
        roster = self._rosters.setdefault(number, set())
        if place not in roster:
            roster.add(place)
            self._changed.add(number)

    def leave(self, place: bytes) -> None:
        """It waits no more."""
        number = crc32(place) % ROSTERS
        if place in self._rosters.get(number, ()):
            self._rosters[number].remove(place)
            self._changed.add(number)

    def pass_time(self, event_time_ms: int, recorded_at_ms: int) -> None:
        """An event shows that it is this late; it was recorded at that time."""
        self.clock_ms = max(self.clock_ms, min(event_time_ms, recorded_at_ms))

    def take_due(self, edges: Edges) -> Iterator[tuple[bytes, Edge]]:
        """The places that have waited long enough, each with its edge; they wait no more."""
        while self._due and self._due[0][0] <= self.clock_ms:
            due_ms, place = heapq.heappop(self._due)
            edge = edges.get(place)
            if edge is None or (hold := waiting(edge)) is None:
                self.leave(place)
            elif hold.due_ms == due_ms:  # else it has gone and come across again since
                self.leave(place)
                yield place, edge

    def remember(self, edges: Edges) -> None:
        """At the end of a batch, behind all else: what of this has changed."""
        for number in sorted(self._changed):
            _remember(edges, _roster_place(number), sorted(place.decode() for place in self._rosters[number]))
        self._changed.clear()
        if self.clock_ms != self._remembered_ms:
            _remember(edges, _CLOCK, self.clock_ms)
            self._remembered_ms = self.clock_ms


def _roster_place(number: int) -> bytes:
    return b"\x1fpending%d" % number


def _remember(edges: Edges, place: bytes, value: object) -> None:
    # A batch that is read again may be cut elsewhere, and end before the one that wrote this; recovery goes by the larger
    # offset.
    before = edges.get(place)
    if value != []:
        offset = edges.batch.last_offset if before is None else max(edges.batch.last_offset, before.offset)
        edges.put(place, Edge(offset=offset, value=value))
    elif before is not None:
        edges.forget(place)
