"""The index of all enabled triggers: which of them does this event match? Pure: the rule beside the match stage.

The event key comes first: names lead straight to the rows of a `source:type`; wildcards and patterns are resolved once for
each such pair (`wild_keys.py`). What the filters ask comes next (`shelf.py`): an event is led by its values to
the rows that ask for them, and what remains to be asked is tested, each different test once an event. Changing one row costs
one row. Events that come together are sifted first: what no row can match is not asked about (`Index.sift`).
`python -m tests.benchmarks.matching` measures it all.

What it cannot do well, measured with a million rows on one key (`cost.py` tells who writes such a row):
- one bound (`{"price": {"gte": 100}}`) leads to all rows on the passing side: 5 ms an event when 480,000 rows match. Bounds of
  two different fields lead to all rows that pass one of them: 0.3 s an event;
- `ne`, `not`, `exists` and equality with an object lead nowhere. Rows that ask the same share one test; a million different
  tests take 0.5 s an event, and 1.4 GB;
- a new `source:type` is compared with every wildcard key, 0.13 µs each, and tried on every pattern that its wildcards leave,
  3 µs each, or 20 to 35 µs when there are more than the thousand that stay compiled. Then it is known; a feed whose every
  event has a type of its own pays for every event.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from streams.event import RESERVED_SOURCES, Event
from streams.language.event_key import EventKey
from streams.matching.held import Held, Ids, gather, with_id, without_id
from streams.matching.shared_test import Known
from streams.matching.shelf import Shelf, put, take
from streams.matching.wild_keys import WildKeys
from streams.trigger import Condition
from streams.workspace import DEFAULT_WORKSPACE

FEW_OF_A_KIND = 8
"""Events of one workspace, source and type that are worth a look at their values by columns."""
_NO_FIELDS: dict[str, Any] = {}
_kind, _payload = attrgetter("workspace", "source", "type", "watch"), attrgetter("payload")


class Index:
    """All triggers by what they ask for. It keeps no row but its id: to take one out, say again what it asked for."""

    def __init__(self) -> None:
        self._by_watch: dict[str, Ids] = {}
        self._by_key: dict[tuple[str, str, str], Held] = {}
        """Workspace, source, type → the rows of an event key that is nothing but names."""
        self._shelves: dict[tuple[str, EventKey], Shelf] = {}
        """Workspace, any other event key → its rows."""
        self._wild: dict[str, WildKeys] = {}
        """Workspace → the shelves an event of it may concern."""

    def add(self, trigger_id: str, workspace: str, condition: Condition) -> None:
        """File a trigger that is not there yet."""
        if condition.watch is not None:
            self._by_watch[condition.watch.id] = with_id(self._by_watch.get(condition.watch.id, ()), trigger_id)
            return
        if not _has_names(condition.key):
            self._wild_shelf(workspace, condition.key).put(condition.clauses, trigger_id)
            return
        for source in _sources(condition.key):
            place = workspace, source, condition.key.type
            self._by_key[place] = put(self._by_key.get(place), condition.clauses, trigger_id)

    def remove(self, trigger_id: str, workspace: str, condition: Condition) -> None:
        """Take a trigger out. Raises KeyError when none is there that asked for this."""
        if condition.watch is not None:
            _discard(self._by_watch, condition.watch.id, trigger_id)
            return
        if not _has_names(condition.key):
            self._take_wild(workspace, condition, trigger_id)
            return
        for source in _sources(condition.key):
            place = workspace, source, condition.key.type
            held = take(self._by_key[place], condition.clauses, trigger_id)
            if held is None:
                del self._by_key[place]
            else:
                self._by_key[place] = held

    def matches(self, event: Event) -> Sequence[str]:
        """The ids of the triggers this event matches, each once. A crossing concerns those who asked for exactly its watch."""
        if event.watch:
            return tuple(self._by_watch.get(event.watch, ()))
        source, event_type, workspace = event.source, event.type, event.workspace or DEFAULT_WORKSPACE
        payload = event.payload if event.payload.__class__ is dict else _NO_FIELDS
        matched: list[str] = []
        known: Known = {}
        held = self._by_key.get((workspace, source, event_type))
        if isinstance(held, Shelf):  # where most events come by, with a call less
            held.gather(payload, matched, known)
        elif held is not None:
            gather(held, payload, matched, known)
        wild = self._wild.get(workspace)
        if wild is not None:
            for shelf in wild.shelves(source, event_type):
                shelf.gather(payload, matched, known)
        return matched

    def sift(self, events: Sequence[Event]) -> Iterable[int]:
        """Which of these events may match a trigger, by their numbers in order; the others match none. touchline's own may.

        Most events of a feed concern nobody, and a column of values tells so at two thirds of what asking for each event costs.
        """
        kinds = [*map(_kind, events)]
        if kinds and kinds.count(kinds[0]) == len(kinds):
            return self._sift(kinds[0], [*map(_payload, events)])
        by_kind: defaultdict[tuple[str, str, str, str], list[int]] = defaultdict(list)
        for number, kind in enumerate(kinds):
            by_kind[kind].append(number)
        if len(by_kind) > len(events) // FEW_OF_A_KIND:
            return range(len(events))
        found: list[int] = []
        for kind, numbers in by_kind.items():
            found += [numbers[place] for place in self._sift(kind, [events[number].payload for number in numbers])]
        return sorted(found)

    def _sift(self, kind: tuple[str, str, str, str], payloads: Sequence[Any]) -> Iterable[int]:
        """Which of these payloads may match, of events of one workspace, source, type and watch."""
        workspace, source, event_type, watch = kind
        workspace = workspace or DEFAULT_WORKSPACE
        if watch or source in RESERVED_SOURCES:
            return range(len(payloads))
        held, wild = self._by_key.get((workspace, source, event_type)), self._wild.get(workspace)
        places: list[Held] = [] if wild is None else [*wild.shelves(source, event_type)]
        if held is not None:
            places.append(held)
        found: set[int] = set()
        try:
            for place in places:
                found.update(place.sift(payloads) if isinstance(place, Shelf) else range(len(payloads)))
        except TypeError:  # a payload that is no object, a value that is no scalar
            return range(len(payloads))
        return sorted(found)

    def _wild_shelf(self, workspace: str, key: EventKey) -> Shelf:
        shelf = self._shelves.get((workspace, key))
        if shelf is None:
            shelf = self._shelves[workspace, key] = Shelf()
            self._wild.setdefault(workspace, WildKeys()).add(key, shelf)
        return shelf

    def _take_wild(self, workspace: str, condition: Condition, trigger_id: str) -> None:
        shelf = self._shelves[workspace, condition.key]
        shelf.take(condition.clauses, trigger_id)
        if len(shelf):
            return
        del self._shelves[workspace, condition.key]
        self._wild[workspace].remove(shelf)
        if not len(self._wild[workspace]):
            del self._wild[workspace]


def _has_names(key: EventKey) -> bool:
    """Whether a key says by name which sources and type it means; a pattern can then be judged when the row is filed."""
    return key._replace(pattern=None).is_exact


def _sources(key: EventKey) -> Iterable[str]:
    if key.pattern is None:
        return key.sources if len(key.sources) == 1 else dict.fromkeys(key.sources)
    return [source for source in dict.fromkeys(key.sources) if key.matches(source, key.type)]


def _discard(filed: dict[Any, Ids], key: object, one: str) -> None:
    left = without_id(filed[key], one)
    if left:
        filed[key] = left
    else:
        del filed[key]
