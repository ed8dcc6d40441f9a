"""detect: watches values in `events` and writes each crossing to `crossings` (the first stage)."""

from streams.crossing import Chosen, Edge, Watched, Watches, crossing_event, judge_edge, judge_origin
from streams.engine.batch import Batch, Record
from streams.engine.stage import Work
from streams.engine.store import Partition
from streams.engine.table import StateTable
from streams.event import encode_event
from streams.reading import Readable, Reader, identify, read_origin
from streams.recent import Recent
from streams.settings import Settings
from streams.topics import CROSSINGS

Move = tuple[Watched, float, bytes, Edge | None, bool]
"""A watched value that is on another side than it was, or on its first: its watch, the value, where its state lies, the
state, and whether it is across now."""


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
        looks_of = self._watches.looks.get
        for readable in self._reader.read(batch).events:
            record, event, key = readable
            if record.headers and self._is_forwarded_again(work, edges, record):
                continue
            looks = looks_of(event.source)
            if looks is None or event.payload.__class__ is not dict:
                continue
            payload = event.payload
            for name, chooser, by_choice, find in looks:  # the common shape here: a call a record is a tenth of detect
                value, choice = payload.get(name), payload.get(chooser)
                chosen: Chosen | None
                if choice.__class__ is str and (value.__class__ is float or value.__class__ is int):
                    chosen = by_choice.get(choice)
                else:
                    value, chosen = find(payload)
                if not chosen:
                    continue
                if event.id and self._recent.is_repeated(batch.partition, event.id, record.offset):
                    work.counts["detect.repeated"] += 1
                    break
                for watched in chosen:
                    place = watched.place if watched.key is key else watched.find_place(event, key)
                    before = edges.get(place)
                    across = watched.compare(value, watched.threshold)
                    if before is None or before.across is not across:  # seldom: mostly nothing changes
                        self._move(work, batch, readable, (watched, value, place, before, across))
        work.counts["detect.read"] += len(batch.records)
        return work

    def _move(self, work: Work, batch: Batch, readable: Readable, move: Move) -> None:
        record, event, key = readable
        watched, value, place, before, across = move
        if not watched.concerns(event):
            return
        edge, crossed = judge_edge(before, across, record.offset)
        if edge is not None:
            self._edges.partition(batch.partition)[place] = edge
            work.remember(self._edges, place, edge)
        if crossed:
            identify(batch, record, event)
            crossing = crossing_event(watched.watch, event, value)
            work.outputs.add(self._crossings, batch.partition, key, encode_event(crossing))
            work.counts["detect.crossing"] += 1

    def _is_forwarded_again(self, work: Work, edges: Partition[Edge], record: Record) -> bool:
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
