"""detect: watches values in `events` and writes each crossing to `crossings` (the first stage)."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from streams.crossings.crossing import Chosen, Watches, crossing_event
from streams.crossings.edge import Arrival, Edge, Hold, confirm, judge_change, judge_edge, judge_held, judge_origin, waiting
from streams.crossings.edges import Edges
from streams.crossings.event_time import event_time_ms
from streams.crossings.pending import Pending
from streams.crossings.recent import Identity, Recent, is_repeated
from streams.crossings.sweep import Sweep
from streams.crossings.watched import Watched
from streams.engine.batch import Batch, Record
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.event import Event, encode_event
from streams.language.watch import ANY_CHANGE
from streams.reading import Readable, Reading, identify, read_origin
from streams.settings import Settings
from streams.topics import CROSSINGS


class Care(NamedTuple):
    """What this process keeps in memory for a partition while it has it."""

    pending: Pending
    sweep: Sweep


Sight = tuple[Watched, Any, bytes, Edge | None]
"""A watched value as an event shows it, which may be on another side than it was: its watch, the value, where its edge lies,
and the edge as it was."""


class Sitting(NamedTuple):
    """One batch while it is judged: the work it makes, its partition's edges, what is kept for it, and the ids it brought."""

    batch: Batch
    work: Work
    edges: Edges
    care: Care
    ids: dict[Identity, int]


