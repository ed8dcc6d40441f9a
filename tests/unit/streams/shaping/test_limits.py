"""Hostile rows: whatever an author writes, one firing takes tens of milliseconds and a few megabytes at most."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from streams.errors import InvalidTrigger, ShapingFailed
from streams.nesting import NESTING_LIMIT
from streams.shaping.budget import MAXIMUM_BYTES
from streams.shaping.recipe import Columns, Recipes
from streams.shaping.shape import check_shaping
from tests.unit.streams.shaping.shaping import row, shaped

LONGEST_SECONDS = 3.0
"""Of CPU, reading the template included; ten times what the worst of these takes on a slow machine."""


def nested(levels: int) -> Any:
    """A value as deep as an event may be."""
    value: Any = 0
    for level in range(levels):
        value = {"in": value, "x": level} if level % 2 else [value, level]
    return value


OBJECTS = [{"k": number, "t": {"a": [number]}} for number in range(10_000)]
HOSTILE: dict[str, Any] = {
    "text": "a" * 500_000,
    "needle": "a" * 40 + "b" + "a" * 40,
    "list": list(range(50_000)),
    "objects": OBJECTS,
    "twin": msgspec.json.decode(msgspec.json.encode(OBJECTS)),
    "deep": nested(NESTING_LIMIT - 2),
    "huge": int("9" * 4_000),
    "patterns": [f"(((a{{0,9}}){{0,9}}){{0,9}}b?)*{number}x" for number in range(1_000)],
}
STEPS, BYTES, NUMBER = "takes more than the 50,000 steps", f"makes more than {MAXIMUM_BYTES:,} bytes", "64 bits are kept"


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Every test here also defends the time."""
    before = time.process_time()
    yield
    assert time.process_time() - before < LONGEST_SECONDS


