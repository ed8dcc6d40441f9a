"""Which watches an event concerns, and when a watched value crosses. Pure: the rule beside the detect stage."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from streams.event import Event, derived_id
from streams.filter import RANGES, field_getter, is_number, is_scalar, scalar_key
from streams.state import State
from streams.watch import ABOVE, BELOW, Watch

Path = tuple[str, ...]


class Edge(State, omit_defaults=True):
    """A watched value's side: whether it is across the threshold."""

    across: bool = False


class Watches:
    """The watches of all enabled triggers, indexed by source, field, and the values that choose what is watched."""

    def __init__(self) -> None:
        self._users: dict[str, int] = defaultdict(int)
        self._by_source: dict[str, dict[Path, dict[tuple[Path, ...], dict[tuple[object, ...], dict[str, Watch]]]]] = {}
        self._getters: dict[Path, Callable[[Any], Any]] = {}

    def __len__(self) -> int:
        return len(self._users)

    def add(self, watch: Watch) -> None:
        """One more trigger uses this watch."""
        self._users[watch.id] += 1
        paths = tuple(path for path, _ in watch.chosen_by)
        values = tuple(scalar_key(value) for _, value in watch.chosen_by)
        fields = self._by_source.setdefault(watch.source, {})
        fields.setdefault(watch.field, {}).setdefault(paths, {}).setdefault(values, {})[watch.id] = watch
        for path in (watch.field, *paths):
            self._getters.setdefault(path, field_getter(path))

    def remove(self, watch: Watch) -> None:
        """One trigger less uses it; nobody watches when it was the last."""
        self._users[watch.id] -= 1
        if self._users[watch.id]:
            return
        del self._users[watch.id]
        paths = tuple(path for path, _ in watch.chosen_by)
        values = tuple(scalar_key(value) for _, value in watch.chosen_by)
        groups = self._by_source[watch.source][watch.field]
        del groups[paths][values][watch.id]
        if not groups[paths][values]:
            del groups[paths][values]
        if not groups[paths]:
            del groups[paths]
        if not groups:
            del self._by_source[watch.source][watch.field]
        if not self._by_source[watch.source]:
            del self._by_source[watch.source]

    def concerned(self, event: Event) -> Iterator[tuple[Watch, Any]]:
        """Each watch this event gives a value to, with the value."""
        fields = self._by_source.get(event.source)
        if fields is None or event.type.endswith((ABOVE, BELOW)):
            return
        payload = event.payload
        for field, groups in fields.items():
            value = self._getters[field](payload)
            if not is_number(value):
                continue
            for paths, by_values in groups.items():
                found = [self._getters[path](payload) for path in paths]
                if all(map(is_scalar, found)):
                    for watch in by_values.get(tuple(map(scalar_key, found)), {}).values():
                        if not event.workspace or event.workspace == watch.workspace:
                            yield watch, value


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
