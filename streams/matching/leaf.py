"""A leaf: the rows of one place that ask for nothing more, or for one bound of one and the same number. Pure.

Most places that hold several rows hold these (the price of one symbol, from 100, from 120), so they get no shelf.
"""

from streams.language.comparison import RANGES
from streams.language.filter import Predicate
from streams.matching.field import Field
from streams.matching.held import Further, Ids, put_id, take_id, with_id, without_id
from streams.matching.shared_test import Remaining
from streams.matching.thresholds import Thresholds


class Leaf(Thresholds, Further):
    """Rows without a bound (`ids`) beside the sorted thresholds of those with one."""

    __slots__ = ("_count",)

    def __init__(self, field: Field, ids: Ids) -> None:
        super().__init__(field, ids)
        self._count = len(ids)

    def __len__(self) -> int:
        return self._count

    def takes(self, remaining: Remaining) -> bool:
        """Whether a row of which this remains has its place here."""
        if not remaining:
            return True
        bound = one_bound(remaining)
        return bound is not None and bound.operator == self.field.kind and bound.path == self.field.path

    def put(self, remaining: Remaining, trigger_id: str) -> None:
        """Add a row that is not there yet, and that `takes` accepts."""
        self._count += 1
        bound = one_bound(remaining)
        if bound is None:
            self.ids = with_id(self.ids, trigger_id)
        else:
            self.keep(bound.value, put_id(self.at(bound.value), trigger_id))

    def take(self, remaining: Remaining, trigger_id: str) -> None:
        """Take a row out. Raises KeyError when it is not there."""
        if not self.takes(remaining):
            raise KeyError(trigger_id)
        bound = one_bound(remaining)
        if bound is None:
            self.ids = without_id(self.ids, trigger_id)
        else:
            left = take_id(self.at(bound.value), trigger_id)
            if left is None:
                self.drop(bound.value)
            else:
                self.keep(bound.value, left)
        self._count -= 1

    def thresholds_alone(self) -> Thresholds:
        """Its thresholds as a group of a shelf, when a row comes that asks for something else."""
        group = Thresholds(self.field)
        group.thresholds, group.contents, group.mixed, group.more = self.thresholds, self.contents, self.mixed, self.more
        return group


def one_bound(remaining: Remaining) -> Predicate | None:
    """The one bound that is still to be asked of a row; None when it is nothing, or more."""
    if len(remaining) == 1 and isinstance(remaining[0], Predicate) and remaining[0].operator in RANGES:
        return remaining[0]
    return None