def loops(depth: int, body: str) -> str:
    """Loops within loops over a long list."""
    heads = "".join(f"{{% for x{level} in payload.list %}}" for level in range(depth))
    return heads + body + "{% endfor %}" * depth


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (loops(1, "x"), STEPS),
        (loops(5, ""), STEPS),
        (loops(1, "{% if x0 %}{% endif %}" * 500), STEPS),
        ("{% for x in payload.objects %}" + "{{ x.k }}" * 50 + "{% endfor %}", STEPS),
        ("".join(f"{{% set x{n} = payload %}}" for n in range(45)) + loops(1, ""), STEPS),
        ("{% set x = 'aaaaaaaa' %}" + "{% set x = x ~ x %}" * 60, STEPS),
        ("{% set x = 'aaaaaaaa' %}" + "{% set x = x + x %}" * 60, STEPS),
        ("{{ payload.text | replace('a', payload.text) }}", STEPS),
        ("{{ 'a'" + " | replace('a', 'aaaaaaaa')" * 40 + " }}", STEPS),
        ("{{ '\"\"'" + " | tojson" * 60 + " }}", STEPS),
        ("{{ payload.text" + " | upper" * 200 + " }}", STEPS),
        ("{{ payload.text | split('a') }}", STEPS),
        ("{{ payload.list | join(payload.text) }}", STEPS),
        ("{{ payload.needle in payload.text }}" * 300, STEPS),
        ("{{ payload.text | replace(payload.needle, '') }}" * 100, BYTES),
        ("{{ payload.objects == payload.twin }}" * 100, STEPS),
        ("{{ payload.twin in payload.objects }}" * 100, STEPS),
        ("{{ payload.objects | sort(attribute='k') }}" * 50, STEPS),
        ("{{ payload.objects | selectattr('t', '==', payload.objects[3].t) }}" * 50, STEPS),
        ("{{ payload.list[1:] | length }}" * 100, STEPS),
        ("{{ payload.text ~ payload.text ~ payload.text }}", BYTES),
        ("{{ payload.text }}" * 3, BYTES),
        ("{{ payload }}" * 100, BYTES),
        ("{{ payload.huge * payload.huge }}", NUMBER),
        ("{{ 9" + " * 9" * 100 + " }}", NUMBER),
        ("{{ 'a' * 1000000000 }}", "* takes two numbers"),
        ("{{ payload.patterns | map(attribute=payload.text) }}", "a short text"),
    ],
)
def test_a_template_stops_where_its_budget_does(template: str, reason: str) -> None:
    """Loops, growing texts, costly filters, comparisons of large values, large numbers."""
    with pytest.raises(ShapingFailed, match="intent_template") as failed:
        shaped(HOSTILE, intent_template=template)
    assert reason in failed.value.message


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"input_template": {str(n): "{{ payload.objects }}" for n in range(500)}}, BYTES),
        ({"input_template": ["{{ payload.text }}"] * 500}, BYTES),
        ({"payload_transform": "{{ payload }}"}, BYTES),
        ({"input_mapping": {str(n): "$.payload.objects" for n in range(200)}}, BYTES),
        ({"input_mapping": {"a": "$.payload..*"}}, STEPS),
        ({"input_mapping": {"a": "$.payload.deep..*..*..*..*..*"}}, STEPS),
        ({"input_mapping": {"a": "$.payload" + "[*,*,*,*]" * 30}}, STEPS),
        ({"input_mapping": {"a": "$.payload.objects[?count($.payload.objects[?@.k==3])==1]"}}, STEPS),
        ({"input_mapping": {"a": "$.payload..[?count(@..*) > count($..*)]"}}, STEPS),
        (
            {
                "input_mapping": {"a": "$.payload[?@ == $.payload.twin]"}
                | {str(n): "$.payload[?@ == $.payload.twin]" for n in range(50)}
            },
            STEPS,
        ),
        ({"input_mapping": {"a": "$.payload[?search(@, '(a|b|ab)*[ab]{500}c')]"}}, STEPS),
        ({"input_mapping": {"a": "$.payload.patterns[?search($.payload.text, @)]"}}, STEPS),
        ({"input_mapping": {"a": "$.payload.patterns[?search('aaaaaaaaaaaaaaaaaaaaaa', @)]"}}, STEPS),
    ],
)
def test_an_input_stops_where_its_budget_does(columns: dict[str, Any], reason: str) -> None:
    """Values taken many times, descents within descents, queries within filters, expressions that never end elsewhere."""
    with pytest.raises(ShapingFailed) as failed:
        shaped(HOSTILE, **columns)
    assert failed.value.path.startswith(tuple(columns))
    assert reason in failed.value.message


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "(" * 16_000 + " }}",
        "{{ " + "[" * 16_000 + " }}",
        "{{ 1" + "+1" * 8_000 + " }}",
        "{{ 1" + "|int" * 4_000 + " }}",
        "{{ " + "not " * 4_000 + "1 }}",
        "{{ 1" + " if 1 else 1" * 1_300 + " }}",
        "{% if 1 %}" * 1_600,
        "{{" * 8_000,
        "{{" + " " * 16_000,
        "{% raw" + " " * 15_000,
        "{{ '" + "\\'" * 8_000,
        "{{ 1|int(" + "a=1," * 4_000 + ") }}",
        "{{ " + "9" * 15_000 + " }}",
        "{% for x in range(1000000000) %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_a_template_that_is_hard_to_read_is_refused(template: str) -> None:
    """Thousands of brackets, operators or blocks; ranges; recursion."""
    with pytest.raises(InvalidTrigger, match="intent_template"):  # and not for its length, which concerns the whole row
        check_shaping(row(intent_template=template))


@pytest.mark.parametrize(
    "query",
    [
        "$.payload" + ".a" * 20_000,
        "$.payload[?" + "(" * 480 + "@" + ")" * 480 + "]",
        "$.payload[?match(@, '((a{1,99}){1,99}){1,99}')]",
    ],
)
def test_a_query_that_is_hard_to_read_is_refused(query: str) -> None:
    """Long ones, deep ones, and expressions whose automaton would be large."""
    with pytest.raises(InvalidTrigger, match="input_mapping"):
        check_shaping(row(input_mapping={"a": query}))


def test_the_deepest_input_can_be_written_and_read() -> None:
    """A value as deep as an event may be, at the bottom of a template as deep as a row may be."""
    template: Any = "{{ payload.deep }}"
    for _ in range(31):
        template = [template]
    made = shaped({"deep": HOSTILE["deep"]}, input_template=template).input
    assert msgspec.json.decode(msgspec.json.encode({"inject": {"seed_parts": [{"literal": made}]}}))["inject"]["seed_parts"]


def test_what_is_remembered_is_bounded() -> None:
    """By what the rows weigh when compiled, of which their length says little; the last one used stays."""
    recipes = Recipes(maximum_parts=100)
    first: Columns = (None, None, None, None, "{{ payload.a }}")
    known = recipes.find(first)
    for number in range(50):
        recipes.find((None, None, None, None, f"{number}" + "{{ payload.a }}" * 5))
        assert recipes.find(first) is known
    assert 1 < len(recipes) < 20
