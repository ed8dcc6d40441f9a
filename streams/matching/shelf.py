"""A shelf: rows that have come the same way, and of which different things are still to be asked. Pure.

A small shelf keeps what is left of each row as one test, beside the sorted thresholds of those that ask for one bound. When
there are too many different tests it is spread out: each row lies under the value that the fewest others share, in a place of
its own, which may be a shelf again. So an event touches the rows that share its values, and tests few of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from streams.language.comparison import RANGES
from streams.matching.drawers import ByPrefix, ByTest, ByValue, Drawers
from streams.matching.field import Field, field_of
from streams.matching.held import Further, Held, Ids, ids_of, put_id, take_id, with_id, without_id
from streams.matching.leaf import Leaf, one_bound
from streams.matching.lookup import Lookup, as_one_test, bounds, selective, tests
from streams.matching.rough_drawers import ByBand, ByPart
from streams.matching.shared_test import Known, Remaining
from streams.matching.thresholds import Thresholds

FEW_TESTS = 8
"""Different tests that a shelf makes one after the other before it is spread out: about what a look at one more field costs."""
FEW_GROUPS = 8
"""Groups that are found by looking at each."""
NEW_FIELD_COST = 8
"""Rows that share a value before one of them lies under a field that no other does: every event has to look at each field."""

Group = Drawers | Thresholds
_KINDS: dict[str, type[Drawers]] = {"value": ByValue, "prefix": ByPrefix, "part": ByPart, "band": ByBand, "test": ByTest}


class Shelf(Further):
    """Rows with what remains to be asked of them."""

    __slots__ = ("_count", "_groups", "_ids", "_spread")

    def __init__(self, leaf: Leaf | None = None, ids: Ids = ()) -> None:
        self._ids = leaf.ids if leaf is not None else ids
        """Rows of which nothing more is to be asked."""
        self._groups: tuple[Group, ...] | dict[Field, Group] = () if leaf is None else (leaf.thresholds_alone(),)
        self._count = len(leaf) if leaf is not None else len(ids)
        self._spread = False

    def __len__(self) -> int:
        return self._count

    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """Add the ids of the rows that this payload matches."""
        matched += self._ids
        groups = self._groups
        for group in groups if groups.__class__ is tuple else groups.values():  # type: ignore[union-attr]
            group.gather(payload, matched, known)

    def sift(self, payloads: Sequence[dict[str, Any]]) -> Iterable[int]:
        """Which of these payloads may match a row, by their numbers. Raises as ByValue does."""
        if self._ids:
            return range(len(payloads))
        groups = self._groups
        found: set[int] = set()
        for group in groups.values() if isinstance(groups, dict) else groups:
            led = group.sift(payloads) if isinstance(group, ByValue) else None
            if led is None:
                return range(len(payloads))
            found.update(led)
        return found

    def put(self, remaining: Remaining, trigger_id: str) -> None:
        """Add a row that is not there yet."""
        self._count += 1
        if not remaining:
            self._ids = with_id(self._ids, trigger_id)
        else:
            self._keep(self._choose(remaining), trigger_id)

    def take(self, remaining: Remaining, trigger_id: str) -> None:
        """Take a row out. Raises KeyError when it is not there."""
        if not remaining:
            self._ids = without_id(self._ids, trigger_id)
        elif not any(self._let_go(lookup, trigger_id) for lookup in self._ways(remaining)):
            raise KeyError(trigger_id)
        self._count -= 1

    def _choose(self, remaining: Remaining) -> Lookup:
        if not self._spread:
            (lookup,) = self._ways(remaining)
            tested = self._group(lookup.field)
            if not isinstance(tested, ByTest) or len(tested) < FEW_TESTS or tested.at(lookup.keys[0]) is not None:
                return lookup
            self._spread_out(tested)
        ways = list(selective(remaining))
        if ways:
            return min(ways, key=self._crowd) if len(ways) > 1 else ways[0]
        ways = list(tests(remaining))  # before bounds: then rows share the tests, and their thresholds are bare ids
        if ways:
            return max(ways, key=self._crowd)
        return next(bounds(remaining))

    def _ways(self, remaining: Remaining) -> Iterator[Lookup]:
        """All the ways by which this row may have been put here."""
        if self._spread:
            yield from chain(selective(remaining), tests(remaining), bounds(remaining))
        elif one_bound(remaining) is not None:
            yield from bounds(remaining)
        else:
            yield as_one_test(remaining)

    def _crowd(self, lookup: Lookup) -> int:
        """How many rows lie where this way leads."""
        group = self._group(lookup.field)
        return NEW_FIELD_COST if group is None else max(map(group.crowd, lookup.keys))

    def _spread_out(self, tested: ByTest) -> None:
        self._spread = True
        self._remove(tested)
        for test, held in list(tested.contents.items()):
            tested.drop(test)
            for trigger_id in ids_of(held):
                self._keep(self._choose(test.clauses), trigger_id)

    def _keep(self, lookup: Lookup, trigger_id: str) -> None:
        group = self._group(lookup.field)
        if group is None:
            group = self._add(lookup.field)
        for key in lookup.keys:
            group.keep(key, put(group.at(key), lookup.remaining, trigger_id))

    def _let_go(self, lookup: Lookup, trigger_id: str) -> bool:
        """Take a row out of where this way leads; False when it does not lie there."""
        group = self._group(lookup.field)
        places = [group.at(key) for key in lookup.keys] if group is not None else [None]
        if group is None or None in places:
            return False
        try:
            left = [take(held, lookup.remaining, trigger_id) for held in places if held is not None]
        except KeyError:  # from the first place: a row lies under all of a way's keys or under none
            return False
        for key, held in zip(lookup.keys, left, strict=True):
            if held is None:
                group.drop(key)
            else:
                group.keep(key, held)
        if not len(group):
            self._remove(group)
        return True

    def _group(self, field: Field) -> Group | None:
        groups = self._groups
        if isinstance(groups, dict):
            return groups.get(field)
        for group in groups:
            if group.field is field:
                return group
        return None

    def _add(self, field: Field) -> Group:
        group = Thresholds(field) if field.kind in RANGES else _KINDS[field.kind](field)
        if isinstance(self._groups, dict):
            self._groups[field] = group
        elif len(self._groups) < FEW_GROUPS:
            self._groups = (*self._groups, group)
        else:
            self._groups = {one.field: one for one in (*self._groups, group)}
        return group

    def _remove(self, group: Group) -> None:
        if isinstance(self._groups, dict):
            del self._groups[group.field]
        else:
            self._groups = tuple(one for one in self._groups if one is not group)


def put(held: Held | None, remaining: Remaining, trigger_id: str) -> Held:
    """What lies in a place when one more row does."""
    if not remaining and not isinstance(held, Further):
        return put_id(held, trigger_id)
    further: Further
    if isinstance(held, Leaf) and not held.takes(remaining):
        further = Shelf(held)
    elif isinstance(held, Further):
        further = held
    elif (bound := one_bound(remaining)) is not None:
        further = Leaf(field_of(bound.operator, bound.path), () if held is None else ids_of(held))
    else:
        further = Shelf(ids=() if held is None else ids_of(held))
    further.put(remaining, trigger_id)
    return further


def take(held: Held, remaining: Remaining, trigger_id: str) -> Held | None:
    """What lies in a place when a row is taken out, None when nothing does. Raises KeyError when the row is not there."""
    if isinstance(held, Further):
        held.take(remaining, trigger_id)
        return held if len(held) else None
    if remaining:
        raise KeyError(trigger_id)
    return take_id(held, trigger_id)
