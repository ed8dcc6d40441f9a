"""Triggers as files: both shapes become the same columns, and what is not understood is told with its line."""

from pathlib import Path
from typing import Any

import pytest

from touchline.trigger_export import export
from touchline.trigger_files import Reading, read_files

AGENT = "agent: {id: commentator, hub: local}"
WHOLE = """
trigger:
  name: late goals
  workspace: ours
  event:
    source: sports_feed
    type: goal
    filter: {minute: {gte: 90}}
  agent:
    id: commentator
    instance_id: desk-{date}
    hub: local
    message: say it
    seed_parts: [{literal: be brief}]
    provider: p
    model: m
  one_shot: true
  enabled: false
  owner_email: desk@example.org
  fallback_to_new_hub: true
  dedup: queue
  max_concurrent: 3
  timeout_seconds: 600
  rate_limit: 10/1m
  count_threshold: 5
  window: 5m
  debounce: 30s
  per: payload.game
  input: {tone: dry}
  input_template: {who: "{{ payload.player }}"}
  input_mapping: {minute: $.payload.minute}
  intent_template: "write of {{ payload.player }}"
  payload_transform: {player: "{{ payload.player }}"}
"""


def read(directory: Path, text: str) -> Reading:
    """What a file of this text says."""
    (directory / "t.yaml").write_text(text)
    return read_files([directory / "t.yaml"])


def columns(directory: Path, text: str) -> dict[str, Any]:
    """The columns of a file's only trigger."""
    reading = read(directory, text)
    assert not reading.faults
    (trigger,) = reading.triggers
    return trigger.columns


def test_one_trigger_a_document_becomes_columns(tmp_path: Path) -> None:
    """Every key of the first shape."""
    assert columns(tmp_path, WHOLE) == {
        "workspace": "ours",
        "schedule_type": "event",
        "schedule_expression": "sports_feed:goal",
        "match_filter": {"minute": {"gte": 90}},
        "agent_id": "commentator",
        "agent_instance_id": "desk-{date}",
        "hub_id": "local",
        "supervisor_message": "say it",
        "extra_seed_parts": [{"literal": "be brief"}],
        "provider": "p",
        "model": "m",
        "one_shot": True,
        "enabled": False,
        "owner_email": "desk@example.org",
        "fallback_to_new_hub": True,
        "dedup": "queue",
        "max_concurrent": 3,
        "timeout_seconds": 600,
        "rate_limit": "10/1m",
        "count_threshold": 5,
        "window": "5m",
        "debounce": "30s",
        "per": "payload.game",
        "input": {"tone": "dry"},
        "input_template": {"who": "{{ payload.player }}"},
        "input_mapping": {"minute": "$.payload.minute"},
        "intent_template": "write of {{ payload.player }}",
        "payload_transform": {"player": "{{ payload.player }}"},
    }


