"""The filters of templates, each with what it does to values of every kind."""

from typing import Any

import pytest

from streams.errors import ShapingFailed
from tests.unit.streams.shaping.shaping import value

DATA: dict[str, Any] = {
    "text": " Hello wide World ",
    "csv": "a,b,,c",
    "n": -2.567,
    "count": "12",
    "zero": 0,
    "null": None,
    "numbers": [3, 1, 2, 1],
    "words": ["b", "a", "b"],
    "mixed": [1, "a"],
    "people": [
        {"name": "bea", "age": 40, "at": {"city": "Ulm"}},
        {"name": "al", "age": 7},
        {"name": "cy", "age": 40, "vip": True},
    ],
    "object": {"b": 1, "a": 2},
}


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        ("text | trim", "Hello wide World"),
        ("text | trim | upper", "HELLO WIDE WORLD"),
        ("text | trim | lower", "hello wide world"),
        ("'hello there' | capitalize", "Hello there"),
        ("'hello there' | title", "Hello There"),
        ("n | upper", "-2.567"),
        ("gone | upper", ""),
        ("csv | replace(',', '; ')", "a; b; ; c"),
        ("text | trim | truncate(6)", "Hello…"),
        ("text | trim | truncate(8, end='...')", "Hello..."),
        ("csv | truncate(6)", "a,b,,c"),
        ("csv | split(',')", ["a", "b", "", "c"]),
        ("text | split", ["Hello", "wide", "World"]),
        ("gone | default('none')", "none"),
        ("null | default('none')", "none"),
        ("zero | default('none')", 0),
        ("zero | default('none', true)", "none"),
        ("zero | default('none', boolean=true)", "none"),
        ("count | int + 1", 13),
        ("'4.9' | int", 4),
        ("'x' | int", 0),
        ("'x' | int(-1)", -1),
        ("'1.5' | float", 1.5),
        ("'nan' | float", 0.0),
        ("'9999999999999999999' | float", 1e19),
        ("numbers | string", "[3,1,2,1]"),
        ("object | tojson", '{"b":1,"a":2}'),
        ("n | round", -3),
        ("n | round(1)", -2.6),
        ("n | abs", 2.567),
        ("numbers | length", 4),
        ("object | length", 2),
        ("csv | length", 6),
        ("gone | length", 0),
        ("numbers | first", 3),
        ("numbers | last", 1),
        ("gone | first", None),
        ("words | join", "bab"),
        ("words | join('-')", "b-a-b"),
        ("people | join(', ', attribute='name')", "bea, al, cy"),
        ("people | map(attribute='name')", ["bea", "al", "cy"]),
        ("people | map(attribute='at.city')", ["Ulm", None, None]),
        ("people | selectattr('vip') | map(attribute='name')", ["cy"]),
        ("people | rejectattr('vip') | length", 2),
        ("people | selectattr('age', '==', 40) | map(attribute='name')", ["bea", "cy"]),
        ("people | selectattr('age', '<', 10) | map(attribute='name')", ["al"]),
        ("people | rejectattr('age', 'in', [7, 8]) | length", 2),
        ("numbers | sort", [1, 1, 2, 3]),
        ("numbers | sort(reverse=true)", [3, 2, 1, 1]),
        ("people | sort(attribute='age') | map(attribute='name')", ["al", "bea", "cy"]),
        ("words | unique", ["b", "a"]),
        ("numbers | reverse", [1, 2, 1, 3]),
        ("csv | reverse", "c,,b,a"),
        ("numbers | sum", 7),
        ("people | sum('age')", 87),
        ("numbers | min", 1),
        ("words | max", "b"),
        ("gone | max", None),
        ("object | items", [["b", 1], ["a", 2]]),
        ("gone | items", []),
    ],
)
def test_a_filter_makes(expression: str, made: Any) -> None:
    """As Jinja has it by the same name, on JSON values; nothing is coerced but to text."""
    assert value(f"{{{{ {_of_payload(expression)} }}}}", DATA) == made


def _of_payload(expression: str) -> str:
    """The names of the data stand in the payload."""
    return expression if expression[0] == "'" else f"payload.{expression}"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("csv | join", "join takes a list, and found a text"),
        ("mixed | sort", "sort takes a list of numbers or a list of texts"),
        ("people | sort", "sort takes a list of numbers or a list of texts"),
        ("people | min", "min takes a list of numbers or a list of texts"),
        ("words | sum", "sum takes a list of numbers"),
        ("csv | abs", "abs takes a number, and found a text"),
        ("n | round(99)", "round takes a number and up to 20 digits"),
        ("csv | replace('', 'x')", "replace takes a text to look for that is not empty"),
        ("csv | split('')", "split takes a separator"),
        ("csv | truncate('x')", "truncate takes a length"),
        ("numbers | items", "items takes an object, and found a list"),
        ("people | map(attribute=1)", "an attribute is named by a short text"),
        ("people | selectattr('age', 'like', 1)", 'takes a comparison such as "=="'),
    ],
)
def test_a_filter_says_what_it_takes(expression: str, reason: str) -> None:
    """A wrong kind of value fails the execution with the reason."""
    with pytest.raises(ShapingFailed, match="input_template") as failed:
        value(f"{{{{ payload.{expression} }}}}", DATA)
    assert reason in failed.value.message
