"""What is remembered for watches that nobody has any more is forgotten, a few keys a batch.

Rows come and go between batches, in every worker at a slightly different time; a partition's edges are changed only while a
batch of it is judged, by the one worker that has it. So each partition is swept on its own: when this process comes to have
it (its changelog may hold edges of watches that went while nobody looked), and again whenever a watch has gone since. A sweep
looks at KEYS_A_BATCH keys a batch, and forgets, with a tombstone, those whose watch is gone. A million keys take a thousand
batches, and each of these less than a millisecond (the first, which copies the references to all, 20).

Why this is right, whoever applies which row first:
- A worker that has not applied a removal yet goes on with the watch. Its crossings concern no trigger (match looks the watch
  up), and what it remembers is swept once it applies the removal; or, if the partition goes to another worker before, by that
  one's first sweep.
- A watch that comes back while its old edges are not all swept starts anew: an edge that is older than the first batch judged
  after its birth is from an earlier life, and as good as none (`is_stale`). The worker that has the partition knows this of
  all watches born since it has it. Of those born before, it believes what is remembered: that is what its predecessor judged
  with the same watch, or, if the watch went and came back within the few batches before the partition changed hands, the side
  of the last value before it went; in that one case the first value after may cross from there.
"""

from collections.abc import Iterator
from itertools import islice

from streams.crossings.crossing import Watches
from streams.crossings.edge import Edge
from streams.crossings.edges import Edges
from streams.crossings.pending import Pending
from streams.crossings.watched import Watched

KEYS_A_BATCH = 1_000
"""Keys a sweep looks at within one batch."""
_OWN = b"\x1f"


class Sweep:
    """The sweeping of one partition, while this process has it."""

    def __init__(self, watches: Watches) -> None:
        self._watches = watches
        self._births = watches.births
        self._marks: list[tuple[int, int]] = []
        """Watches born up to this one, and not before the entry above: their edges below this offset are stale."""
        self._oldest = watches.births
        """Of watches born up to this one no edge is stale."""
        self._places: Iterator[bytes] | None = None
        self._removals_begun = self._removals_swept = -1
        self._marks_begun = 0

    @property
    def is_clean(self) -> bool:
        """Whether no edge here may be from an earlier life of a watch that lives."""
        return not self._marks

    def advance(self, edges: Edges, pending: Pending) -> int:
        """At the beginning of a batch: note who was born since the last one, and go on sweeping. How many were forgotten."""
        self._note_births(edges.batch.first_offset)
        if self._places is None:
            if self._removals_swept == self._watches.removals:
                return 0
            self._places = edges.places()
            self._removals_begun, self._marks_begun = self._watches.removals, len(self._marks)
        forgotten = looked_at = 0
        for place in islice(self._places, KEYS_A_BATCH):
            looked_at += 1
            if not place.startswith(_OWN) and self._is_forgotten(place, edges):
                pending.leave(place)
                edges.forget(place)
                forgotten += 1
        if looked_at < KEYS_A_BATCH:
            self._end()
        return forgotten

    def is_stale(self, watched: Watched, edge: Edge) -> bool:
        """Whether an edge is from an earlier life of its watch."""
        if not self._marks or watched.born <= self._oldest:
            return False
        offset = next((offset for births, offset in self._marks if watched.born <= births), -1)
        return edge.offset < offset

    def _note_births(self, first_offset: int) -> None:
        births = self._watches.births
        if births == self._births:
            return
        if self._removals_swept != self._watches.removals:
            self._marks.append((births, first_offset))
            self._watches.rejuvenate(self._births)
        else:
            self._oldest = births
        self._births = births

    def _is_forgotten(self, place: bytes, edges: Edges) -> bool:
        watched = self._watches.find(place)
        if watched is not None and self.is_clean:
            return False
        edge = edges.get(place)
        return edge is not None and (watched is None or self.is_stale(watched, edge))

    def _end(self) -> None:
        self._places = None
        self._removals_swept = self._removals_begun
        if self._removals_swept == self._watches.removals:
            self._oldest = self._births
            self._marks.clear()
        elif self._marks_begun:
            self._oldest = self._marks[self._marks_begun - 1][0]
            del self._marks[: self._marks_begun]
