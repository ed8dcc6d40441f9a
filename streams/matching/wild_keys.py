"""The shelves of event keys that are more than names: wildcards and patterns (`error.*:*`, `pattern`). Pure.

Whether a key means a `source:type` is asked once for each such pair, when its first event comes, and remembered; a key that is
new is asked when the next event of the pair comes. So neither events nor changes of rows cost what wildcards and patterns do.
"""

from collections.abc import Sequence
from typing import NamedTuple

from streams.language.event_key import EventKey
from streams.matching.shelf import Shelf

PAIRS = 100_000
"""Pairs remembered: a feed has a few, and somebody's random names must not fill the memory."""


class _Wild(NamedTuple):
    """A key and its rows; what a source and a type must begin with is looked at first, being thirty times as fast."""

    key: EventKey
    shelf: Shelf
    source_beginnings: tuple[str, ...]
    type_beginning: str

    def matches(self, source: str, event_type: str) -> bool:
        """Whether the key means this pair."""
        if not source.startswith(self.source_beginnings) or not event_type.startswith(self.type_beginning):
            return False
        return self.key.matches(source, event_type)


class _Found(NamedTuple):
    """The shelves of a pair, of the first `asked` keys."""

    asked: int
    shelves: list[Shelf]


class WildKeys:
    """Keys in the order they came, and what has been found out about each pair."""

    def __init__(self) -> None:
        self._keys: list[_Wild | None] = []
        self._places: dict[Shelf, int] = {}
        self._found: dict[tuple[str, str], _Found] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, key: EventKey, shelf: Shelf) -> None:
        """One more shelf: the rows of this key."""
        self._places[shelf] = len(self._keys)
        source_beginnings = tuple(source.partition("*")[0] for source in key.sources)
        self._keys.append(_Wild(key, shelf, source_beginnings, key.type.partition("*")[0]))

    def remove(self, shelf: Shelf) -> None:
        """A shelf is empty and goes."""
        self._keys[self._places.pop(shelf)] = None
        if len(self._keys) > 2 * len(self._places):
            self._keys = [wild for wild in self._keys if wild is not None]
            self._places = {wild.shelf: place for place, wild in enumerate(self._keys) if wild is not None}
            self._found.clear()

    def shelves(self, source: str, event_type: str) -> Sequence[Shelf]:
        """The shelves whose keys mean this pair; some may be empty by now."""
        found = self._found.get((source, event_type))
        if found is None or found.asked != len(self._keys):
            found = self._ask(source, event_type, found or _Found(0, []))
        return found.shelves

    def _ask(self, source: str, event_type: str, found: _Found) -> _Found:
        shelves = [shelf for shelf in found.shelves if len(shelf)]
        shelves += [wild.shelf for wild in self._keys[found.asked :] if wild and wild.matches(source, event_type)]
        if len(self._found) >= PAIRS:
            self._found.clear()
        found = self._found[source, event_type] = _Found(len(self._keys), shelves)
        return found