class Detect:
    """Judges events against the watches. What nobody can read, match reports."""

    name = "detect"

    def __init__(self, settings: Settings, watches: Watches, edges: StateTable[Edge]) -> None:
        self._watches = watches
        self._edges = edges
        self._recent = Recent()
        self._crossings = CROSSINGS.full_name(settings)
        self._epoch = -1
        self._cares: dict[int, Care] = {}

    def open(self, batch: Batch, work: Work) -> Sitting:
        """Crossings go to the partition their event lay in, under its key."""
        edges = Edges(self._edges, work, batch)
        if batch.epoch != self._epoch:  # partitions may have been elsewhere meanwhile
            self._epoch, self._cares = batch.epoch, {}
        care = self._cares.get(batch.partition)
        if care is None:
            care = self._cares[batch.partition] = Care(Pending(edges), Sweep(self._watches))
        forgotten = care.sweep.advance(edges, care.pending)
        if forgotten:
            work.counts["detect.forgotten"] += forgotten
        return Sitting(batch, work, edges, care, self._recent.offsets(batch.partition))

    def judge(self, sitting: Sitting, reading: Reading) -> None:
        """See Member (panel.py)."""
        self._judge_all(sitting, self._passing_time(sitting, reading.events) if self._watches.holding else reading.events)

    def close(self, sitting: Sitting) -> None:
        """See Member."""
        sitting.care.pending.remember(sitting.edges)
        sitting.work.counts["detect.read"] += sitting.batch.records

    def _judge_all(self, sitting: Sitting, readables: Iterable[Readable]) -> None:
        get_edge = sitting.edges.get
        looks_of = self._watches.looks.get
        ids = sitting.ids
        for readable in readables:
            record, event, key = readable
            if record.headers and self._is_forwarded_again(sitting, record):
                continue
            looks, payload = looks_of(event.source), event.payload
            if looks is None or payload.__class__ is not dict:
                continue
            for name, chooser, by_choice, find in looks:  # the common shape here: a call a record is a tenth of detect
                value, choice = payload.get(name), payload.get(chooser)
                chosen: Chosen | None
                if choice.__class__ is str and (value.__class__ is float or value.__class__ is int):
                    chosen = by_choice.get(choice)
                else:
                    value, chosen = find(payload)
                if not chosen:
                    continue
                if event.id and is_repeated(ids, (event.workspace, event.source, event.id), record.offset):
                    sitting.work.counts["detect.repeated"] += 1
                    break
                for watched in chosen:
                    place = watched.place if watched.key is key else watched.find_place(event, key)
                    before = get_edge(place)
                    across = watched.compare(value, watched.threshold)
                    if before is None or before.across is not across:  # seldom: mostly nothing changes
                        self._look_closer(sitting, readable, (watched, value, place, before), across)

    def _look_closer(self, sitting: Sitting, readable: Readable, sight: Sight, across: bool | None) -> None:
        record, event, key = readable
        watched, value, place, before = sight
        if not place or not watched.concerns(event):
            return
        if across is None:
            self._judge(sitting, readable, sight)
            return
        edge, moved = judge_edge(before, across, record.offset)
        if edge is not None:
            sitting.edges.put(place, edge)
        if moved and (across or watched.both_ways):
            identify(sitting.batch, record, event)
            self._tell(sitting, key, crossing_event(watched.watch, event, value, across))

    def _judge(self, sitting: Sitting, readable: Readable, sight: Sight) -> None:
        """A value whose side takes more than one comparison, or more than a side."""
        watched, value, place, before = sight
        if watched.is_young:
            if before is not None and sitting.care.sweep.is_stale(watched, before):
                sight = watched, value, place, before = watched, value, place, None
            if all(care.sweep.is_clean for care in self._cares.values()):
                watched.grow()
        if watched.watch.operator == ANY_CHANGE:
            self._judge_change(sitting, readable, sight)
        elif watched.held_for_ms:
            self._judge_held(sitting, readable, sight)
        else:
            was_across = before is not None and before.across
            self._look_closer(sitting, readable, sight, watched.is_across(value, was_across))

    def _judge_change(self, sitting: Sitting, readable: Readable, sight: Sight) -> None:
        record, event, key = readable
        watched, value, place, before = sight
        edge, changed = judge_change(before, value, record.offset)
        if edge is not None:
            sitting.edges.put(place, edge)
        if changed and before is not None:
            identify(sitting.batch, record, event)
            crossing = crossing_event(watched.watch, event, value, previous=before.value)
            self._tell(sitting, key, crossing)

    def _judge_held(self, sitting: Sitting, readable: Readable, sight: Sight) -> None:
        record, event, key = readable
        watched, value, place, before = sight
        pending = sitting.care.pending
        at_ms = event_time_ms(event, record.timestamp)

        def make_crossing(across: bool) -> tuple[Event, str]:
            identify(sitting.batch, record, event)
            return crossing_event(watched.watch, event, value, across, since_ms=at_ms), key.decode()

        arrival = Arrival(
            record.offset, at_ms, pending.clock_ms, lambda was_across: watched.is_across(value, was_across), make_crossing
        )
        edge, told = judge_held(before, arrival, watched.held_for_ms, watched.both_ways)
        self._tell_held(sitting, told)
        if edge is not None:
            sitting.edges.put(place, edge)
        hold = waiting(edge or before)
        if hold is None:
            pending.leave(place)
        elif edge is not None or not pending.knows(place):
            pending.wait(place, hold.due_ms)

    def _passing_time(self, sitting: Sitting, events: Iterable[Readable]) -> Iterator[Readable]:
        """The events, each after what is due when it comes."""
        pending, sweep = sitting.care
        for readable in events:
            record, event, _ = readable
            pending.pass_time(event_time_ms(event, record.timestamp), record.timestamp)
            for place, edge in pending.take_due(sitting.edges):
                watched = self._watches.find(place)
                hold = waiting(edge)
                if watched is None or hold is None or sweep.is_stale(watched, edge):
                    continue
                sitting.edges.put(place, confirm(edge))
                self._tell_held(sitting, hold)
            yield readable

    def _tell_held(self, sitting: Sitting, hold: Hold | None) -> None:
        """What waited long enough, if something did."""
        if hold is not None and hold.crossing is not None:
            self._tell(sitting, hold.key.encode(), hold.crossing)

    def _tell(self, sitting: Sitting, key: bytes, crossing: Event) -> None:
        work = sitting.work
        work.outputs.add(self._crossings, sitting.batch.partition, key, encode_event(crossing))
        work.counts["detect.crossing"] += 1

    def _is_forwarded_again(self, sitting: Sitting, record: Record) -> bool:
        origin = read_origin(record)
        if origin is None:
            return False
        place = b"\x1forigin\x1f" + origin[0]
        forwarded = judge_origin(sitting.edges.get(place), origin[1], record.offset)
        if forwarded is None:
            sitting.work.counts["detect.repeated"] += 1
            return True
        sitting.edges.put(place, forwarded)
        return False
