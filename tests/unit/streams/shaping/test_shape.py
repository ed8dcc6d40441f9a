"""What a row's columns make together: the payload, the input and the message."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from streams.errors import InvalidTrigger, ShapingFailed
from streams.shaping.shape import check_shaping, shape
from tests.unit.streams.shaping.shaping import EVENT, LINEAGE, PAYLOAD, row, shaped


def test_a_row_without_shaping_passes_the_payload_on() -> None:
    """The input is the payload and the message the supervisor's, as they are."""
    made = shaped()
    assert made.input is PAYLOAD
    assert made.payload is PAYLOAD
    assert made.message == "Look."


@pytest.mark.parametrize(
    ("columns", "made"),
    [
        ({"input": {"a": 1}}, {"a": 1}),
        ({"input": [1, "{{ payload.repo }}"]}, [1, "{{ payload.repo }}"]),
        ({"input": {}}, {}),
        ({"input_template": {"r": "{{ payload.repo }}"}}, {"r": "acme/site"}),
        ({"input_template": "{{ payload.owner }}"}, PAYLOAD["owner"]),
        ({"input_mapping": {"r": "$.payload.repo"}}, {"r": "acme/site"}),
        ({"payload_transform": {"r": "{{ payload.repo }}"}}, {"r": "acme/site"}),
        ({"payload_transform": "{{ payload.nothing }}"}, None),
        (
            {
                "input": {"a": 1, "b": 1, "c": 1},
                "input_template": {"b": "{{ payload.stars }}", "c": 2},
                "input_mapping": {"c": "$.payload.ref"},
            },
            {"a": 1, "b": 3, "c": "main"},
        ),
        (
            {"input": {"branch": "dev", "o": {"x": 1}}, "input_template": {"branch": "{{ payload.nothing }}", "o": {"y": 2}}},
            {"branch": "dev", "o": {"y": 2}},
        ),
        ({"input": {"a": 1}, "input_mapping": {"a": "$.payload.nothing"}}, {"a": 1}),
        ({"input": {"a": 1}, "input_template": "{{ payload.owner }}"}, {"a": 1, "name": "Bea", "admin": True}),
        (
            {
                "payload_transform": {"r": "{{ payload.repo }}"},
                "input_template": {"short": "{{ payload }}", "was": "{{ event.payload.ref }}"},
                "input_mapping": {"now": "$.payload.r", "then": "$.event.payload.stars", "gone": "$.payload.ref"},
            },
            {"short": {"r": "acme/site"}, "was": "main", "now": "acme/site", "then": 3},
        ),
    ],
)
def test_the_input_is_made_of_the_columns_in_order(columns: dict[str, Any], made: Any) -> None:
    """A later member replaces an earlier one, one that is missing does not; the event stays what it was."""
    assert shaped(**columns).input == made


def test_the_transformed_payload_is_what_the_message_sees() -> None:
    """And what is handed on as the payload."""
    made = shaped(payload_transform={"r": "{{ payload.repo }}"}, intent_template="{{ payload.r }}{{ payload.repo }}")
    assert made.payload == {"r": "acme/site"}
    assert made.message == "acme/site"


def test_events_that_were_coalesced_are_all_there() -> None:
    """A message about a whole window names each of them."""
    events = [EVENT | {"id": "e7"}, EVENT | {"id": "e8"}, EVENT]
    trigger = row(
        intent_template="{{ events | length }}: {{ events | join(' ', attribute='id') }}", input_mapping={"n": "$.events[*].id"}
    )
    made = shape(trigger, EVENT, LINEAGE, events)
    assert made.message == "3: e7 e8 e1"
    assert made.input == {"n": ["e7", "e8", "e1"]}


@pytest.mark.parametrize(
    ("columns", "path", "reason"),
    [
        ({"input": [1], "input_mapping": {"a": "$.payload"}}, "input", "must be an object, since it is merged"),
        ({"input": {}, "input_template": [1]}, "input_template", "must be an object, since it is merged"),
        ({"input_mapping": {"a": 1}}, "input_mapping.a", "must be a JSONPath"),
        ({"input_mapping": {str(n): "$.payload" for n in range(201)}}, "input_mapping", "may hold 200 queries"),
        (
            {"input_template": {"{{ payload.key }}": 1}},
            "input_template.{{ payload.key }}",
            "the name of a member is no template",
        ),
        ({"input": {"a": float("nan")}}, "input.a", "must be a finite number"),
        ({"input": "a" * 70_000}, "input", "is too large"),
        ({"payload_transform": {"a": "\0"}}, "payload_transform.a", "NUL"),
        ({"intent_template": "{{ payload.repo }}" * 1_000}, "", "more than 16,384 characters together"),
    ],
)
def test_columns_are_refused_when_they_are_written(columns: dict[str, Any], path: str, reason: str) -> None:
    """Naming the path inside the row and what is accepted."""
    with pytest.raises(InvalidTrigger) as refused:
        check_shaping(row(**columns))
    assert refused.value.path == path
    assert reason in refused.value.message


def test_a_row_written_by_hand_fails_its_executions_with_the_reason() -> None:
    """SQL can write what the door refuses; each time it fires, the same reason, whether remembered or not."""
    trigger = row(intent_template="{{ payloda }}")
    for _ in range(2):
        with pytest.raises(ShapingFailed, match="intent_template: line 1: there is no payloda"):
            shape(trigger, EVENT, LINEAGE)


def test_what_does_not_merge_at_last_fails_with_the_column() -> None:
    """A template of one text may name an object; here it does not."""
    with pytest.raises(ShapingFailed) as failed:
        shaped(input={"a": 1}, input_template="{{ payload.labels }}")
    assert failed.value.path == "input_template"


def test_shaping_the_same_event_again_gives_the_same() -> None:
    """A firing that is judged again after a crash must not differ (DESIGN 4.2)."""
    columns: dict[str, Any] = {
        "payload_transform": {"commits": "{{ payload.commits | sort(attribute='lines') }}", "owner": "{{ payload.owner }}"},
        "input_mapping": {"all": "$.event.payload..*"},
        "intent_template": "{% for k, v in payload.owner | items %}{{ k }}{{ v }}{% endfor %}",
    }
    assert msgspec.json.encode(shaped(**columns)) == msgspec.json.encode(shaped(**columns))


def test_triggers_are_read_without_a_template_library() -> None:
    """A million rows are decoded when a worker starts; most have no templates."""
    code = (
        "import sys, streams.trigger, streams.shaping.shape;"
        "sys.exit(any(name.split('.')[0] in ('jinja2', 'jsonpath') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