def test_many_triggers_have_their_names_as_keys_and_a_template(tmp_path: Path) -> None:
    """The second shape, several documents in one file."""
    text = f"""
triggers:
  goals: {{type: event, event: "sports_feed:goal", template: say it, {AGENT}}}
  nightly: {{type: cron, schedule: {{cron: 0 9 * * *, timezone: Europe/Berlin}}, {AGENT}}}
---
triggers:
  push: {{webhook: {{endpoint: github, method: POST}}, {AGENT}}}
"""
    reading = read(tmp_path, text)
    assert not reading.faults
    assert [trigger.name for trigger in reading.triggers] == ["goals", "nightly", "push"]
    goals, nightly, push = (trigger.columns for trigger in reading.triggers)
    assert (goals["supervisor_message"], goals["schedule_expression"]) == ("say it", "sports_feed:goal")
    assert (nightly["schedule_type"], nightly["schedule_expression"], nightly["timezone"]) == (
        "cron",
        "0 9 * * *",
        "Europe/Berlin",
    )
    assert (push["schedule_type"], push["schedule_expression"], push["method"]) == ("webhook", "github", "POST")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("event: {source: a, type: b}", {"schedule_expression": "a:b"}),
        ("event: {type: b}", {"schedule_expression": "*:b"}),
        ("event: {source: a}", {"schedule_expression": "a:*"}),
        ("event: {sources: [a, c], type: b}", {"schedule_expression": "[a,c]:b"}),
        ("event: {source: 'urn:a', type: b}", {"schedule_expression": "[urn:a]:b"}),
        ("event: {key: '[a, c]:b'}", {"schedule_expression": "[a, c]:b"}),
        ("event: {pattern: 'a:.*'}", {"pattern": "a:.*"}),
        ("event: {match_filter: {x: 1}}", {"match_filter": {"x": 1}}),
        ("event: {condition: {key: x, value: 1}}", {"match_filter": {"key": "x", "value": 1}}),
        ("event: {type: b, crossing: {threshold: 1}}", {"schedule_expression": "*:b", "crossing": {"threshold": 1}}),
        ("schedule: {interval: 5m}", {"schedule_type": "interval", "schedule_expression": "5m"}),
        ("schedule: {at: 2026-06-11T19:00:00Z}", {"schedule_type": "once", "schedule_expression": "2026-06-11T19:00:00Z"}),
        ("{type: schedule, schedule: {cron: x}}", {"schedule_type": "cron", "schedule_expression": "x"}),
        ("{type: cron, schedule: 0 9 * * *}", {"schedule_type": "cron", "schedule_expression": "0 9 * * *"}),
        ("webhook: github", {"schedule_type": "webhook", "schedule_expression": "github"}),
        (
            "webhook: {endpoint: github, rate_limit: 5/1m}",
            {"schedule_type": "webhook", "schedule_expression": "github", "rate_limit": "5/1m"},
        ),
        (
            "{webhook: github, rate_limit: 5/1m}",
            {"schedule_type": "webhook", "schedule_expression": "github", "rate_limit": "5/1m"},
        ),
    ],
)
def test_when_it_fires_becomes_type_and_expression(tmp_path: Path, block: str, expected: dict[str, Any]) -> None:
    """An event key is put together from its names; the type follows from the block."""
    body = block if block.startswith("{") else f"{{{block}}}"
    assert columns(tmp_path, f"triggers: {{t: {body}}}") == {"schedule_type": "event"} | expected


WRONG = [
    ("trigger:\n  name: t\n  colour: red\n", 3, "trigger.colour: is not known; accepted: name, type, event"),
    ("trigger:\n  name: t\n  event:\n    source: a\n    colour: b\n", 5, "trigger.event.colour: is not known; accepted: key"),
    ("triggers:\n  t:\n    name: t\n    event: a:b\n", 3, "triggers.t.name: is not known"),
    ("trigger:\n  event: a:b\n", 1, "must have a name"),
    ("trigger:\n  event: a:b\n  name: 7\n", 3, "must have a name"),
    ("trigger:\n  name: t\n", 1, "must say when it fires"),
    ("trigger:\n  name: t\n  type: cron\n  event: a:b\n", 3, "is cron, but event makes it event"),
    ("trigger:\n  name: t\n  event: a:b\n  webhook: x\n", 4, "stands beside event"),
    ("trigger:\n  name: t\n  event: a:b\n  template: x\n  agent:\n    message: y\n", 6, "says what template says"),
    ("trigger:\n  name: t\n  event:\n    filter: {}\n    condition: {}\n", 5, "says what event.filter says"),
    ("trigger:\n  name: t\n  webhook:\n    rate_limit: 5/1m\n  rate_limit: 5/1m\n", 5, "says what webhook.rate_limit says"),
    ("trigger:\n  name: t\n  event: {source: a, sources: [b]}\n", 3, "beside sources"),
    ("trigger:\n  name: t\n  event: {sources: ['a,b', c]}\n", 3, "comma"),
    ("trigger:\n  name: t\n  event: {source: 7}\n", 3, "must be a text"),
    ("trigger:\n  name: t\n  agent: bob\n", 3, "must be a mapping; accepted: id, instance_id, hub"),
    ("triggers: [a]\n", 1, "must be a mapping of names"),
    ("trigers: {}\n", 1, "trigers: is not known here; accepted: trigger, triggers"),
    ("- a\n", 1, "accepted: trigger, triggers"),
    ("a: b: c\n", 1, "no YAML"),
]


@pytest.mark.parametrize(("text", "line", "message"), WRONG)
def test_what_is_not_understood_is_told_with_file_and_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    """And with what would be accepted."""
    reading = read(tmp_path, text)
    (fault,) = reading.faults
    assert fault.startswith(f"{tmp_path / 't.yaml'}:{line}: ")
    assert message in fault
    assert reading.triggers == []


