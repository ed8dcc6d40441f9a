"""A watch: one value, and the edge of which a trigger asked to be told. Pure.

What the event's type alone implies, on one `source:type` (SPEC 3):
- `stocks:price_cross_above` with `{"symbol": "AAPL", "price": {"gte": 100}}` watches, in every event of source `stocks` whose
  `symbol` is "AAPL", the number in `price`: it crosses when it goes from below 100 to 100 or above. `gt` does too.
- `stocks:price_cross_below` is the mirror, with `lte` or `lt`.
- `stocks:price_changed` with `{"symbol": "AAPL"}`, or `{"symbol": "AAPL", "price": {"exists": true}}`, watches the text, the
  number, true, false or null in `price`: any other value than the last one is a change. Types are never coerced: 1 and 1.0
  are the same number, "1" and true are other values. A missing field, an object or a list is no value and changes nothing.

The equalities, one a field, choose the value; without one, each subject (or the whole source) is a value of its own. Nothing
else may stand beside them. `status_changed` is an event of its own (SPEC 1), and so is what a row asks for with a wildcard in
its type or with a `pattern`: that is how to listen to a `_changed` that a feed itself sends.

What a row's `crossing` object asks for (`terms.py`) is watched on one source too. The type in `schedule_expression`
is then the name of the crossing's own event, any name; `*` stands for `price_cross_above`, `price_cross_below`,
`price_crossed` (both ways) or `price_changed`. Beside it `match_filter` takes equalities only.
"""

from typing import Any, NamedTuple

import msgspec

from streams.errors import InvalidTrigger
from streams.event import derived_id
from streams.language.comparison import is_scalar
from streams.language.event_key import EventKey
from streams.language.filter import Clause, Path, Predicate
from streams.language.terms import Terms, canonical, canonical_number, parse_terms

ABOVE, BELOW, CHANGED, CROSSED = "_cross_above", "_cross_below", "_changed", "_crossed"
ANY_CHANGE = "changed"
"""The operator of a watch on any change."""
ORDINARY = frozenset({"status_changed"})
"""Events of their own (SPEC 1), though they end like a change that the backbone detects."""
_OPERATORS = {ABOVE: ("gte", "gt"), BELOW: ("lte", "lt"), CHANGED: ("exists",)}
_EXAMPLES = {ABOVE: '{"gte": 100}', BELOW: '{"lte": 100}', CHANGED: '{"exists": true}'}
_BY_DIRECTION = {
    "above": (ABOVE, "gte"),
    "below": (BELOW, "lte"),
    "both": (CROSSED, "gte"),
    "changed": (CHANGED, ANY_CHANGE),
}
Choice = tuple[tuple[Path, Any], ...]


class Watch(NamedTuple):
    """What to look at and for. Two triggers that ask the same share one watch; two workspaces never do.

    `chosen_by` are the equalities; the value is across when `operator` holds between it and `threshold` (None for
    ANY_CHANGE). `terms` is what a `crossing` object asked for, None for a watch that is implied.
    """

    id: str
    source: str
    field: Path
    chosen_by: Choice
    operator: str
    threshold: float | None
    event_type: str
    workspace: str
    terms: Terms | None = None


def find_watch(workspace: str, key: EventKey, clauses: tuple[Clause, ...], crossing: object) -> Watch | None:
    """The watch a row asks for by its `crossing`, or implies; None when it asks for ordinary events.

    Raises InvalidTrigger naming the field and what is accepted.
    """
    if crossing is not None:
        return _ask_watch(workspace, key, clauses, parse_terms(crossing))
    if key.is_exact and len(key.sources) == 1:
        return parse_watch(workspace, key.sources[0], key.type, clauses)
    suffix = _suffix_of(key.type)
    if suffix in (ABOVE, BELOW) or (suffix == CHANGED and key.pattern is None and "*" not in key.type):
        hint = "" if suffix != CHANGED else "; for events that a feed itself sends, a pattern beside it"
        raise InvalidTrigger(
            "schedule_expression",
            f"asks for a crossing, which is watched on one source: an exact source:type is accepted{hint}",
        )
    return None


