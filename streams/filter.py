"""`match_filter`, read into predicates and compiled to closures. Pure: no I/O, and no input makes it raise at match time.

What a value means (SPEC 3): types are never coerced. "100" is not 100 and true is not 1; 1 and 1.0 are the same number.
A field that is missing, or of another type than the operator compares, is no match, for `ne` too.
"""

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from streams.errors import InvalidTrigger

OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in")
RANGES: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
"""The operators that compare numbers."""

Test = Callable[[Any], bool]
"""Judges an event's payload."""


class Predicate(NamedTuple):
    """One clause: the value at `path` inside the payload, compared by `operator` with `value`."""

    path: tuple[str, ...]
    operator: str
    value: Any


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def scalar_key(value: object) -> object:
    """A hashable stand-in for a JSON scalar: equal exactly when the scalars are the same value of the same type."""
    return ("bool", value) if isinstance(value, bool) else value


def is_scalar(value: object) -> bool:
    """Whether a JSON value is text, a number, true, false or null."""
    return value is None or isinstance(value, (str, int, float))


def same(left: object, right: object) -> bool:
    """JSON equality without coercion, deep."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def same_type(left: object, right: object) -> bool:
    """Whether two JSON values are of one JSON type: text, number, boolean, null, list or object."""
    if is_number(left):
        return is_number(right)
    return type(left) is type(right)


def parse_filter(match_filter: object, where: str = "match_filter") -> tuple[Predicate, ...]:
    """Read `{"field": value}` and `{"field": {op: value}}`; several fields, and several operators of one, are AND.

    Raises InvalidTrigger naming the path inside the row and what is accepted.
    """
    if match_filter is None:
        return ()
    if not isinstance(match_filter, dict):
        raise InvalidTrigger(where, 'must be an object such as {"team": "Mexico", "minute": {"gte": 90}}')
    predicates: list[Predicate] = []
    for field, condition in match_filter.items():
        path = tuple(field.split("."))
        if not all(path):
            raise InvalidTrigger(f"{where}.{field}", "must be a field name, or names joined by single dots")
        if isinstance(condition, dict):
            predicates += _parse_operators(path, condition, f"{where}.{field}")
        else:
            predicates.append(Predicate(path, "eq", _checked_value(condition, f"{where}.{field}")))
    return tuple(predicates)


def _parse_operators(path: tuple[str, ...], condition: dict[str, Any], where: str) -> Iterable[Predicate]:
    if not condition:
        raise InvalidTrigger(where, f"must name an operator: {', '.join(OPERATORS)}")
    for name, value in condition.items():
        here = f"{where}.{name}"
        if name not in OPERATORS:
            raise InvalidTrigger(here, f"is not an operator; accepted: {', '.join(OPERATORS)}")
        if name in RANGES and not is_number(value):
            raise InvalidTrigger(here, "compares numbers; a number is accepted")
        if name == "in":
            if not isinstance(value, list) or not value or not all(is_scalar(item) for item in value):
                raise InvalidTrigger(here, "must be a list of one or more texts, numbers, true, false or null")
            value = [_checked_value(item, here) for item in value]
        yield Predicate(path, name, _checked_value(value, here))


def _checked_value(value: Any, where: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidTrigger(where, "must be a finite number")
    return value


_MISSING = object()


def field_getter(path: tuple[str, ...]) -> Callable[[Any], Any]:
    """A function that reaches into a payload; it returns a private marker, equal to nothing, when the field is missing."""
    if len(path) == 1:
        (name,) = path
        return lambda payload: payload.get(name, _MISSING) if type(payload) is dict else _MISSING

    def get(payload: Any) -> Any:
        for part in path:
            if type(payload) is not dict:
                return _MISSING
            payload = payload.get(part, _MISSING)
        return payload

    return get


def compile_predicate(predicate: Predicate) -> Test:
    """One predicate as a closure over a payload."""
    get = field_getter(predicate.path)
    wanted = predicate.value
    if predicate.operator == "eq":
        return lambda payload: same(get(payload), wanted)
    if predicate.operator == "ne":
        return lambda payload: same_type(value := get(payload), wanted) and not same(value, wanted)
    if predicate.operator == "in":
        keys = frozenset(map(scalar_key, wanted))
        return lambda payload: is_scalar(value := get(payload)) and scalar_key(value) in keys
    compare = RANGES[predicate.operator]
    return lambda payload: is_number(value := get(payload)) and compare(value, wanted)


def compile_filter(predicates: Iterable[Predicate]) -> Test:
    """All predicates as one closure: true when every one holds, so true for none."""
    tests = tuple(compile_predicate(predicate) for predicate in predicates)
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda payload: first(payload) and second(payload)
    return lambda payload: all(test(payload) for test in tests)
