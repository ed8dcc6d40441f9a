"""JSON as the API accepts it: RFC 8259 text in UTF-8, numbers finite, nested no deeper than a worker can follow.

A name given twice in one object counts once, with its last value, as in most parsers; what was accepted is written
anew to Kafka, so every later reader sees the same.
"""

import re
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec

from ingest.problems import problem
from streams.errors import InvalidEvent, InvalidInput

T = TypeVar("T")
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

NESTING_LIMIT = 100
"""Levels of lists and objects: the stages wrap an event a few levels more, and all must stay far below Python's own limit."""

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
    except msgspec.ValidationError as error:
        _well_formed(text)  # msgspec stops at the first wrong type, also when the text is cut off after it
        raise _fault(str(error), accepted) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(error) from error
    except RecursionError as error:
        raise InvalidInput("", f"is nested deeper than {NESTING_LIMIT} levels") from error
    if nesting_is_checked:
        _check_nesting(text)
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


def _fault(message: str, accepted: tuple[str, ...]) -> InvalidInput:
    found = _FAULT.match(message)
    text, path = (found["message"], (found["path"] or "").lstrip(".")) if found else (message, "")
    unknown = _UNKNOWN.match(text)
    if unknown is None:
        return InvalidInput(path, text[:1].lower() + text[1:])
    names = f"; accepted: {', '.join(accepted)}" if accepted and not path else ""
    return InvalidInput(".".join(filter(None, (path, unknown["field"]))), f"is not a known field{names}")


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
        raise InvalidInput("", f"is nested deeper than {NESTING_LIMIT} levels") from error


def _check_nesting(text: bytes | msgspec.Raw) -> None:
    raw = bytes(text)
    if raw.count(b"[") + raw.count(b"{") <= NESTING_LIMIT:
        return
    level = [decode_any(raw)]
    for _ in range(NESTING_LIMIT + 1):
        level = [item for value in level for item in _items(value)]
        if not level:
            return
    raise InvalidInput("", f"is nested deeper than {NESTING_LIMIT} levels")


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [item for item in value if isinstance(item, (dict, list))] if isinstance(value, list) else []
