"""JSONPath queries (RFC 9535), compiled to closures that count their steps. Pure.

python-jsonpath parses, strictly to the RFC, types of functions included; its evaluation has no bounds, so nothing of it runs.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError
from jsonpath.segments import JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath.selectors import Filter, IndexSelector, JSONPathSelector, NameSelector, SliceSelector, WildcardSelector

from streams.errors import InvalidTrigger
from streams.language.comparison import MISSING
from streams.shaping.budget import Budget
from streams.shaping.value import member

MAXIMUM_QUERY_CHARACTERS = 1_000

Select = Callable[[Any, Any, Budget], list[Any]]
"""Gives the values a query selects, in order: of a value it is relative to, and the whole document. Raises Refused."""
Choose = Callable[[Any, Any, Budget], Iterable[Any]]
"""The same, of one selector and one value."""

_parser = JSONPathEnvironment(strict=True)


class Query(NamedTuple):
    """A query, understood. A singular one selects at most one value, whatever the document (RFC 9535, 2.3.5.1)."""

    select: Select
    is_singular: bool
    first: tuple[str | int, ...]
    """The names and indices it begins with."""


def compile_query(text: str) -> Query:
    """Understand a query. Raises InvalidTrigger, its path empty."""
    if len(text) > MAXIMUM_QUERY_CHARACTERS:
        raise InvalidTrigger("", f"is longer than {MAXIMUM_QUERY_CHARACTERS:,} characters")
    try:
        path = _parser.compile(text)
        if not isinstance(path, JSONPath):
            raise InvalidTrigger("", "must be one query, such as $.payload.repo")
        return Query(compile_segments(path.segments), path.singular_query(), _beginning(path.segments))
    except RecursionError as error:
        raise InvalidTrigger("", "is nested too deep") from error
    except (JSONPathError, ValueError, OverflowError) as error:
        reason = error.args[0] if error.args else "cannot be read"
        raise InvalidTrigger("", f"is no JSONPath of RFC 9535, such as $.payload.commits[*].id: {reason}") from error


def compile_segments(segments: Iterable[JSONPathSegment]) -> Select:
    """The closure that walks along the segments of a query, or of one within a filter."""
    steps = [_segment(segment) for segment in segments]

    def select(current: Any, root: Any, budget: Budget) -> list[Any]:
        values = [current]
        for step in steps:
            values = step(values, root, budget)
        return values

    return select


def _segment(segment: JSONPathSegment) -> Callable[[list[Any], Any, Budget], list[Any]]:
    selectors = [_selector(selector) for selector in segment.selectors]
    descends = isinstance(segment, JSONPathRecursiveDescentSegment)

    def step(values: list[Any], root: Any, budget: Budget) -> list[Any]:
        selected: list[Any] = []
        for value in _descendants(values, budget) if descends else values:
            for choose in selectors:
                budget.spend(1)
                chosen = choose(value, root, budget)
                selected += chosen
        return selected

    return step


def _descendants(values: list[Any], budget: Budget) -> Iterable[Any]:
    """Each value and what is inside it, outer before inner, lists in order."""
    waiting = values[::-1]
    while waiting:
        value = waiting.pop()
        inner = _children(value, budget)
        waiting += [one for one in reversed(inner) if isinstance(one, (dict, list))]
        yield value


def _children(value: Any, budget: Budget) -> list[Any]:
    if value.__class__ is not dict and value.__class__ is not list:
        return []
    budget.spend(len(value))
    return list(value.values()) if value.__class__ is dict else list(value)


def _selector(selector: JSONPathSelector) -> Choose:
    if isinstance(selector, NameSelector):
        return _by_key(selector.name)
    if isinstance(selector, IndexSelector):
        return _by_key(selector.index)
    if isinstance(selector, SliceSelector):
        return _by_slice(selector.slice)
    if isinstance(selector, WildcardSelector):
        return lambda value, root, budget: _children(value, budget)
    if isinstance(selector, Filter):
        return _by_filter(selector)
    raise InvalidTrigger("", f"{selector} is not part of RFC 9535")


def _by_key(key: str | int) -> Choose:
    def choose(value: Any, root: Any, budget: Budget) -> Iterable[Any]:
        found = member(value, key)
        return () if found is MISSING else (found,)

    return choose


def _by_slice(bounds: slice) -> Choose:
    def choose(value: Any, root: Any, budget: Budget) -> Iterable[Any]:
        if value.__class__ is not list or bounds.step == 0:
            return ()
        budget.spend(len(range(*bounds.indices(len(value)))))
        return list(value[bounds])

    return choose


def _by_filter(selector: Filter) -> Choose:
    from streams.shaping.query_filter import compile_test  # filters hold queries, which hold filters

    test = compile_test(selector.expression.expression)

    def choose(value: Any, root: Any, budget: Budget) -> Iterable[Any]:
        return [one for one in _children(value, budget) if test(one, root, budget)]

    return choose


def _beginning(segments: Iterable[JSONPathSegment]) -> tuple[str | int, ...]:
    keys: list[str | int] = []
    for segment in segments:
        selector = segment.selectors[0]
        if len(segment.selectors) > 1 or isinstance(segment, JSONPathRecursiveDescentSegment):
            break
        if isinstance(selector, NameSelector):
            keys.append(selector.name)
        elif isinstance(selector, IndexSelector):
            keys.append(selector.index)
        else:
            break
    return tuple(keys)
