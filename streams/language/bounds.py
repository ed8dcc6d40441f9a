"""What a filter may weigh: a JSON value that somebody else wrote, judged before anything recurses into it. Pure."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from streams.errors import InvalidTrigger

MAXIMUM_BYTES = 65_536
"""A filter's size as JSON. A thousand conditions fit; what is larger is a table, and belongs where it can be joined."""
MAXIMUM_LEVELS = 32
"""Levels of objects and lists: more than people write by hand, and far below what recursion can follow."""
_MAXIMUM_VALUES = MAXIMUM_BYTES // 2
"""No JSON text of the largest size holds more values; what YAML's aliases blow up holds more within a few levels."""
_PATH_CHARACTERS = 200
_SCALARS = frozenset({str, int, float, bool, type(None)})

_encode = msgspec.json.Encoder().encode


def check_bounds(value: object, where: str) -> None:
    """Refuse what is too deep, too large or no JSON: NaN, infinities, names that are no text, lone surrogates, NUL.

    Takes time in proportion to the limits, whatever it is given. Raises InvalidTrigger naming the path inside the row.
    """
    level: list[Any] = [value]
    for _ in range(MAXIMUM_LEVELS + 1):
        below: list[Any] = []
        for item in level:
            kind = item.__class__
            if kind is dict:
                if any(name.__class__ is not str for name in item):
                    raise _fault(value, where)
                below += item.values()
            elif kind is list:
                below += item
            elif kind not in _SCALARS or (kind is float and not math.isfinite(item)):
                raise _fault(value, where)
            if len(below) > _MAXIMUM_VALUES:
                raise _too_large(where)
        if not below:
            _check_text(value, where)
            return
        level = below
    raise _fault(value, where)


def _check_text(value: object, where: str) -> None:
    try:
        text = _encode(value)
    except (ValueError, TypeError) as error:  # a lone surrogate, a name that is no text, a number of thousands of digits
        raise _fault(value, where) from error
    if len(text) > MAXIMUM_BYTES:
        raise _too_large(where)
    if b"\\u0000" in text:
        fault = _first_fault(value, where)  # None: it says backslash-u-0000, letter by letter
        if fault is not None:
            raise fault


def _too_large(where: str) -> InvalidTrigger:
    return InvalidTrigger(where, f"is too large: at most {MAXIMUM_BYTES:,} bytes of JSON are accepted")


def _fault(value: object, where: str) -> InvalidTrigger:
    return _first_fault(value, where) or InvalidTrigger(
        where, "must be JSON: objects, lists, texts, finite numbers, true, false, null"
    )


def _first_fault(value: object, where: str) -> InvalidTrigger | None:
    """The same judgement with paths, which are only put together for what is refused."""
    waiting: list[tuple[Any, str, int]] = [(value, where, 0)]
    while waiting:
        item, path, depth = waiting.pop()
        if depth > MAXIMUM_LEVELS:
            return InvalidTrigger(_shortened(path), f"is nested too deep: at most {MAXIMUM_LEVELS} levels are accepted")
        reason = _wrong(item)
        if reason is not None:
            return InvalidTrigger(_shortened(path), reason)
        if isinstance(item, (dict, list)):
            waiting += [(inner, f"{_shortened(path)}.{name}", depth + 1) for name, inner in _inside(item)]
    return None


def _inside(item: dict[Any, Any] | list[Any]) -> Iterator[tuple[Any, Any]]:
    return iter(item.items()) if isinstance(item, dict) else iter(enumerate(item))


def _wrong(item: object) -> str | None:
    if isinstance(item, dict):
        return next(
            filter(None, (_wrong(name) if isinstance(name, str) else "has a name that is no text" for name in item)), None
        )
    if isinstance(item, str):
        if "\0" in item:
            return "holds the character NUL, which Postgres cannot keep"
        return None if item.isascii() or _is_unicode(item) else "holds half a surrogate pair; Unicode text is accepted"
    if isinstance(item, float) and not math.isfinite(item):
        return "must be a finite number"
    if isinstance(item, int) and item.bit_length() > 14_000:  # 4,215 digits; Python's own text conversion stops at 4,300
        return "is a number of more than 4,000 digits"
    if item.__class__ in _SCALARS or isinstance(item, list):
        return None
    return "must be JSON: an object, a list, a text, a finite number, true, false or null"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shortened(path: str) -> str:
    return path if len(path) <= _PATH_CHARACTERS else f"{path[:_PATH_CHARACTERS]}…"
