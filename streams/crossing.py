"""Which watches an event concerns, and when a watched value crosses. Pure: the rule beside the detect stage."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

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


class Watched(NamedTuple):
    """A watch, ready to be judged: the comparison, the threshold, and what its state keys are made of."""

    watch: Watch
    compare: Callable[[Any, Any], bool]
    threshold: float
    state_suffix: bytes
    by_subject: bool


Chosen = dict[str, Watched]
"""The watches of one value, by id."""
Find = Callable[[dict[str, Any]], tuple[Any, Chosen] | None]
"""Looks into a payload: the number found there and its watches, None when there is nothing to watch."""


class Look(NamedTuple):
    """One way to look at a source's events. `by_choice` holds the watches by the values that choose what is watched."""

    find: Find
    by_choice: dict[object, Chosen]


class Watches:
    """The watches of all enabled triggers, indexed by source, field, and the values that choose what is watched."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._looks: dict[str, dict[tuple[Path, ...], Look]] = {}

    def __len__(self) -> int:
        return len(self._users)

    def add(self, watch: Watch) -> None:
        """One more trigger uses this watch."""
        self._users[watch.id] = self._users.get(watch.id, 0) + 1
        paths, choice = _filed_under(watch)
        looks = self._looks.setdefault(watch.source, {})
        if paths not in looks:
            by_choice: dict[object, Chosen] = {}
            looks[paths] = Look(_compile_find(paths, by_choice), by_choice)
        suffix = b"\x1f" + watch.id.encode()
        watched = Watched(watch, RANGES[watch.operator], watch.threshold, suffix, not watch.chosen_by)
        looks[paths].by_choice.setdefault(choice, {})[watch.id] = watched

    def remove(self, watch: Watch) -> None:
        """One trigger less uses it; nobody watches when it was the last."""
        self._users[watch.id] -= 1
        if self._users[watch.id]:
            return
        del self._users[watch.id]
        paths, choice = _filed_under(watch)
        looks = self._looks[watch.source]
        chosen = looks[paths].by_choice
        del chosen[choice][watch.id]
        if not chosen[choice]:
            del chosen[choice]
        if not chosen:
            del looks[paths]
        if not looks:
            del self._looks[watch.source]

    def concerned(self, event: Event) -> Sequence[tuple[Any, Iterable[Watched]]]:
        """Each number this event gives to somebody who watches, with those watches."""
        looks = self._looks.get(event.source)
        payload = event.payload
        if looks is None or payload.__class__ is not dict or event.type.endswith((ABOVE, BELOW)):
            return ()
        found = [(pair[0], pair[1].values()) for look in looks.values() if (pair := look.find(payload)) is not None]
        if event.workspace:
            return [(value, [one for one in chosen if one.watch.workspace == event.workspace]) for value, chosen in found]
        return found


def _compile_find(paths: tuple[Path, ...], by_choice: dict[object, Chosen]) -> Find:
    field, *choosers = map(field_getter, paths)

    def find(payload: dict[str, Any]) -> tuple[Any, Chosen] | None:
        value = field(payload)
        if not is_number(value):
            return None
        watched = by_choice.get(_choice([choose(payload) for choose in choosers]))
        return None if watched is None else (value, watched)

    if [len(path) for path in paths] != [1, 1]:
        return find
    (name,), (chooser,) = paths  # the common shape, such as a price chosen by its symbol: no lists, no calls

    def find_by_one_text(payload: dict[str, Any]) -> tuple[Any, Chosen] | None:
        value, chosen = payload.get(name), payload.get(chooser)
        if chosen.__class__ is not str or (value.__class__ is not float and value.__class__ is not int):
            return find(payload)
        watched = by_choice.get(chosen)
        return None if watched is None else (value, watched)

    return find_by_one_text


def _choice(values: list[Any]) -> object:
    """What watches are filed under: one text as it is, which is the common case; otherwise a tuple of scalars."""
    if len(values) == 1 and values[0].__class__ is str:
        return values[0]
    return tuple(scalar_key(value) for value in values) if all(map(is_scalar, values)) else None


def _filed_under(watch: Watch) -> tuple[tuple[Path, ...], object]:
    paths = (watch.field, *(path for path, _ in watch.chosen_by))
    return paths, _choice([value for _, value in watch.chosen_by])


def edge_key(watched: Watched, event: Event, key: bytes) -> bytes:
    """The state key of a watched value: it begins with the event's key, so that it lives where the event lies."""
    if watched.by_subject and event.subject:
        return key + watched.state_suffix + b"\x1f" + event.subject.encode()
    return key + watched.state_suffix


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
    payload: dict[str, Any] = {}
    for path, chosen in (*watch.chosen_by, (("threshold",), watch.threshold), (watch.field, value)):
        _put(payload, path, chosen)
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
