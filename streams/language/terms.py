"""The terms of a crossing: a row's `crossing` object, read and judged. Pure.

    {"field": "price", "direction": "above", "threshold": 100, "hysteresis": 0.5, "held_for": "30s", "type": "quote",
     "key": ["symbol", "venue"]}

- `direction`: `above` crosses when the value goes from below the threshold to it or above; `below` is the mirror; `both` is
  `above` that also tells when the value goes back below; `changed` is any other value than the last one, of any scalar type.
- `hysteresis`: how far beyond the threshold the value must go back before it can cross again. After crossing above 100 with
  0.5 it crosses again once it has been below 99.5 (and with `both`, that is also where it crosses downward).
- `held_for`: the value must stay across for so long, by the events' own time, before it counts as crossed.
- `type`: only events of this type are looked at; without it, all of the source that have the field.
- `key`: each distinct combination of these fields' values is a watched value of its own. Without it the row's equalities
  choose one value; and without those, each subject is its own.
"""

import math
import sys
from decimal import Context, Decimal
from typing import Any, NamedTuple

from streams.errors import InvalidEvent, InvalidTrigger
from streams.event import check_name
from streams.language.bounds import check_bounds
from streams.language.comparison import is_number
from streams.language.duration import parse_duration
from streams.language.filter import Path

DIRECTIONS = ("above", "below", "both", "changed")
MAXIMUM_HELD_FOR = "7d"
"""Events are kept for seven days; a value that is silent for longer has no event left that could tell of it."""
MAXIMUM_KEY_FIELDS = 8
_NAMES = ("field", "direction", "threshold", "hysteresis", "held_for", "type", "key")
_EXACT_INTEGERS = 2**53
"""Doubles below this hold every integer."""
_DECIMAL = Context(prec=2_000)
"""Holds the sum of any two doubles, from 1.8e308 down to 5e-324, exactly."""


class Terms(NamedTuple):
    """What is watched for. `threshold` is None for `changed`; `release` is where the value is back, beyond the hysteresis."""

    field: Path
    direction: str
    threshold: float | None = None
    hysteresis: float = 0
    held_for_ms: int = 0
    input_type: str | None = None
    key: tuple[Path, ...] | None = None

    @property
    def release(self) -> float:
        """Beyond this number (below it for `above` and `both`, above it for `below`) the value can cross again."""
        assert self.threshold is not None  # noqa: S101 -- for mypy: a change has nothing to release
        hysteresis = -self.hysteresis if self.direction == "below" else self.hysteresis
        exact = _DECIMAL.subtract(_decimal(self.threshold), _decimal(hysteresis))
        if abs(exact) < _EXACT_INTEGERS:
            return canonical_number(float(exact), "crossing.hysteresis")
        # Values as large as this are whole numbers, doubles too: what is beyond the number is beyond the next whole one.
        return math.floor(exact) if self.direction == "below" else math.ceil(exact)


def _decimal(number: float) -> Decimal:
    """A number as it is written: 0.1 is 0.1. A large double is the whole number that it is."""
    return Decimal(str(number)) if abs(number) < _EXACT_INTEGERS else Decimal(number)


def parse_terms(crossing: object) -> Terms:
    """Read a row's `crossing`. Raises InvalidTrigger naming the path inside the row and what is accepted."""
    if not isinstance(crossing, dict):
        raise InvalidTrigger("crossing", 'must be an object such as {"field": "price", "direction": "above", "threshold": 100}')
    check_bounds(crossing, "crossing")
    for name in crossing:
        if name not in _NAMES:
            raise InvalidTrigger(f"crossing.{name}", f"is not known; accepted: {', '.join(_NAMES)}")
    direction = crossing.get("direction")
    if direction not in DIRECTIONS:
        raise InvalidTrigger("crossing.direction", f"accepted: {', '.join(DIRECTIONS)}")
    field = _parse_field(crossing.get("field"), "crossing.field")
    input_type, key = _parse_type(crossing.get("type")), _parse_key(crossing.get("key"))
    if direction == "changed":
        for name in ("threshold", "hysteresis", "held_for"):
            if crossing.get(name) is not None:
                raise InvalidTrigger(f"crossing.{name}", "goes with above, below and both; any other value is a change")
        return Terms(field, direction, input_type=input_type, key=key)
    threshold = _parse_number(crossing.get("threshold"), "crossing.threshold")
    hysteresis, held_for = crossing.get("hysteresis"), crossing.get("held_for")
    hysteresis = 0 if hysteresis is None else _parse_number(hysteresis, "crossing.hysteresis")
    if hysteresis < 0:
        raise InvalidTrigger("crossing.hysteresis", "must not be negative")
    held_for_ms = 0 if held_for is None else parse_duration(held_for, "crossing.held_for", MAXIMUM_HELD_FOR)
    return Terms(field, direction, threshold, hysteresis, held_for_ms, input_type, key)


def canonical(value: Any) -> Any:
    """One JSON value for all ways to write a number: 100 for 100.0; what no double holds exactly stays an integer."""
    if value.__class__ is float:
        return int(value) if value.is_integer() and abs(value) < _EXACT_INTEGERS else value
    if value.__class__ is not int or abs(value) < _EXACT_INTEGERS:
        return value
    try:
        return as_double if (as_double := float(value)) == value else value
    except OverflowError:
        return value


def canonical_number(value: float, where: str) -> float:
    """`canonical` for a threshold. Raises InvalidTrigger for one that no value of a double crosses."""
    number: float = canonical(value)
    if abs(number) > sys.float_info.max:
        raise InvalidTrigger(where, "is beyond 1.8e308, which no value of a double crosses")
    return number


def _parse_number(value: object, where: str) -> float:
    if not isinstance(value, (int, float)) or not is_number(value):
        raise InvalidTrigger(where, "must be a number")
    return canonical_number(value, where)


def _parse_field(value: object, where: str) -> Path:
    path = tuple(value.split(".")) if isinstance(value, str) else ()
    if not all(path) or not path:
        raise InvalidTrigger(where, "must be the name of a payload field, or names joined by single dots")
    return path


def _parse_type(value: object) -> str | None:
    if value is None:
        return None
    try:
        name = check_name("type", value)
    except InvalidEvent as error:
        raise InvalidTrigger("crossing.type", error.message) from error
    if "*" in name:
        raise InvalidTrigger("crossing.type", "is one event type; leave it out to look at all of the source")
    return name


def _parse_key(value: object) -> tuple[Path, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not 0 < len(value) <= MAXIMUM_KEY_FIELDS:
        raise InvalidTrigger("crossing.key", f'must be a list of 1 to {MAXIMUM_KEY_FIELDS} payload fields, such as ["symbol"]')
    paths = tuple(_parse_field(one, f"crossing.key.{number}") for number, one in enumerate(value))
    if len(set(paths)) < len(paths):
        raise InvalidTrigger("crossing.key", "names a field twice")
    return paths
