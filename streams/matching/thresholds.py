"""Rows by one bound of a number, sorted: those that a value passes lie side by side.

Thresholds lie in runs of at most `RUN_LENGTH`, so that adding one moves a few kilobytes at most, however many there are; what
a value passes is copied out run by run, not row by row. Rows of one threshold share a place. A short run is kept in tuples,
which take half the memory of lists and half the time to reach.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

from streams.language.comparison import MISSING
from streams.matching.field import Field
from streams.matching.held import FEW, Held, Ids, gather, size
from streams.matching.shared_test import Known

RUN_LENGTH = 1_024

Item = TypeVar("Item")


class Run:
    """Thresholds in order, and what each of them holds. `mixed` counts the places that hold more than one bare id."""

    __slots__ = ("contents", "mixed", "thresholds")

    def __init__(self, thresholds: Sequence[float] = (), contents: Sequence[Held] = ()) -> None:
        self.thresholds = thresholds
        self.contents = contents
        self.mixed = sum(held.__class__ is not str for held in contents)

    def at(self, threshold: float) -> Held | None:
        """What lies in the place of a threshold."""
        place = bisect_left(self.thresholds, threshold)
        return self.contents[place] if self._is_at(place, threshold) else None

    def keep(self, threshold: float, held: Held) -> None:
        """Put something in the place of a threshold."""
        place = bisect_left(self.thresholds, threshold)
        if self._is_at(place, threshold):
            self.drop(threshold)
        self.thresholds = _inserted(self.thresholds, place, _one_object(threshold))
        self.contents = _inserted(self.contents, place, held)
        self.mixed += held.__class__ is not str

    def drop(self, threshold: float) -> None:
        """Give up a threshold's place."""
        place = bisect_left(self.thresholds, threshold)
        self.mixed -= self.contents[place].__class__ is not str
        self.thresholds = _deleted(self.thresholds, place)
        self.contents = _deleted(self.contents, place)

    def gather_whole(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """Add everything here."""
        if self.mixed:
            for held in self.contents:
                gather(held, payload, matched, known)
        else:
            matched += self.contents  # type: ignore[arg-type]  # nothing but ids

    def _is_at(self, place: int, threshold: float) -> bool:
        return place < len(self.thresholds) and self.thresholds[place] == threshold


class Thresholds(Run):
    """All thresholds of one field and operator. It is itself the first run; `more` follow only when it grows long."""

    __slots__ = ("field", "ids", "more")

    def __init__(self, field: Field, ids: Ids = ()) -> None:
        super().__init__()
        self.field = field
        self.ids = ids
        """Rows that ask for no bound, in a place where others do (`leaf.py`)."""
        self.more: list[Run] | None = None

    def __len__(self) -> int:
        return len(self.thresholds)

    def at(self, threshold: float) -> Held | None:
        """What lies in the place of a threshold."""
        return Run.at(self._run_of(threshold), threshold)

    def keep(self, threshold: float, held: Held) -> None:
        """Put something in the place of a threshold."""
        run = self._run_of(threshold)
        Run.keep(run, threshold, held)
        if len(run.thresholds) > RUN_LENGTH:
            half = RUN_LENGTH // 2
            upper = Run(run.thresholds[half:], run.contents[half:])
            run.thresholds, run.contents = run.thresholds[:half], run.contents[:half]
            run.mixed -= upper.mixed
            self.more = self.more or []
            self.more.insert(bisect_right(self.more, upper.thresholds[0], key=_first), upper)

    def drop(self, threshold: float) -> None:
        """Give up a threshold's place."""
        run = self._run_of(threshold)
        Run.drop(run, threshold)
        if run.thresholds or not self.more:
            return
        if run is self:
            first = self.more.pop(0)
            self.thresholds, self.contents, self.mixed = first.thresholds, first.contents, first.mixed
        else:
            self.more.remove(run)

    def crowd(self, threshold: float) -> int:
        """How many rows share a threshold."""
        return size(self.at(threshold))

    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """Add the ids of the rows whose bound this payload's value passes. Written out, since most events come by here."""
        matched += self.ids
        field = self.field
        value = payload.get(field.name, MISSING) if field.name is not None else field.get(payload)
        if (value.__class__ is not float and value.__class__ is not int) or value != value:
            return  # no number, or not a number
        run = self if not self.more else self._run_of(value)
        place = field.cut(run.thresholds, value)
        passed = run.contents[:place] if field.is_lower else run.contents[place:]
        if run.mixed:
            for held in passed:
                gather(held, payload, matched, known)
        else:
            matched += passed  # type: ignore[arg-type]  # nothing but ids
        if self.more:
            runs = [self, *self.more]
            beside = runs.index(run)
            for whole in runs[:beside] if field.is_lower else runs[beside + 1 :]:
                whole.gather_whole(payload, matched, known)

    def _run_of(self, threshold: float) -> Run:
        if not self.more:
            return self
        place = bisect_right(self.more, threshold, key=_first)
        return self.more[place - 1] if place else self


def _first(run: Run) -> float:
    return run.thresholds[0]


@lru_cache(maxsize=100_000, typed=True)
def _one_object(threshold: float) -> float:
    """The same object for the same number: rows ask for prices and minutes that others ask for too."""
    return threshold


def _inserted(items: Sequence[Item], place: int, item: Item) -> Sequence[Item]:
    if isinstance(items, list):
        items.insert(place, item)
        return items
    longer = (*items[:place], item, *items[place:])
    return longer if len(longer) <= FEW else list(longer)


def _deleted(items: Sequence[Item], place: int) -> Sequence[Item]:
    if isinstance(items, list):
        del items[place]
        return items
    return (*items[:place], *items[place + 1 :])
