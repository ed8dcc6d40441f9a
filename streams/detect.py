"""detect: watches values in `events` and writes each crossing to `crossings` (the first stage)."""

from streams.crossing import Edge, Watches, crossing_event, edge_key, judge_edge, judge_origin
from streams.engine.batch import Batch, Record
from streams.engine.stage import Work
from streams.engine.store import Partition
from streams.engine.table import StateTable
from streams.event import Event, encode_event
from streams.reading import Reader, identify, read_origin
from streams.recent import Recent
from streams.settings import Settings
from streams.topics import CROSSINGS


class Detect:
    """Judges batches of events against the watches. What it cannot read, match reports."""

    def __init__(self, settings: Settings, reader: Reader, watches: Watches, edges: StateTable[Edge]) -> None:
        self._reader = reader
        self._watches = watches
        self._edges = edges
        self._recent = Recent()
        self._crossings = CROSSINGS.full_name(settings)

    def judge(self, batch: Batch) -> Work:
        """Crossings go to the partition their event lay in, under its key."""
        work = Work()
        edges = self._edges.partition(batch.partition)
        concerned = self._watches.concerned
        for record, event, key in self._reader.read(batch).events:
            if record.headers and self._is_repeated(work, edges, record):
                continue
            found = concerned(event)
            if found and event.id and self._recent.is_repeated(batch.partition, event.id, record.offset):
                work.counts["detect.repeated"] += 1
                continue
            for value, watches in found:
                for watched in watches:
                    place = edge_key(watched, event, key)
                    before = edges.get(place)
                    across = watched.compare(value, watched.threshold)
                    if before is not None and before.across is across:
                        continue  # the common case: nothing changes
                    edge, crossed = judge_edge(before, across, record.offset)
                    if edge is not None:
                        edges[place] = edge
                        work.remember(self._edges, place, edge)
                    if crossed:
                        identify(batch, record, event)
                        self._write(work, batch, key, crossing_event(watched.watch, event, value))
        work.counts["detect.read"] += len(batch.records)
        return work

    def _is_repeated(self, work: Work, edges: Partition[Edge], record: Record) -> bool:
        origin = read_origin(record)
        if origin is None:
            return False
        place = b"\x1forigin\x1f" + origin[0]
        forwarded = judge_origin(edges.get(place), origin[1], record.offset)
        if forwarded is None:
            work.counts["detect.repeated"] += 1
            return True
        edges[place] = forwarded
        work.remember(self._edges, place, forwarded)
        return False

    def _write(self, work: Work, batch: Batch, key: bytes, crossing: Event) -> None:
        work.outputs.add(self._crossings, batch.partition, key, encode_event(crossing))
        work.counts["detect.crossing"] += 1
