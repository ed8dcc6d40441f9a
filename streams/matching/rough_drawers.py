"""Rows by a key that many share who ask for different things: a drawer for each key, in it a place for each thing asked for.

- `ByPart`, for `contains`: a row lies under a few letters in a row of the part it asks for, and under that part as an element
  of a list. An event looks at every few letters of its text, or at every element.
- `ByBand`, for two bounds of one number: a row lies under the one or two cells that its band touches, in a grid whose cells
  are as wide as the band. An event looks into one cell for each width in use.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable
from math import floor, frexp
from typing import Any, NamedTuple

from streams.language.comparison import RANGES, is_scalar, scalar_key
from streams.language.filter import Predicate
from streams.matching.drawers import Drawers
from streams.matching.field import Field
from streams.matching.held import Held, gather
from streams.matching.shared_test import Known

LETTERS = (8, 5, 3, 2, 1)
"""Lengths of the parts that a text is looked up by. Longer ones are rarer, but an event looks once for each length in use."""
PARTS_TRIED = 8
"""Places in a part asked for that are considered, to find rare letters."""
LARGEST_IN_GRID = 2**53
"""Up to here doubles hold every integer, so that bounds and values fall into the same cells however they are written."""
FINEST_CELL = -20
"""Binary exponent of the smallest cell, a millionth: thinner bands share cells."""


class Place(NamedTuple):
    """A drawer's key, and what exactly is asked for."""

    drawer: Any
    asked: Any


class RoughDrawers(Drawers):
    """Drawers of places."""

    __slots__ = ("drawers", "sizes")

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.drawers: dict[Any, dict[Any, Held]] = {}
        self.sizes: Counter[int] = Counter()
        """How many drawers there are of each size."""

    def __len__(self) -> int:
        return len(self.drawers)

    def at(self, key: Place) -> Held | None:
        """What lies in a place."""
        drawer = self.drawers.get(key.drawer)
        return None if drawer is None else drawer.get(key.asked)

    def crowd(self, key: Place) -> int:
        """How many rows an event meets that comes to this place."""
        return len(self.drawers.get(key.drawer, ()))

    def keep(self, key: Place, held: Held) -> None:
        """Put something in a place."""
        if key.drawer not in self.drawers:
            self.drawers[key.drawer] = {}
            self.sizes[self.size_of(key.drawer)] += 1
        self.drawers[key.drawer][key.asked] = held

    def drop(self, key: Place) -> None:
        """Give up a place."""
        drawer = self.drawers[key.drawer]
        del drawer[key.asked]
        if drawer:
            return
        del self.drawers[key.drawer]
        size = self.size_of(key.drawer)
        self.sizes[size] -= 1
        if not self.sizes[size]:
            del self.sizes[size]

    @abstractmethod
    def size_of(self, drawer: Any) -> int:
        """What kind of drawer it is; an event looks once for each."""


class ByPart(RoughDrawers):
    """Parts of a text by a few of their letters (texts), elements of a list by their `scalar_key` (tuples of one)."""

    __slots__ = ()

    def size_of(self, drawer: Any) -> int:
        """The number of letters; 0 for an element."""
        return len(drawer) if drawer.__class__ is str else 0

    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """One look for every few letters, or for every element."""
        value = self.field.get(payload)
        drawers = self.drawers
        if value.__class__ is list:
            for element in {(scalar_key(one),) for one in value if is_scalar(one)}:
                for held in drawers.get(element, {}).values():
                    gather(held, payload, matched, known)
        elif value.__class__ is str:
            for letters in self._in(value):
                for part, held in drawers[letters].items():
                    if part in value:
                        gather(held, payload, matched, known)

    def _in(self, text: str) -> Iterable[str]:
        if len(text) > len(self.drawers):
            return [letters for letters in self.drawers if letters.__class__ is str and letters in text]
        return {text[at : at + size] for size in self.sizes if size for at in range(len(text) - size + 1)} & self.drawers.keys()


def element_place(element: object) -> Place:
    """The place in `ByPart` of a list's element."""
    return Place((scalar_key(element),), element)


def part_places(part: str) -> list[Place]:
    """The places in `ByPart` of a part of a text, any of which will do; none for the empty text, which is part of all."""
    size = next((size for size in LETTERS if size <= len(part)), 0)
    starts = range(len(part) - size + 1) if size else ()
    return [Place(part[at : at + size], part) for at in starts[:: max(1, len(starts) // PARTS_TRIED)]]


class ByBand(RoughDrawers):
    """Bands of numbers (low, what is above it, high, what is below it) by cells (exponent of the width, number)."""

    __slots__ = ()

    def size_of(self, drawer: Any) -> int:
        """The binary exponent of the cell's width."""
        size: int = drawer[0]
        return size

    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """One look a width in use."""
        value = self.field.get(payload)
        if (value.__class__ is not int and value.__class__ is not float) or not -LARGEST_IN_GRID <= value <= LARGEST_IN_GRID:
            return
        for size in self.sizes:
            drawer = self.drawers.get((size, floor(value * 2.0**-size)))
            if drawer is not None:
                for (low, is_above, high, is_below), held in drawer.items():
                    if is_above(value, low) and is_below(value, high):
                        gather(held, payload, matched, known)


def band_places(lower: Predicate, upper: Predicate) -> list[Place]:
    """The places in `ByBand` of the numbers between two bounds, one or two; none when nothing lies between or all is too large.

    Scaling by a power of two is exact, so a value between the bounds lies in one of their cells or in one between.
    """
    low, high = lower.value, upper.value
    if not -LARGEST_IN_GRID <= low <= high <= LARGEST_IN_GRID:
        return []
    size = max(frexp(high - low)[1], FINEST_CELL)
    scale = 2.0**-size
    band = low, RANGES[lower.operator], high, RANGES[upper.operator]
    return [Place((size, cell), band) for cell in range(floor(low * scale), floor(high * scale) + 1)]
