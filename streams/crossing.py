"""Which watches an event concerns, and when a watched value crosses. Pure: the rule beside the detect stage."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from streams.event import Event, derived_id
from streams.filter import RANGES, field_getter, is_number, is_scalar, scalar_key
from streams.state import State
from streams.watch import ABOVE, BELOW, Watch

Path = tuple[str, ...]


class Edge(State, omit_defaults=True):
    """A watched value's side: whether it is across the threshold.

    One key a partition that records are forwarded from holds `origin_offset` instead: how far they have come.
    """

    across: bool = False
    origin_offset: int = -1


def judge_origin(forwarded: Edge | None, origin_offset: int, offset: int) -> Edge | None:
    """How far a partition's forwarded records have come with this one; None when it has come before.

    A forward may be repeated (its sender was killed before it could remember), behind records that came later. They were
    forwarded in order, so one at or below the largest origin offset is a repetition: its value is history.
    """
    if forwarded is not None and origin_offset <= forwarded.origin_offset:
        return None
    return Edge(offset=offset, origin_offset=origin_offset)


class Watched(msgspec.Struct):
    """A watch, ready to be judged: the comparison, the threshold, and what its state keys are made of.

    `key` and `place` remember the last event's key and the state key that followed: mostly a watch is always fed by one key.
    """

    watch: Watch
    compare: Callable[[Any, Any], bool]
    threshold: float
    state_suffix: bytes
    by_subject: bool
    key: bytes = b""
    place: bytes = b""

    def concerns(self, event: Event) -> bool:
        """Whether this event may move the watch: it is of its workspace, and itself no crossing that a feed sent."""
        workspace = event.workspace
        return (not workspace or workspace == self.watch.workspace) and not event.type.endswith((ABOVE, BELOW))

    def find_place(self, event: Event, key: bytes) -> bytes:
        """The state key of the watched value: it begins with the event's key, so that it lives where the event lies."""
        if self.by_subject and event.subject:
            return key + self.state_suffix + b"\x1f" + event.subject.encode()
        self.key, self.place = (b"", b"") if self.by_subject else (key, key + self.state_suffix)
        return key + self.state_suffix


Chosen = Sequence[Watched]
"""The watches of one value."""
Find = Callable[[dict[str, Any]], tuple[Any, Chosen]]
"""Looks into a payload: the number found there and its watches, none when there is nothing to watch."""


class Look(NamedTuple):
    """One way to look into a source's payloads.

    In the common shape a top-level text chooses a top-level number, such as a price by its symbol: then `name` and `chooser`
    are those fields, and the detector looks itself; otherwise, or when they are not there, it asks `find`.
    """

    name: str | None
    chooser: str | None
    by_choice: Mapping[object, Chosen]
    find: Find


Paths = tuple[Path, ...]
"""What a look reads: the field that is watched, and those that choose what is."""


class Watches:
    """The watches of all enabled triggers, indexed by source, field, and the values that choose what is watched."""

    def __init__(self) -> None:
        self.looks: dict[str, tuple[Look, ...]] = {}
        """The ways to look at each source's events."""
        self._users: dict[str, int] = {}
        self._by_choice: dict[str, dict[Paths, dict[object, list[Watched]]]] = {}

    def __len__(self) -> int:
        return len(self._users)

    def add(self, watch: Watch) -> None:
        """One more trigger uses this watch."""
        users = self._users[watch.id] = self._users.get(watch.id, 0) + 1
        if users > 1:
            return
        paths, choice = _filed_under(watch)
        by_paths = self._by_choice.setdefault(watch.source, {})
        if paths not in by_paths:
            by_paths[paths] = {}
            self._look_again(watch.source)
        suffix = b"\x1f" + watch.id.encode()
        watched = Watched(watch, RANGES[watch.operator], watch.threshold, suffix, not watch.chosen_by)
        by_paths[paths].setdefault(choice, []).append(watched)

    def remove(self, watch: Watch) -> None:
        """One trigger less uses it; nobody watches when it was the last."""
        self._users[watch.id] -= 1
        if self._users[watch.id]:
            return
        del self._users[watch.id]
        paths, choice = _filed_under(watch)
        by_paths = self._by_choice[watch.source]
        chosen = by_paths[paths][choice]
        del chosen[[watched.watch.id for watched in chosen].index(watch.id)]
        if not chosen:
            del by_paths[paths][choice]
        if not by_paths[paths]:
            del by_paths[paths]
            self._look_again(watch.source)

    def _look_again(self, source: str) -> None:
        by_paths = self._by_choice[source]
        self.looks[source] = tuple(_compile_look(paths, by_choice) for paths, by_choice in by_paths.items())
        if not by_paths:
            del self.looks[source], self._by_choice[source]


def _compile_look(paths: Paths, by_choice: Mapping[object, Chosen]) -> Look:
    field, *choosers = map(field_getter, paths)

    def find(payload: dict[str, Any]) -> tuple[Any, Chosen]:
        value = field(payload)
        if not is_number(value):
            return None, ()
        return value, by_choice.get(_choice([choose(payload) for choose in choosers]), ())

    if [len(path) for path in paths] != [1, 1]:
        return Look(None, None, by_choice, find)
    (name,), (chooser,) = paths
    return Look(name, chooser, by_choice, find)


def _choice(values: list[Any]) -> object:
    """What watches are filed under: one text as it is, which is the common case; otherwise a tuple of scalars."""
    if len(values) == 1 and values[0].__class__ is str:
        return values[0]
    return tuple(scalar_key(value) for value in values) if all(map(is_scalar, values)) else None


def _filed_under(watch: Watch) -> tuple[tuple[Path, ...], object]:
    paths = (watch.field, *(path for path, _ in watch.chosen_by))
    return paths, _choice([value for _, value in watch.chosen_by])


def judge_edge(edge: Edge | None, across: bool, offset: int) -> tuple[Edge | None, bool]:
    """The edge after a value on this side (None: unchanged), and whether the value has just crossed.

    The first value ever seen sets the side and crosses nothing. A record at or below the offset that last changed the
    edge has been judged before.
    """
    if edge is None:
        return Edge(offset=offset, across=across), False
    if across == edge.across or offset <= edge.offset:
        return None, False
    return Edge(offset=offset, across=across), across


def crossing_event(watch: Watch, cause: Event, value: float) -> Event:
    """The event that tells of a crossing; its id follows from the watch and the event that crossed."""
    payload: dict[str, Any] = {"threshold": watch.threshold}
    for path, chosen in watch.chosen_by:
        _put(payload, path, chosen)
    _put(payload, watch.field, value)
    return Event(
        source=watch.source,
        type=watch.event_type,
        payload=payload,
        id=derived_id("crossing", watch.id, cause.id),
        subject=cause.subject,
        time=cause.time,
        lineage=cause.lineage,
        workspace=watch.workspace,
        accepted_at_ms=cause.accepted_at_ms,
        watch=watch.id,
        caused_by=cause.id,
    )


def _put(payload: dict[str, Any], path: Path, value: object) -> None:
    for part in path[:-1]:
        payload = payload.setdefault(part, {})
    payload[path[-1]] = value
