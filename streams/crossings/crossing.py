"""Which watches an event concerns, and the event that tells of a crossing. Pure: the rule beside the detect stage.

`streams/language/watch.py` says what is watched, `watched.py` where and by what, `edge.py` when a value crosses.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from streams.crossings.event_time import rfc3339
from streams.crossings.watched import Watched, comparison, undecided
from streams.event import Event, derived_id
from streams.language.comparison import MISSING, is_number, is_scalar, scalar_key
from streams.language.filter import Path, field_getter, field_value
from streams.language.terms import canonical
from streams.language.watch import ANY_CHANGE, Watch

SUFFIX_BYTES = 37
"""The end of a watched value's state key: a separator and the watch's id."""

Chosen = Sequence[Watched]
"""The watches of one value."""
Find = Callable[[dict[str, Any]], tuple[Any, Chosen]]
"""Looks into a payload: the value found there and its watches, none when there is nothing to watch."""


class Look(NamedTuple):
    """One way to look into a source's payloads.

    In the common shape a top-level text chooses a top-level number, such as a price by its symbol: then `name` and `chooser`
    are those fields, and the detector looks itself; otherwise, or when they are not there, it asks `find`.
    """

    name: str | None
    chooser: str | None
    by_choice: Mapping[object, Chosen]
    find: Find


class Paths(NamedTuple):
    """What a look reads: the field that is watched, those that choose what is, and whether it takes any scalar or numbers."""

    field: Path
    choosers: tuple[Path, ...]
    any_scalar: bool


class Watches:
    """The watches of all enabled triggers, indexed by source, field, and the values that choose what is watched."""

    def __init__(self) -> None:
        self.looks: dict[str, tuple[Look, ...]] = {}
        """The ways to look at each source's events."""
        self.births = self.removals = self.holding = 0
        """How many watches there have been, how many of them are gone, and how many have a `held_for` now."""
        self._watched: dict[bytes, Watched] = {}
        self._by_choice: dict[str, dict[Paths, dict[object, list[Watched]]]] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def find(self, place: bytes) -> Watched | None:
        """The watch that a state key belongs to, None when nobody has it any more."""
        return self._watched.get(place[-SUFFIX_BYTES:])

    def add(self, watch: Watch) -> None:
        """One more trigger uses this watch."""
        suffix = b"\x1f" + watch.id.encode()
        watched = self._watched.get(suffix)
        if watched is not None:
            watched.users += 1
            return
        paths, choice = _filed_under(watch)
        by_paths = self._by_choice.setdefault(watch.source, {})
        if paths not in by_paths:
            by_paths[paths] = {}
            self._look_again(watch.source)
        self.births += 1
        watched = self._watched[suffix] = _make_watched(watch, suffix, self.births)
        self.holding += watched.held_for_ms > 0
        by_paths[paths].setdefault(choice, []).append(watched)

    def remove(self, watch: Watch) -> None:
        """One trigger less uses it; nobody watches when it was the last."""
        suffix = b"\x1f" + watch.id.encode()
        watched = self._watched[suffix]
        watched.users -= 1
        if watched.users:
            return
        del self._watched[suffix]
        self.removals += 1
        self.holding -= watched.held_for_ms > 0
        paths, choice = _filed_under(watch)
        by_paths = self._by_choice[watch.source]
        by_paths[paths][choice].remove(watched)
        if not by_paths[paths][choice]:
            del by_paths[paths][choice]
        if not by_paths[paths]:
            del by_paths[paths]
            self._look_again(watch.source)

    def rejuvenate(self, births: int) -> None:
        """The watches born after so many are young (again): the detector has to look at what it remembers for them."""
        for watched in reversed(self._watched.values()):
            if watched.born <= births:
                return
            watched.is_young, watched.compare = True, undecided

    def _look_again(self, source: str) -> None:
        by_paths = self._by_choice[source]
        self.looks[source] = tuple(_compile_look(paths, by_choice) for paths, by_choice in by_paths.items())
        if not by_paths:
            del self.looks[source], self._by_choice[source]


def _make_watched(watch: Watch, suffix: bytes, born: int) -> Watched:
    terms = watch.terms
    return Watched(
        watch=watch,
        threshold=watch.threshold,
        suffix=suffix,
        by_subject=not watch.chosen_by,
        get_keys=() if terms is None or terms.key is None else tuple(map(field_getter, terms.key)),
        born=born,
        compare=comparison(watch),
        both_ways=terms is not None and terms.direction == "both",
        release=terms.release if terms is not None and terms.hysteresis else None,
    )


def _compile_look(paths: Paths, by_choice: Mapping[object, Chosen]) -> Look:
    field, choosers = field_getter(paths.field), tuple(map(field_getter, paths.choosers))
    is_watched = is_scalar if paths.any_scalar else is_number

    def find(payload: dict[str, Any]) -> tuple[Any, Chosen]:
        value = field(payload)
        if not is_watched(value):
            return None, ()
        return value, by_choice.get(_choice([choose(payload) for choose in choosers]), ())

    if paths.any_scalar or [len(path) for path in (paths.field, *paths.choosers)] != [1, 1]:
        return Look(None, None, by_choice, find)
    return Look(paths.field[0], paths.choosers[0][0], by_choice, find)


def _choice(values: list[Any]) -> object:
    """What watches are filed under: one text as it is, which is the common case; otherwise a tuple of scalars."""
    if len(values) == 1 and values[0].__class__ is str:
        return values[0]
    return tuple(scalar_key(value) for value in values) if all(map(is_scalar, values)) else None


def _filed_under(watch: Watch) -> tuple[Paths, object]:
    choosers = tuple(path for path, _ in watch.chosen_by)
    return Paths(watch.field, choosers, watch.operator == ANY_CHANGE), _choice([value for _, value in watch.chosen_by])


def crossing_event(
    watch: Watch, cause: Event, value: object, across: bool = True, previous: object = MISSING, since_ms: int = 0
) -> Event:
    """The event that tells of a crossing; its id follows from the watch and the event that crossed.

    A watch that is implied tells the threshold (of a change: the value before), what chose the value, and the value. One that
    was asked for by a `crossing` object also tells its key, its direction, and for how long it was held since when.
    """
    payload: dict[str, Any] = {"threshold": watch.threshold} if previous is MISSING else {"previous": previous}
    if watch.terms is not None:
        payload["direction"] = _direction(watch, across)
        if watch.terms.held_for_ms:
            payload |= {"held_for_seconds": canonical(watch.terms.held_for_ms / 1000), "since": rfc3339(since_ms)}
        for path in watch.terms.key or ():
            _put(payload, path, field_value(path, cause.payload))
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


def _direction(watch: Watch, across: bool) -> str:
    if watch.operator == ANY_CHANGE:
        return "changed"
    return "above" if across == watch.operator.startswith("g") else "below"


def _put(payload: dict[str, Any], path: Path, value: object) -> None:
    if len(path) > 1:
        for part in path[:-1]:
            inner = payload.get(part)
            if inner.__class__ is not dict:  # also where one of our own names stands, such as threshold
                inner = payload[part] = {}
            payload = inner
    payload[path[-1]] = value
