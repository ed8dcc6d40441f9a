"""One partition's edges while a batch of it is judged: what changes there is remembered with the batch's work."""

from collections.abc import Iterator
from itertools import chain

from streams.crossings.edge import Edge
from streams.engine.batch import Batch
from streams.engine.table import StateTable
from streams.engine.work import Work


class Edges:
    """The edges by place, the key of their state. What begins with a separator is the partition's own (edge.py)."""

    __slots__ = ("_remember", "_table", "batch", "get", "partition")

    def __init__(self, table: StateTable[Edge], work: Work, batch: Batch) -> None:
        self._table = table
        self._remember = work.remember
        self.batch = batch
        self.partition = table.partition(batch.partition)
        self.get = self.partition.get

    def put(self, place: bytes, edge: Edge) -> None:
        """The edge as it now is, an object that stays as it is."""
        self.partition[place] = edge
        self._remember(self._table, place, edge)

    def forget(self, place: bytes) -> None:
        """Nothing is known of the value any more."""
        del self.partition[place]
        self._remember(self._table, place, None)

    def places(self) -> Iterator[bytes]:
        """All places there are now; what changes meanwhile does not disturb."""
        return chain.from_iterable(self.partition.pages())
