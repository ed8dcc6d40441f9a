"""JSON as the API accepts it: RFC 8259 text in UTF-8, numbers finite, nested no deeper than a worker can follow.

A name given twice in one object counts once, with its last value, as in most parsers; what was accepted is written
anew to Kafka, so every later reader sees the same.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec

from ingest.problems import problem
from streams.errors import InvalidEvent, InvalidInput
from streams.nesting import NESTING_LIMIT, deep_field

T = TypeVar("T")
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

_TOO_MANY_DIGITS = 4_300
"""Python's own limit on the digits of an integer, which msgspec shares."""

_FAULT = re.compile(r"^(?P<message>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<field>.*)`$", re.DOTALL)

decode_any = msgspec.json.Decoder(strict=True).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def decode(
    text: bytes | msgspec.Raw,
    decoder: Callable[[bytes | msgspec.Raw], T],
    accepted: tuple[str, ...] = (),
    *,
    nesting_is_checked: bool = True,
) -> T:
    """Decode `text`. `accepted` names the fields there are, for the message that refuses another.

    Raises problem 400 when it is no JSON at all, InvalidInput when it is JSON of another shape.
    """
    try:
        value = decoder(text)
        if nesting_is_checked and deep_field(bytes(text)) is not None:
            raise _too_deep(text)
    except msgspec.ValidationError as error:
        _well_formed(text)  # msgspec stops at the first wrong type, also when the text is cut off after it
        raise _fault(str(error), accepted, text) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error
    except RecursionError as error:
        raise _too_deep(text) from error
    return value


def decode_object(text: bytes | msgspec.Raw) -> dict[str, Any]:
    """Decode one JSON object; an empty text is an empty object. Raises like `decode`."""
    return decode(text or b"{}", _decode_object)


def check_time(value: object) -> str:
    """Return `value` if it is an instant by RFC 3339, with its offset. Raises InvalidEvent."""
    try:
        if isinstance(value, str) and msgspec.convert(value, Instant):
            return value
    except msgspec.ValidationError:
        pass
    raise InvalidEvent("time", "must be an instant by RFC 3339 with its offset, such as 2026-06-11T19:00:00Z")


def _fault(message: str, accepted: tuple[str, ...], given: bytes | msgspec.Raw) -> InvalidInput:
    found = _FAULT.match(message)
    text, path = (found["message"], (found["path"] or "").lstrip(".")) if found else (message, "")
    if "[...]" in path:  # in a value of any shape only a number can be at fault, and msgspec does not say which
        return InvalidInput(_beyond(given), "is a number beyond what readers of JSON hold")
    unknown = _UNKNOWN.match(text)
    if unknown is None:
        return InvalidInput(path, text[:1].lower() + text[1:])
    names = f"; accepted: {', '.join(accepted)}" if accepted and not path else ""
    return InvalidInput(".".join(filter(None, (path, unknown["field"]))), f"is not a known field{names}")


def _short(digits: str) -> float:
    return 0 if len(digits) < _TOO_MANY_DIGITS else math.inf


def _beyond(text: bytes | msgspec.Raw) -> str:
    """The path of the first number that is too large, empty when there is none to be found."""
    try:
        waiting = [("", json.loads(bytes(text), parse_int=_short))]
    except (ValueError, RecursionError):
        return ""
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return path
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting += [(f"{path}.{name}" if path else str(name), inner) for name, inner in inside]
    return ""


def _malformed(error: Exception) -> Exception:
    return problem(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}", "malformed-json")


def _well_formed(text: bytes | msgspec.Raw) -> None:
    try:
        decode_any(text)
    except msgspec.ValidationError:  # a number beyond what JSON readers hold: well-formed, and told by the caller
        return
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error
    except RecursionError as error:
        raise _too_deep(text) from error


def _too_deep(text: bytes | msgspec.Raw) -> InvalidInput:
    return InvalidInput(deep_field(bytes(text)) or "", f"is nested deeper than {NESTING_LIMIT} levels")
