"""What each operator of a filter means for one JSON value: types are never coerced, and no value makes a test raise. Pure."""

import operator
from collections.abc import Callable
from typing import Any, Final

Judge = Callable[[Any], bool]
"""Judges the value of one field."""

RANGES: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
"""The operators that compare numbers; Python compares integers with doubles exactly, however large."""


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""Stands for the value of a field that is not there; it is of no JSON type and equal to nothing."""


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; true and false are not."""
    return value.__class__ is int or value.__class__ is float


def is_scalar(value: object) -> bool:
    """Whether a JSON value is text, a number, true, false or null."""
    return value is None or value.__class__ in _SCALARS


_SCALARS = frozenset({str, int, float, bool})


def scalar_key(value: object) -> object:
    """A hashable stand-in for a JSON scalar: equal exactly when the scalars are the same value of the same type."""
    return ("bool", value) if value.__class__ is bool else value


def same(left: object, right: object) -> bool:
    """JSON equality without coercion, deep; it goes no deeper than the shallower of the two."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        return False
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def compile_comparison(operator: str, wanted: Any) -> Judge:
    """The test of one field's value (`MISSING` when it has none) against the value the filter gives."""
    return _COMPILERS[operator](wanted)


def _equal(wanted: Any) -> Judge:
    if wanted is None or wanted.__class__ is bool:
        return lambda value: value is wanted
    if wanted.__class__ is str:
        return lambda value: value.__class__ is str and value == wanted
    if is_number(wanted):
        return lambda value: (value.__class__ is int or value.__class__ is float) and value == wanted
    return lambda value: same(value, wanted)


def _different(wanted: Any) -> Judge:
    if wanted is None:
        return lambda value: value is not None and value is not MISSING
    if is_number(wanted):
        return lambda value: (value.__class__ is int or value.__class__ is float) and value != wanted
    kind = wanted.__class__
    return lambda value: value.__class__ is kind and not same(value, wanted)


def _one_of(wanted: list[Any]) -> Judge:
    if all(choice.__class__ is str for choice in wanted):
        texts = frozenset(wanted)
        return lambda value: value.__class__ is str and value in texts
    keys = frozenset(map(scalar_key, wanted))
    return lambda value: is_scalar(value) and scalar_key(value) in keys


def _containing(wanted: Any) -> Judge:
    if wanted.__class__ is str:
        return lambda value: (value.__class__ is str or value.__class__ is list) and wanted in value
    equal = _equal(wanted)
    return lambda value: value.__class__ is list and any(map(equal, value))


def _beginning(wanted: str) -> Judge:
    return lambda value: value.__class__ is str and value.startswith(wanted)


def _existing(wanted: bool) -> Judge:
    return lambda value: (value is not MISSING) is wanted


_COMPILERS: dict[str, Callable[[Any], Judge]] = {
    "eq": _equal,
    "ne": _different,
    "gt": lambda wanted: lambda value: (value.__class__ is int or value.__class__ is float) and value > wanted,
    "gte": lambda wanted: lambda value: (value.__class__ is int or value.__class__ is float) and value >= wanted,
    "lt": lambda wanted: lambda value: (value.__class__ is int or value.__class__ is float) and value < wanted,
    "lte": lambda wanted: lambda value: (value.__class__ is int or value.__class__ is float) and value <= wanted,
    "in": _one_of,
    "contains": _containing,
    "prefix": _beginning,
    "exists": _existing,
}
OPERATORS = tuple(_COMPILERS)
"""Every operator a filter accepts, in the order they are told."""