def test_a_fault_leaves_the_other_triggers_of_its_file(tmp_path: Path) -> None:
    """Every fault is told, not only the first."""
    reading = read(tmp_path, "triggers:\n  a: {event: 'x:y'}\n  b: {evnt: 'x:y'}\n  c: {event: 'x:y'}\n  d: 7\n")
    assert [trigger.name for trigger in reading.triggers] == ["a", "c"]
    assert len(reading.faults) == 2


def test_directories_are_read_with_all_below_and_a_name_stands_once(tmp_path: Path) -> None:
    """Other files are left alone; the second of a name is told where the first is."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text("triggers: {one: {event: 'a:b'}}\n")
    (tmp_path / "deep" / "b.yml").write_text("\n\ntriggers: {two: {event: 'a:b'}, one: {event: 'a:b'}}\n")
    (tmp_path / "notes.txt").write_text("{")
    reading = read_files([tmp_path])
    assert [trigger.name for trigger in reading.triggers] == ["one", "two"]
    assert reading.faults == [f"{tmp_path}/deep/b.yml:3: one: stands at {tmp_path}/a.yaml:1 already"]
    (tmp_path / "empty").mkdir()
    assert "holds no .yaml or .yml file" in read_files([tmp_path / "empty"]).faults[0]
    assert "cannot be read" in read_files([tmp_path / "nothing.yaml"]).faults[0]


def test_a_path_inside_the_row_is_found_in_the_file(tmp_path: Path) -> None:
    """As deep as the file goes; what the file lacks is the trigger's own line."""
    (trigger,) = read(tmp_path, WHOLE).triggers
    assert trigger.place("match_filter.minute.gte").endswith("t.yaml:8")
    assert trigger.place("schedule_expression").endswith("t.yaml:6")
    assert trigger.place("extra_seed_parts.0.literal").endswith("t.yaml:14")
    assert trigger.place("pattern").endswith("t.yaml:2")


ROW: dict[str, Any] = {
    "id": "1",
    "name": "t",
    "workspace": "default",
    "schedule_type": "event",
    "schedule_expression": "a:b",
    "pattern": None,
    "match_filter": None,
    "agent_id": "agent",
    "agent_instance_id": None,
    "hub_id": "hub",
    "supervisor_message": "",
    "extra_seed_parts": [],
    "provider": None,
    "model": None,
    "enabled": True,
    "one_shot": False,
    "fallback_to_new_hub": False,
    "owner_email": None,
    "dedup": "allow",
    "generation": 1,
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"workspace": "ours", "enabled": False, "one_shot": True, "fallback_to_new_hub": True, "owner_email": "a@b"},
        {"schedule_expression": "[a, b]:c"},
        {"schedule_expression": "[a,b]:c"},
        {"schedule_expression": "[u:r]:c:d"},
        {"schedule_expression": "*:*", "pattern": "a.*:(b|c)"},
        {"schedule_expression": "nonsense"},
        {"match_filter": {"x": {"gte": 1.0}, "yes": "no", "any": [{"a": None}]}, "supervisor_message": "a\nb: #\n"},
        {"extra_seed_parts": [{"literal": "x"}], "provider": "1", "model": "null", "agent_instance_id": "{date}"},
        {"schedule_type": "cron", "schedule_expression": "0 9 * * *", "timezone": "Europe/Berlin"},
        {"schedule_type": "once", "schedule_expression": "2026-06-11T19:00:00Z"},
        {"schedule_type": "webhook", "schedule_expression": "github", "method": "POST", "rate_limit": "5/1m"},
        {"dedup": "skip", "max_concurrent": 2, "timeout_seconds": 0.5, "rate_limit": "10/1m", "per": "payload.game"},
        {"count_threshold": 5, "window": "5m", "debounce": "30s", "intent_template": "{{ payload.repo }}\n# not yet"},
        {"input": 0, "input_template": "- {{ payload.a }}", "input_mapping": {"a": "$.payload['b']"}},
        {"input": "null", "payload_transform": ["{{ payload }}", {"yes": "no", "n": 1.0}]},
        {"input": False},
    ],
)
def test_an_exported_row_is_read_back_as_it_was(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Whatever it holds, down to a key that only SQL could have written."""
    row = ROW | changed
    (tmp_path / "t.yaml").write_text(export([row]))
    reading = read_files([tmp_path])
    assert not reading.faults
    (trigger,) = reading.triggers
    read_back = ROW | {"id": "1", "name": trigger.name} | trigger.columns
    if row["pattern"]:
        read_back["schedule_expression"] = row["schedule_expression"]  # the server's own word for none
    assert read_back == row
