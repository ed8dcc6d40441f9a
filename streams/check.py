"""What a trigger asks of an event, one check at a time: the same answers as the compiled filter's, with their reasons. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from streams.language.comparison import MISSING, compile_comparison
from streams.language.event_key import EventKey, compile_glob, compile_pattern
from streams.language.filter import AllOf, Clause, Negation, Predicate, field_value

_SHOWN_CHARACTERS = 80


class Check(msgspec.Struct, omit_defaults=True):
    """One thing that is asked. As JSON: what has no meaning for this check is left out.

    `asks` names it: a payload field, a part of the event key, or `any`, `all` and `not` around `checks`. `holds` is null when
    nobody can say. A comparison has `operator`, `wanted` and `found`; a field that the event lacks has no `found`.
    """

    asks: str
    holds: bool | None
    operator: str = ""
    wanted: Any = msgspec.UNSET
    found: Any = msgspec.UNSET
    note: str = ""
    checks: list["Check"] = []


def check_clauses(clauses: Iterable[Clause], payload: Any) -> list[Check]:
    """Each clause of a filter judged on a payload, without stopping at the first that does not hold."""
    return [check_clause(clause, payload) for clause in clauses]


def check_clause(clause: Clause, payload: Any) -> Check:
    """One clause judged on a payload: it holds exactly when the compiled clause does."""
    if isinstance(clause, Predicate):
        return _check_predicate(clause, payload)
    if isinstance(clause, Negation):
        inner = check_clause(clause.clause, payload)
        return Check("not", not inner.holds, checks=[inner])
    checks = check_clauses(clause.clauses, payload)
    if isinstance(clause, AllOf):
        return group("all", checks)
    return Check("any", any(check.holds for check in checks), checks=checks)


def check_key(key: EventKey, source: str, event_type: str) -> Check:
    """An event key judged on an event's source and type."""
    sources = [_check_glob("source", glob, source) for glob in key.sources]
    checks = [
        sources[0] if len(sources) == 1 else Check("any", any(check.holds for check in sources), checks=sources),
        _check_glob("type", key.type, event_type),
    ]
    if key.pattern is not None:
        text = f"{source}:{event_type}"
        checks.append(Check("pattern", compile_pattern(key.pattern)(text), "matches", key.pattern, text))
    return group("event key", checks)


def group(asks: str, checks: list[Check]) -> Check:
    """Checks that must all hold: it does not when one does not, and is unknown when none fails but one is unknown."""
    held = [check.holds for check in checks]
    return Check(asks, False if False in held else None if None in held else True, checks=checks)


def reason(check: Check) -> str:
    """Why a check does not hold, in a few words: the first thing inside it that does not."""
    if check.note:
        return check.note
    if check.asks == "any":
        sources = [inner.wanted for inner in check.checks if inner.asks == "source"]
        if sources:
            return f"source is {shown(check.checks[0].found)}, not one of {shown(sources)}"
        return f"none of the {len(check.checks)} filters under any holds"
    if check.asks == "not":
        return "the filter under not holds"
    if check.checks:
        return reason(next(inner for inner in check.checks if inner.holds is not True))
    found = "missing" if check.found is msgspec.UNSET else shown(check.found)
    wanted = shown(check.wanted)
    return (
        f"{check.asks} is {found}, not {wanted}"
        if check.operator == "eq"
        else (f"{check.asks} is {found}, wanted {check.operator} {wanted}")
    )


def shown(value: Any) -> str:
    """A JSON value, short enough for a line."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _check_predicate(predicate: Predicate, payload: Any) -> Check:
    path, operator, wanted = predicate
    value = field_value(path, payload)
    holds = compile_comparison(operator, wanted)(value)
    return Check(".".join(path), holds, operator, wanted, msgspec.UNSET if value is MISSING else value)


def _check_glob(asks: str, glob: str, name: str) -> Check:
    return Check(asks, compile_glob(glob)(name), "matches" if "*" in glob else "eq", glob, name)
