"""By what can rows be looked up, so that an event meets only the rows it may concern? Pure.

A row's clauses are ANDed, so any one of them can be what it is looked up by, and what is left is tested. Equalities, `in`,
`prefix`, `contains` and two bounds of one number lead from a value straight to the rows; so does an `any` of which every
branch asks for values of the same field. One bound leads to all rows on the passing side. Nothing leads to the others: `ne`,
`exists`, `not` and equality with an object are tested.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from streams.language.comparison import RANGES, is_scalar, scalar_key
from streams.language.filter import AllOf, AnyOf, Clause, Path, Predicate
from streams.matching.drawers import Key
from streams.matching.field import Field, field_of
from streams.matching.rough_drawers import band_places, element_place, part_places
from streams.matching.shared_test import Remaining, Tested, shared_test

TEST = field_of("test", ())
"""Stands in for a field where there is none to look at."""


class Lookup(NamedTuple):
    """One way to look a row up: the keys it lies under, and what remains to be asked there."""

    field: Field
    keys: tuple[Key, ...]
    remaining: Remaining


def selective(clauses: Remaining) -> Iterator[Lookup]:
    """The ways that lead from a value straight to the row, the most selective kinds first."""
    for rule in (_by_value, _by_prefix, _by_part):
        for at, clause in enumerate(clauses):
            for field, keys, left in rule(clause):
                yield Lookup(field, keys, clauses[:at] + left + clauses[at + 1 :])
    yield from _by_band(clauses)


def bounds(clauses: Remaining) -> Iterator[Lookup]:
    """The ways that lead to all rows on the passing side of a number."""
    for at, clause in enumerate(clauses):
        if _is_bound(clause):
            field = field_of(clause.operator, clause.path)  # a bound's kind is its operator
            yield Lookup(field, (clause.value,), clauses[:at] + clauses[at + 1 :])


def tests(clauses: Remaining) -> Iterator[Lookup]:
    """The ways that lead nowhere: the row lies under one of its clauses, which is judged at every event."""
    for at, clause in enumerate(clauses):
        if not _is_bound(clause):
            yield Lookup(TEST, (shared_test((clause,)),), clauses[:at] + clauses[at + 1 :])


def as_one_test(clauses: Remaining) -> Lookup:
    """The row lies under all of its clauses together."""
    return Lookup(TEST, (shared_test(clauses),), ())


def _is_bound(clause: Clause | Tested) -> TypeGuard[Predicate]:
    return isinstance(clause, Predicate) and clause.operator in RANGES


_Way = tuple[Field, tuple[Key, ...], Remaining]


def _by_value(clause: Clause | Tested) -> Iterator[_Way]:
    if isinstance(clause, Tested):
        return
    left: Remaining = () if isinstance(clause, Predicate) else (Tested(clause),)
    for path, values in _values(clause).items():
        yield field_of("value", path), tuple(dict.fromkeys(map(scalar_key, values))), left


def _values(clause: Clause) -> dict[Path, list[Any]]:
    """The fields that must hold one of a few values for the clause to be true."""
    if isinstance(clause, Predicate):
        if clause.operator == "in":
            return {clause.path: clause.value}
        return {clause.path: [clause.value]} if clause.operator == "eq" and is_scalar(clause.value) else {}
    if isinstance(clause, AllOf):
        return {path: values for one in clause.clauses for path, values in _values(one).items()}
    if isinstance(clause, AnyOf):
        branches = [_values(one) for one in clause.clauses]
        shared = set(branches[0]).intersection(*branches)
        return {path: [value for branch in branches for value in branch[path]] for path in shared}
    return {}


def _by_prefix(clause: Clause | Tested) -> Iterator[_Way]:
    if isinstance(clause, Predicate) and clause.operator == "prefix":
        yield field_of("prefix", clause.path), (clause.value,), ()


def _by_part(clause: Clause | Tested) -> Iterator[_Way]:
    if not isinstance(clause, Predicate) or clause.operator != "contains":
        return
    field, wanted = field_of("part", clause.path), clause.value
    if not isinstance(wanted, str):
        yield field, (element_place(wanted),), ()
    else:
        for place in part_places(wanted):
            yield field, (place, element_place(wanted)), ()


def _by_band(clauses: Remaining) -> Iterator[Lookup]:
    for lower, upper in pairwise(sorted(filter(_is_bound, clauses), key=lambda one: (one.path, one.operator))):
        if lower.path == upper.path and lower.operator[0] != upper.operator[0]:
            places = band_places(lower, upper)
            if places:
                left = tuple(one for one in clauses if one is not lower and one is not upper)
                yield Lookup(field_of("band", lower.path), tuple(places), left)
