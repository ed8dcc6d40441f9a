"""`match_filter`, read into clauses and compiled to closures. Pure: no I/O, and no payload makes a closure raise.

    {"team": "Mexico", "minute": {"gte": 90}}                   fields and operators are ANDed; dots reach into the payload
    {"any": [{"team": "Mexico"}, {"not": {"minute": 90}}]}      any, all (lists of filters) and not (a filter) nest

What a value means (SPEC 3):
- Types are never coerced: "100" is not 100, true is not 1. 1 and 1.0 are the same number, compared exactly: 2**53 + 1 is
  not 2**53. A number with a point or an exponent is the double nearest to its text, in events and in filters alike, so
  0.1 is 0.1 and also 0.1000000000000000055511151231257827.
- A missing field, or a value of another type than the operator compares, is no match, for `ne` too. `{"exists": false}` is
  how to ask for a missing field. `{"not": …}` is plain negation: `{"team": {"ne": "Peru"}}` wants a team, and another one;
  `{"not": {"team": "Peru"}}` is also true of an event without a team, or whose team is a number.
- null is a value, of a type of its own: `eq` null wants it, `exists` holds for it, `ne` null wants any other value.
- `contains` is a part of a text, or an element of a list; `prefix` is of texts; `gt gte lt lte` are of numbers.
- An object is compared as a whole by `{"field": {"eq": {…}}}`. A payload field whose name has a meaning in filters is
  reached the same way: `{"any": {"eq": 1}}`, `{"key": {"eq": "x"}}`; only a field named `not` at the top is out of reach.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from streams.errors import InvalidTrigger
from streams.language.bounds import check_bounds
from streams.language.comparison import MISSING, OPERATORS, RANGES, compile_comparison, is_number, is_scalar

LOGIC = frozenset({"any", "all", "not"})
MAXIMUM_CHOICES = 10_000
"""The values that one `in` may list."""

Test = Callable[[Any], bool]
"""Judges an event's payload."""
Path = tuple[str, ...]


class Predicate(NamedTuple):
    """One comparison: the value at `path` inside the payload, compared by `operator` with `value`.

    Python holds predicates on 1, 1.0 and true for equal: whoever files them by value goes by `scalar_key`.
    """

    path: Path
    operator: str
    value: Any


class AllOf(msgspec.Struct, frozen=True, gc=False):
    """True when every clause is."""

    clauses: tuple["Clause", ...]


class AnyOf(msgspec.Struct, frozen=True, gc=False):
    """True when at least one clause is."""

    clauses: tuple["Clause", ...]


class Negation(msgspec.Struct, frozen=True, gc=False):
    """True when its clause is not."""

    clause: "Clause"


Clause = Predicate | AllOf | AnyOf | Negation


def parse_filter(match_filter: object, where: str = "match_filter") -> tuple[Clause, ...]:
    """Read a filter into the clauses that must all be true, none for null and `{}`.

    Raises InvalidTrigger naming the path inside the row and what is accepted.
    """
    if match_filter is None:
        return ()
    if not isinstance(match_filter, dict):
        raise InvalidTrigger(where, 'must be an object such as {"team": "Mexico", "minute": {"gte": 90}}')
    check_bounds(match_filter, where)
    return tuple(_parse(match_filter, where))


def _parse(match_filter: dict[str, Any], where: str) -> Iterator[Clause]:
    for field, condition in match_filter.items():
        if field in LOGIC and (field == "not" or not _names_operators(condition)):
            yield from _parse_logic(field, condition, f"{where}.{field}")
            continue
        path = _PATHS.get(field) or _parse_path(field, where)
        if condition.__class__ is dict:
            yield from _parse_operators(path, condition, where)
        else:
            yield Predicate(path, "eq", condition)


def _names_operators(condition: object) -> bool:
    return isinstance(condition, dict) and not condition.keys().isdisjoint(OPERATORS)


_PATHS: dict[str, Path] = {}
"""Field names read before: a million rows name a few fields, and share their paths."""
_REMEMBERED_PATHS = 10_000


def _parse_path(field: str, where: str) -> Path:
    path = tuple(field.split("."))
    if not all(path):
        raise InvalidTrigger(f"{where}.{field}", "must be a field name, or names joined by single dots")
    if len(_PATHS) < _REMEMBERED_PATHS:
        _PATHS[field] = path
    return path


def _parse_operators(path: Path, condition: dict[str, Any], where: str) -> Iterator[Predicate]:
    if not condition:
        raise InvalidTrigger(f"{where}.{'.'.join(path)}", f"must name an operator: {', '.join(OPERATORS)}")
    for name, value in condition.items():
        operator = _OPERATOR_NAMES.get(name)
        wrong = _UNKNOWN if operator is None else _what_is_wrong(operator, value)
        if operator is None or wrong:
            raise InvalidTrigger(f"{where}.{'.'.join(path)}.{name}", wrong)
        yield Predicate(path, operator, value)


_OPERATOR_NAMES = {name: name for name in OPERATORS}
"""One text per operator, shared by all predicates."""
_UNKNOWN = f"is not an operator; accepted: {', '.join(OPERATORS)}. An object is compared as a whole with eq"