def parse_watch(workspace: str, source: str, event_type: str, clauses: tuple[Clause, ...]) -> Watch | None:
    """The watch a trigger on `source:event_type` implies; None when the type is no crossing.

    Raises InvalidTrigger when the type is a crossing but the filter names no single threshold, or more than equalities.
    """
    suffix = _suffix_of(event_type)
    if suffix is None:
        return None
    name = event_type.removesuffix(suffix)
    field = tuple(name.split("."))
    if not all(field):
        raise InvalidTrigger("schedule_expression", f"must name the field that is watched, such as price{suffix}")
    example = f'{{"{name}": {_EXAMPLES[suffix]}}}'
    own = [clause for clause in clauses if isinstance(clause, Predicate) and clause.path == field]
    operator, threshold = _parse_own(own, suffix, f"match_filter.{name}", example)
    choice = _parse_choice([clause for clause in clauses if clause not in own], _hint(suffix, example))
    identified = None if threshold is None else _identified(threshold)
    identity = [workspace, source, event_type, choice, operator, identified]
    return Watch(_watch_id(identity), source, field, choice, operator, threshold, event_type, workspace)


def _parse_own(own: list[Predicate], suffix: str, where: str, example: str) -> tuple[str, float | None]:
    """The operator and the threshold that the clauses on the watched field itself give."""
    operators = _OPERATORS[suffix]
    if suffix == CHANGED:
        if any(predicate.operator != "exists" or predicate.value is not True for predicate in own):
            raise InvalidTrigger(where, f"may only be {example}: any other value than the last one is a change")
        return ANY_CHANGE, None
    if len(own) != 1 or own[0].operator not in operators:
        raise InvalidTrigger(where, f"must give the one threshold to watch, such as {example}")
    return own[0].operator, canonical_number(own[0].value, where)


def _ask_watch(workspace: str, key: EventKey, clauses: tuple[Clause, ...], terms: Terms) -> Watch:
    source, *others = key.sources
    if others or key.pattern is not None or "*" in source or ("*" in key.type and key.type != "*"):
        raise InvalidTrigger(
            "schedule_expression",
            "beside a crossing is one exact source and a name for its event, such as stocks:price_spike",
        )
    suffix, operator = _BY_DIRECTION[terms.direction]
    name = ".".join(terms.field)
    event_type = f"{name}{suffix}" if key.type == "*" else key.type
    choice = _parse_choice(list(clauses), "beside a crossing match_filter takes one equality a field, which choose the value")
    if any(path == terms.field for path, _ in choice):
        raise InvalidTrigger(f"match_filter.{name}", "is the value that is watched; its threshold stands in crossing.threshold")
    numbers = [None if number is None else _identified(number) for number in (terms.threshold, terms.hysteresis)]
    asked = [terms.field, terms.direction, *numbers, terms.held_for_ms, terms.input_type, terms.key]
    identity = [workspace, source, event_type, choice, "crossing", asked]
    return Watch(_watch_id(identity), source, terms.field, choice, operator, terms.threshold, event_type, workspace, terms)


def _parse_choice(clauses: list[Clause], hint: str) -> Choice:
    """The equalities that choose the value; nothing else is accepted."""
    chosen_by: dict[Path, Any] = {}
    for clause in clauses:
        if not isinstance(clause, Predicate):
            raise InvalidTrigger("match_filter", hint)
        path, operator, value = clause
        where = f"match_filter.{'.'.join(path)}"
        if operator != "eq" or not is_scalar(value) or path in chosen_by:
            raise InvalidTrigger(where, hint)
        chosen_by[path] = canonical(value)
    return tuple(sorted(chosen_by.items(), key=lambda chosen: chosen[0]))


def _hint(suffix: str, example: str) -> str:
    if suffix != CHANGED:
        return (
            f"next to the threshold a crossing takes one equality a field, which choose the value to watch, such as {example}"
        )
    return (
        f"next to {example} a change takes one equality a field, which choose the value to watch;"
        " for events that a feed itself sends under this name, give a pattern beside schedule_expression"
    )


def _suffix_of(event_type: str) -> str | None:
    """How a type ends that the backbone itself detects; None for any other."""
    if event_type in ORDINARY:
        return None
    return next((end for end in (ABOVE, BELOW, CHANGED) if event_type.endswith(end) and event_type != end), None)


def _watch_id(identity: list[Any]) -> str:
    return derived_id("watch", msgspec.json.encode(identity).decode())


def _identified(number: float) -> float:
    """100 and 100.0 are one threshold; an integer that no double holds stays itself."""
    return as_double if (as_double := float(number)) == number else number
