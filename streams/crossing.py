"""Which watches an event concerns, and when a watched value crosses. Pure: the rule beside the detect stage."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from streams.event import Event, derived_id
from streams.filter import RANGES, field_getter, is_number, is_scalar, scalar_key
from streams.state import State
from streams.watch import ABOVE, BELOW, Watch

Path = tuple[str, ...]


class Edge(State, omit_defaults=True):
    """A watched value's side: whether it is across the threshold."""

    across: bool = False


class Look(NamedTuple):
    """One way to look at a source's events: the field that holds the value, the fields that choose, the watches by choice."""

    field: Callable[[Any], Any]
    choosers: tuple[Callable[[Any], Any], ...]
    by_choice: dict[tuple[object, ...], dict[str, Watch]]


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
            field, *choosers = map(field_getter, paths)
            looks[paths] = Look(field, tuple(choosers), {})
        looks[paths].by_choice.setdefault(choice, {})[watch.id] = watch

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

    def concerned(self, event: Event) -> Sequence[tuple[Watch, Any]]:
        """Each watch this event gives a value to, with the value."""
        looks = self._looks.get(event.source)
        if looks is None or event.type.endswith((ABOVE, BELOW)):
            return ()
        payload, workspace = event.payload, event.workspace
        concerned = []
        for field, choosers, by_choice in looks.values():
            value = field(payload)
            if not is_number(value):
                continue
            found = [choose(payload) for choose in choosers]
            if all(map(is_scalar, found)):
                for watch in by_choice.get(tuple(map(scalar_key, found)), _NOTHING).values():
                    if not workspace or workspace == watch.workspace:
                        concerned.append((watch, value))  # noqa: PERF401 -- the innermost of three loops, read as a loop
        return concerned


_NOTHING: dict[str, Watch] = {}


def _filed_under(watch: Watch) -> tuple[tuple[Path, ...], tuple[object, ...]]:
    paths = (watch.field, *(path for path, _ in watch.chosen_by))
    return paths, tuple(scalar_key(value) for _, value in watch.chosen_by)


def edge_key(watch: Watch, event: Event, key: bytes) -> bytes:
    """The state key of a watched value: it begins with the event's key, so that it lives where the event lies."""
    subject = "" if watch.chosen_by else event.subject or ""
    return b"\x1f".join((key, watch.id.encode(), subject.encode()))


def judge_edge(watch: Watch, edge: Edge | None, value: float, offset: int) -> tuple[Edge | None, bool]:
    """The edge after this value (None: unchanged), and whether the value has just crossed.

    The first value ever seen sets the side and crosses nothing. A record at or below the offset that last changed the
    edge has been judged before.
    """
    if edge is not None and offset <= edge.offset:
        return None, False
    across = RANGES[watch.operator](value, watch.threshold)
    if edge is None:
        return Edge(offset=offset, across=across), False
    if across == edge.across:
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