def _what_is_wrong(operator: str, value: Any) -> str:
    """Why an operator does not take this value, empty when it does."""
    if operator in RANGES:
        return (
            ""
            if is_number(value)
            else 'compares numbers; a number is accepted, and for the words of a scale {"severity": ">= high"}'
        )
    if operator == "in":
        if value.__class__ is not list or not value or not all(map(is_scalar, value)):
            return "must be a list of one or more texts, numbers, true, false or null"
        return "" if len(value) <= MAXIMUM_CHOICES else f"lists {len(value)} values; at most {MAXIMUM_CHOICES} are accepted"
    if operator == "contains":
        return "" if is_scalar(value) else "must be a text, a number, true, false or null"
    if operator == "prefix":
        return "" if value.__class__ is str else "must be a text"
    if operator == "exists":
        return "" if value.__class__ is bool else "must be true or false"
    return ""


def _parse_logic(word: str, given: Any, where: str) -> Iterator[Clause]:
    if word == "not":
        yield Negation(_parse_negated(given, where))
        return
    if given.__class__ is not list or not given:
        raise InvalidTrigger(
            where,
            f'must be a list of one or more filters; a payload field of that name is asked for by {{"{word}": {{"eq": …}}}}',
        )
    inner = [tuple(_parse_inner(one, f"{where}.{number}")) for number, one in enumerate(given)]
    if word == "all":
        yield from (clause for clauses in inner for clause in clauses)
    else:
        yield AnyOf(tuple(map(_joined, inner))) if len(inner) > 1 else _joined(inner[0])


def _parse_negated(given: Any, where: str) -> Clause:
    if given.__class__ is dict and any(
        name in _OPERATOR_NAMES and value.__class__ is not dict for name, value in given.items()
    ):
        raise InvalidTrigger(
            where,
            'stands around a whole filter: {"not": {"price": {"gte": 100}}}; for a field so named, {"not": {"in": {"eq": 1}}}',
        )
    return _joined(tuple(_parse_inner(given, where)))


def _parse_inner(given: Any, where: str) -> Iterator[Clause]:
    if given.__class__ is not dict or not given:
        raise InvalidTrigger(where, 'must be a filter of one or more fields, such as {"minute": {"gte": 90}}')
    return _parse(given, where)


def _joined(clauses: tuple[Clause, ...]) -> Clause:
    return clauses[0] if len(clauses) == 1 else AllOf(clauses)


def field_value(path: Path, payload: Any) -> Any:
    """The value at `path` inside a payload, `MISSING` when there is none."""
    for part in path:
        if payload.__class__ is not dict:
            return MISSING
        payload = payload.get(part, MISSING)
    return payload


def field_getter(path: Path) -> Callable[[Any], Any]:
    """`field_value` for one path, as fast as it goes."""
    if len(path) == 1:
        (name,) = path
        return lambda payload: payload.get(name, MISSING) if payload.__class__ is dict else MISSING
    return lambda payload: field_value(path, payload)


def compile_clause(clause: Clause) -> Test:
    """One clause as a closure over a payload."""
    if isinstance(clause, Predicate):
        return _compile_predicate(clause)
    if isinstance(clause, AllOf):
        return compile_filter(clause.clauses)
    if isinstance(clause, Negation):
        negated = compile_clause(clause.clause)
        return lambda payload: not negated(payload)
    tests = tuple(map(compile_clause, clause.clauses))
    return lambda payload: any(test(payload) for test in tests)


def compile_filter(clauses: Iterable[Clause]) -> Test:
    """All clauses as one closure: true when every one is, so true for none."""
    tests = tuple(map(compile_clause, clauses))
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda payload: first(payload) and second(payload)
    return lambda payload: all(test(payload) for test in tests)


def _compile_predicate(predicate: Predicate) -> Test:
    path, operator, wanted = predicate
    if len(path) == 1 and (operator in RANGES or (operator == "eq" and wanted.__class__ is str)):
        return _COMMON[operator](path[0], wanted)
    get, judge = field_getter(path), compile_comparison(operator, wanted)
    return lambda payload: judge(get(payload))


_COMMON: dict[str, Callable[[str, Any], Test]] = {
    "eq": lambda name, wanted: lambda payload: payload.__class__ is dict and payload.get(name) == wanted,
    "gt": lambda name, wanted: (
        lambda payload: (
            payload.__class__ is dict
            and ((value := payload.get(name)).__class__ is float or value.__class__ is int)
            and value > wanted
        )
    ),
    "gte": lambda name, wanted: (
        lambda payload: (
            payload.__class__ is dict
            and ((value := payload.get(name)).__class__ is float or value.__class__ is int)
            and value >= wanted
        )
    ),
    "lt": lambda name, wanted: (
        lambda payload: (
            payload.__class__ is dict
            and ((value := payload.get(name)).__class__ is float or value.__class__ is int)
            and value < wanted
        )
    ),
    "lte": lambda name, wanted: (
        lambda payload: (
            payload.__class__ is dict
            and ((value := payload.get(name)).__class__ is float or value.__class__ is int)
            and value <= wanted
        )
    ),
}
"""What most predicates are, a text's equality or a number's range at the top of the payload, in one call instead of three."""
