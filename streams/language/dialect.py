"""The condition forms of other trigger dialects, translated on write into the one filter model (SPEC 3). Pure.

| written as | means |
| --- | --- |
| `{"field": "severity", "operator": "gte", "value": "high"}` | `{"severity": {"in": ["high", …]}}`, by the field's scale |
| `{"field": "price", "operator": ">=", "value": 100}` | `{"price": {"gte": 100}}`; operators are words or symbols |
| `{"severity": ">= high"}`, `{"price": ">= 100"}` | the same two; a number behind the symbol is a number |
| `{"key": "data_status", "value": "ready"}` | `{"data_status": "ready"}` |
| `{"event_type": "task_failed"}` | no filter: it narrows the `*` in `source:*`, and alone stands for `*:task_failed` |
| a list of filters | AND |

A filter is one of these forms when it has exactly those keys; forms may stand inside `any`, `all` and `not`, `event_type`
inside `all` alone. Where a payload has fields of these names, or texts that begin with a symbol, an operator says that they
are meant as they are: `{"key": {"eq": "x"}}`, `{"event_type": {"eq": "x"}}`, `{"title": {"eq": ">= high"}}`. Translating twice
changes nothing.

Postgres keeps numbers as decimals and would give back 1e23 as an integer, which the double 1e23 is not: so a double beyond
2**53 is written as the integer that it is. (A row written by SQL says 10**23 when it says 1e23.)
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from streams.errors import InvalidEvent, InvalidTrigger
from streams.event import check_name
from streams.language.bounds import check_bounds
from streams.language.comparison import OPERATORS, RANGES, is_number
from streams.language.event_key import EVERYTHING, compile_glob, split_expression
from streams.language.filter import LOGIC
from streams.language.scale import Scales, words_that

SYMBOLS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt", "==": "eq", "=": "eq", "!=": "ne"}
_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<)\s*(\S.*?)\s*", re.DOTALL)
_FORMS = {"field": {"field", "operator", "value"}, "key": {"key", "value"}, "event_type": {"event_type"}}
_RESERVED = LOGIC | {"field", "key", "event_type"}
_EXACT_INTEGERS = 2**53
"""Doubles below this hold every integer, and Postgres gives them back as they were."""


def translate(body: Mapping[str, Any], scales: Scales | None = None) -> dict[str, Any]:
    """A whole row as a client wrote it, in the one model; `scales` are its workspace's own.

    What is no condition form stays as it is, also when it is wrong: `parse_condition` judges the result. Raises
    InvalidTrigger naming the path inside the row.
    """
    row = dict(body)
    given, expression = row.get("match_filter"), row.get("schedule_expression")
    if isinstance(given, (dict, list)):
        check_bounds(given, "match_filter")
        narrowed, row["match_filter"] = translate_condition(expression, _as_stored(given), scales)
        if narrowed != expression:
            row["schedule_expression"] = narrowed
    if row.get("pattern") and not row.get("schedule_expression"):
        row["schedule_expression"] = EVERYTHING
    return row


def translate_condition(
    expression: Any, match_filter: dict[str, Any] | list[Any], scales: Scales | None = None
) -> tuple[Any, dict[str, Any] | None]:
    """An event key's expression and a filter (which `check_bounds` has let pass), in the one model. Raises InvalidTrigger."""
    translation = _Translation(scales or {})
    translated = translation.of_row(match_filter, "match_filter")
    for path, event_type in translation.event_types.items():
        expression = _narrowed(expression, event_type, path)
    return expression, translated or None


def is_plain(match_filter: dict[str, Any]) -> bool:
    """Whether a filter certainly holds no condition form: a quick look, since a million rows are read at start."""
    for field, condition in match_filter.items():
        if field in _RESERVED or (condition.__class__ is str and condition[:1] in "<>=!"):
            return False
    return True


