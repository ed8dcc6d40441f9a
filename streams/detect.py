"""detect: watches values in `events` and writes each crossing to `crossings` (the first stage)."""

from streams.crossing import Edge, Watches, crossing_event, edge_key, judge_edge
from streams.engine.batch import Batch
from streams.engine.stage import Work
from streams.engine.table import StateTable
from streams.event import encode_event
from streams.reading import Reader, identify
from streams.settings import Settings
from streams.topics import CROSSINGS


class Detect:
    """Judges batches of events against the watches. What it cannot read, match reports."""

    def __init__(self, settings: Settings, reader: Reader, watches: Watches, edges: StateTable[Edge]) -> None:
        self._reader = reader
        self._watches = watches
        self._edges = edges
        self._crossings = CROSSINGS.full_name(settings)

    def judge(self, batch: Batch) -> Work:
        """Crossings go to the partition their event lay in, under its key."""
        work = Work()
        edges = self._edges.partition(batch.partition)
        concerned = self._watches.concerned
        for record, event, key in self._reader.read(batch).events:
            for watch, value in concerned(event):
                place = edge_key(watch, event, key)
                edge, crossed = judge_edge(watch, edges.get(place), value, record.offset)
                if edge is None:
                    continue
                edges[place] = edge
                work.remember(self._edges, place, edge)
                if crossed:
                    identify(batch, record, event)
                    crossing = encode_event(crossing_event(watch, event, value))
                    work.outputs.add(self._crossings, batch.partition, key, crossing)
                    work.counts["detect.crossing"] += 1
        work.counts["detect.read"] += len(batch.records)
        return work
