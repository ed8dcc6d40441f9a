"""Rows by what one field must hold: places by key. Each kind of field says at which keys a payload's value looks.

- `ByValue`: at the value itself.
- `ByPrefix`: at the text's beginnings, of every length that some row asks for.
- `ByPart`, `ByBand` (`rough_drawers.py`): at parts of a text and elements of a list, and at cells of a grid of numbers.
- `ByTest`: nowhere; these are the rows that nothing leads to, and each different test is made once an event.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

from streams.language.comparison import MISSING, is_scalar, scalar_key
from streams.matching.field import Field
from streams.matching.held import Held, gather, size
from streams.matching.shared_test import Known

Key = Any
"""Hashable; what it is depends on the kind of field."""
_TRUE, _FALSE = scalar_key(True), scalar_key(False)


class Drawers(ABC):
    """Places by key. Subclasses say where an event looks."""

    __slots__ = ("contents", "field")

    def __init__(self, field: Field) -> None:
        self.field = field
        self.contents: dict[Key, Held] = {}

    def __len__(self) -> int:
        return len(self.contents)

    def at(self, key: Key) -> Held | None:
        """What lies in a place."""
        return self.contents.get(key)

    def crowd(self, key: Key) -> int:
        """How many rows an event meets that comes to this place."""
        return size(self.at(key))

    def keep(self, key: Key, held: Held) -> None:
        """Put something in a place."""
        self.contents[key] = held

    def drop(self, key: Key) -> None:
        """Give up a place."""
        del self.contents[key]

    @abstractmethod
    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """Add the ids of the rows that this payload's value leads to."""


class ByValue(Drawers):
    """Equalities, and each value of an `in`. Keys are `scalar_key`s."""

    __slots__ = ()

    def sift(self, payloads: Sequence[dict[str, Any]]) -> list[int] | None:
        """Which of these payloads lead to a row, by their numbers; None: it takes a closer look.

        May raise TypeError for a payload that is no object, and does for a value that is no scalar.
        """
        name, contents = self.field.name, self.contents
        if name is None or _TRUE in contents or _FALSE in contents:  # true would be looked for as if it were 1
            return None
        return [number for number, payload in enumerate(payloads) if name in payload and payload[name] in contents]

    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """One look. Written out, since every event comes by here."""
        field = self.field
        value = payload.get(field.name, MISSING) if field.name is not None else field.get(payload)
        if value.__class__ is not str and value.__class__ is not int and value.__class__ is not float:
            if value is MISSING or not is_scalar(value):
                return
            value = scalar_key(value)
        held = self.contents.get(value)
        if held is None:
            return
        kind = held.__class__
        if kind is str:
            matched.append(held)  # type: ignore[arg-type]  # looking at the class costs a third of isinstance
        elif kind is tuple or kind is dict:
            matched += held  # type: ignore[arg-type]
        else:
            held.gather(payload, matched, known)  # type: ignore[union-attr]


class ByPrefix(Drawers):
    """Beginnings of a text, which are its keys."""

    __slots__ = ("lengths",)

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.lengths: Counter[int] = Counter()

    def keep(self, key: Key, held: Held) -> None:
        """Put something in a place."""
        if key not in self.contents:
            self.lengths[len(key)] += 1
        self.contents[key] = held

    def drop(self, key: Key) -> None:
        """Give up a place."""
        del self.contents[key]
        self.lengths[len(key)] -= 1
        if not self.lengths[len(key)]:
            del self.lengths[len(key)]

    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """One look a length in use."""
        value = self.field.get(payload)
        if value.__class__ is not str:
            return
        for length in self.lengths:
            held = self.contents.get(value[:length]) if length <= len(value) else None
            if held is not None:
                gather(held, payload, matched, known)


class ByTest(Drawers):
    """Rows that nothing leads to. Keys are the tests they share."""

    __slots__ = ()

    def keep(self, key: Key, held: Held) -> None:
        """Put something in a place."""
        key.places += key not in self.contents
        self.contents[key] = held

    def drop(self, key: Key) -> None:
        """Give up a place."""
        key.places -= 1
        del self.contents[key]

    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """Make every test, unless it was made for this event elsewhere."""
        for test, held in self.contents.items():
            if test.places == 1:
                holds = test.holds(payload)
            elif (remembered := known.get(test)) is None:
                holds = known[test] = test.holds(payload)
            else:
                holds = remembered
            if not holds:
                continue
            if held.__class__ is str:
                matched.append(held)
            else:
                gather(held, payload, matched, known)