class _Translation:
    """One row's filter on its way. `event_types` holds what its `event_type` forms ask for, by path."""

    def __init__(self, scales: Scales) -> None:
        self.scales = scales
        self.event_types: dict[str, str] = {}

    def of_row(self, given: dict[str, Any] | list[Any], where: str) -> dict[str, Any]:
        if isinstance(given, dict):
            return self._filter(given, where, narrows=True)
        if not given or not all(isinstance(one, dict) for one in given):
            raise InvalidTrigger(where, "must be a filter, or a list of one or more filters, which are ANDed")
        inner = self._filters(given, where, narrows=True)
        return inner[0] if len(inner) == 1 else {"all": inner} if inner else {}

    def _filters(self, given: list[Any], where: str, *, narrows: bool) -> list[Any]:
        translated = []
        for number, one in enumerate(given):
            inner = self._filter(one, f"{where}.{number}", narrows=narrows) if isinstance(one, dict) else one
            if inner or not one:  # what was an event type is no filter any more
                translated.append(inner)
        return translated

    def _filter(self, given: dict[str, Any], where: str, *, narrows: bool) -> dict[str, Any]:
        """One filter, whatever its form. `narrows`: it must hold for every match, so it may name the event's type."""
        form = _form_of(given, where)
        if form == "event_type":
            return self._event_type(given, where, narrows=narrows)
        if form == "key":
            return _equality(_field_name(given, "key", where), given["value"], f"{where}.value")
        if form == "field":
            operator = SYMBOLS.get(given["operator"], given["operator"]) if isinstance(given["operator"], str) else None
            if operator not in OPERATORS:
                accepted = ", ".join((*OPERATORS, *SYMBOLS))
                raise InvalidTrigger(f"{where}.operator", f"is not an operator; accepted: {accepted}")
            return self._compared(_field_name(given, "field", where), operator, given["value"], f"{where}.value")
        translated: dict[str, Any] = {}
        for field, condition in given.items():
            translated |= self._field(field, condition, f"{where}.{field}", narrows=narrows)
        return translated

    def _field(self, field: str, condition: Any, where: str, *, narrows: bool) -> dict[str, Any]:
        if field in ("any", "all") and isinstance(condition, list):
            inner = self._filters(condition, where, narrows=narrows and field == "all")
            return {field: inner} if inner or not condition else {}
        if field == "not" and isinstance(condition, dict):
            return {field: self._filter(condition, where, narrows=False)}
        if isinstance(condition, str) and (found := _COMPARISON.fullmatch(condition)):
            return self._compared(field, SYMBOLS[found[1]], _number_or_word(found[2]), where)
        return {field: condition}

    def _compared(self, field: str, operator: str, value: Any, where: str) -> dict[str, Any]:
        if operator in RANGES and isinstance(value, str):
            return {field: {"in": words_that(operator, value, field, self.scales, where)}}
        if operator == "eq":
            return {field: {"eq": value}} if _needs_operator(field, value) else {field: value}
        return {field: {operator: value}}

    def _event_type(self, given: dict[str, Any], where: str, *, narrows: bool) -> dict[str, Any]:
        here, event_type = f"{where}.event_type", given["event_type"]
        if not narrows:
            raise InvalidTrigger(
                here, "holds for the whole row, outside any and not; several types are a pattern, such as .*:(goal|card)"
            )
        try:
            self.event_types[here] = check_name("event_type", event_type)
        except InvalidEvent as error:
            raise InvalidTrigger(here, error.message) from error
        return {}


def _form_of(given: dict[str, Any], where: str) -> str | None:
    """Which form a filter has, None for a plain one. Raises InvalidTrigger for a form that is mixed with other fields."""
    for form, keys in _FORMS.items():
        if not given.keys() >= keys or any(isinstance(given[key], dict) for key in keys - {"value"}):
            continue
        if len(given) > len(keys):
            raise InvalidTrigger(
                where,
                f"mixes {', '.join(sorted(keys))} with other fields: put the filters into a list under all, or, when the"
                f' payload has a field named {form}, write {{"{form}": {{"eq": …}}}}',
            )
        return form
    return None


def _field_name(given: dict[str, Any], key: str, where: str) -> str:
    name = given[key]
    if not isinstance(name, str) or name in ("", "not"):
        raise InvalidTrigger(f"{where}.{key}", "must be the name of a payload field, and not the word not")
    return name


def _equality(field: str, value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, dict):
        raise InvalidTrigger(where, f'must be a value; a comparison is written {{"{field}": {{"gte": 1}}}}')
    return {field: {"eq": value}} if _needs_operator(field, value) else {field: value}


def _needs_operator(field: str, value: Any) -> bool:
    """Whether `{field: value}` would be read as something else than an equality."""
    if isinstance(value, str):
        return field in _RESERVED or _COMPARISON.fullmatch(value) is not None
    return field in _RESERVED or isinstance(value, dict)


def _number_or_word(text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return value if is_number(value) else text


def _narrowed(expression: Any, event_type: str, where: str) -> Any:
    if not expression:
        return f"*:{event_type}"
    if not isinstance(expression, str):
        return expression
    _, wanted = split_expression(expression)
    if not compile_glob(wanted)(event_type):
        raise InvalidTrigger(where, f"asks for {event_type}, but schedule_expression for {wanted}; no event has both types")
    return expression.removesuffix(wanted) + event_type


def _as_stored(value: Any) -> Any:
    """`value` with each double beyond 2**53 as an integer. As deep as the bounds allow."""
    if isinstance(value, float):
        return value if abs(value) < _EXACT_INTEGERS else int(value)
    if isinstance(value, list):
        return [_as_stored(item) for item in value]
    return {name: _as_stored(item) for name, item in value.items()} if isinstance(value, dict) else value
