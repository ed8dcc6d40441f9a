"""JSON as the API accepts it."""

import msgspec
import pytest
from fastapi_problem.error import Problem

from ingest.json_text import check_time, decode, decode_any, decode_object
from streams.errors import InvalidEvent, InvalidInput
from streams.nesting import NESTING_LIMIT


class Pair(msgspec.Struct, forbid_unknown_fields=True):
    """Something with fields."""

    left: str
    right: list[int] = []


decode_pair = msgspec.json.Decoder(Pair).decode


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b'{"left": 1}', "left"),
        (b'{"left": "a", "right": [1, "b"]}', "right[1]"),
        (b'{"left": "a", "up": 1}', "up"),
        (b"[]", ""),
        (b"{}", ""),
    ],
)
def test_a_wrong_shape_is_told_by_its_path(text: bytes, path: str) -> None:
    """InvalidInput, which becomes 422."""
    with pytest.raises(InvalidInput) as caught:
        decode(text, decode_pair)
    assert caught.value.path == path


@pytest.mark.parametrize("text", [b"{", b"", b'{"left": 1', b"\xff", b"NaN", b'{"left": "\\udc00"}', b"{} {}", b"'a'"])
def test_what_is_no_json_is_malformed(text: bytes) -> None:
    """A problem 400, also when a wrong type comes before the place where the text breaks."""
    with pytest.raises(Problem) as caught:
        decode(text, decode_pair)
    assert caught.value.status == 400


def test_nesting_is_bounded_and_width_is_not() -> None:
    """A worker wraps an event in a few levels more, and must stay able to read it."""
    decode(b"[" * NESTING_LIMIT + b"]" * NESTING_LIMIT, decode_any)
    decode(b"[" + b"[],{}," * 1000 + b"0]", decode_any)
    decode(b'["' + b"[" * 1000 + b'"]', decode_any)
    for depth in (NESTING_LIMIT + 2, 100_000):
        with pytest.raises(InvalidInput):
            decode(b"[" * depth + b"]" * depth, decode_any)


@pytest.mark.parametrize("depth", [NESTING_LIMIT + 1, 10_000])
def test_the_field_that_is_too_deep_is_named(depth: int) -> None:
    """Also when it is too deep to be decoded, and whatever its neighbours hold."""
    text = b'{"name": "a \\"[{ b", "list": [[]], "match\\u005ffilter": ' + b'{"a": [' * depth + b"]}" * depth + b', "z": 1}'
    with pytest.raises(InvalidInput) as caught:
        decode_object(text)
    assert caught.value.path == "match_filter"


def test_no_body_is_an_empty_object() -> None:
    """Calls whose fields are all optional need no body."""
    assert decode_object(b"") == {}


@pytest.mark.parametrize("value", ["2026-06-11T19:00:00Z", "2026-06-11T19:00:00.123456+02:00"])
def test_an_instant_has_its_offset(value: str) -> None:
    """It is kept as it was written."""
    assert check_time(value) == value


@pytest.mark.parametrize("value", ["2026-06-11", "2026-06-11T19:00:00", "19:00", "2026-13-01T00:00:00Z", "", 7, None])
def test_what_is_no_instant_is_refused(value: object) -> None:
    """The message shows what would be accepted."""
    with pytest.raises(InvalidEvent, match="RFC 3339"):
        check_time(value)
