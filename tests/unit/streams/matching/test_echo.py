"""echo_of: which rows are warned that they hear their own agent."""

from typing import Any

import pytest

from streams.matching.echo import EMITTED, echo_of
from streams.trigger import Trigger, parse_condition

NOT_ITSELF = {"not": {"agent_id": "reporter"}}


def echo(expression: str, match_filter: dict[str, Any] | None = None, **columns: Any) -> str | None:
    """What is said of a row of agent `reporter`."""
    row = {"id": "t", "name": "t", "agent_id": "reporter", "hub_id": "hub", **columns}
    trigger = Trigger(schedule_expression=expression, match_filter=match_filter, **row)
    return echo_of(trigger, parse_condition(trigger))


@pytest.mark.parametrize(
    ("expression", "match_filter", "columns", "said"),
    [
        ("*:*", None, {}, "schedule_expression: hears every event"),
        ("*:**", {}, {}, "hears every event"),
        ("reporter:*", None, {}, "hears every event"),
        ("[feed, rep*]:*", None, {}, "hears every event"),
        ("", None, {"pattern": ".*"}, "pattern: hears every event"),
        ("*:*", {"not": {"severity": "low"}}, {}, "hears every event"),
        ("*:*", {"agent_id": {"exists": True}}, {}, "hears every event"),
        ("*:*", {"not": {"agent_id": "another"}}, {}, "hears every event"),
        ("*:task_completed", None, {}, "hears task_completed, which a run of its own agent emits too"),
        ("agents:task_failed", None, {}, "hears task_failed,"),
        ("agents:task_*", {"severity": {"in": ["high"]}}, {}, "hears task_completed, task_failed,"),
        ("agents:*_*", None, {}, "hears intent_created, status_changed, state_patched and more,"),
        ("agents:status_changed", None, {}, "hears status_changed,"),
        ("*:*", {"event_type": "task_failed"}, {}, "hears task_failed,"),
        ("", None, {"pattern": ".*:task_(completed|failed)"}, "pattern: hears task_completed, task_failed,"),
        ("agents:task_failed", {"agent_id": {"prefix": "rep"}}, {}, "hears task_failed,"),
        ("agents:task_failed", {"any": [NOT_ITSELF, {"retries": {"gte": 3}}]}, {}, "hears task_failed,"),
        ("agents:task_failed", {"agent_instance_id": {"ne": "desk"}}, {}, "hears task_failed,"),
        ("agents:task_failed", {"agent_instance_id": "d-{date}"}, {"agent_instance_id": "d-{date}"}, "hears task_failed,"),
        ("agents:task_failed", None, {"dedup": "skip", "rate_limit": "1/1h"}, "hears task_failed,"),
    ],
)
def test_a_row_that_hears_its_own_agent_says_so(
    expression: str, match_filter: dict[str, Any] | None, columns: dict[str, Any], said: str
) -> None:
    """What it hears, and how to leave its own agent out."""
    warning = echo(expression, match_filter, **columns)
    assert warning is not None
    assert said in warning
    assert '{"not":{"agent_id":"reporter"}}' in warning


@pytest.mark.parametrize(
    ("expression", "match_filter", "columns"),
    [
        ("feed:goal", None, {}),
        ("feed:*", None, {}),
        ("error.*:*", None, {}),
        ("*:goal", None, {}),
        ("", None, {"pattern": "agents:.*"}),
        ("*:*", {"severity": "high"}, {}),
        ("*:*", {"team": "Mexico", "not": {"minute": 1}}, {}),
        ("*:*", None, {"one_shot": True}),
        ("agents:task_failed", None, {"one_shot": True}),
        ("stocks:cost_changed", None, {}),
        ("*:*", NOT_ITSELF, {}),
        ("agents:task_failed", NOT_ITSELF, {}),
        ("agents:task_failed", {"agent_id": {"ne": "reporter"}}, {}),
        ("agents:task_failed", {"agent_id": "another"}, {}),
        ("agents:task_failed", {"task.agent": {"in": ["another", "third"]}}, {}),
        ("agents:task_failed", {"agent_id": {"prefix": "desk-"}}, {}),
        ("agents:task_failed", {"all": [{"retries": {"gte": 3}}, NOT_ITSELF]}, {}),
        ("agents:task_failed", {"any": [{"agent_id": "a"}, {"agent": "b"}]}, {}),
        ("agents:task_failed", {"not": {"any": [{"agent_id": "reporter"}, {"agent_id": "b"}]}}, {}),
        ("agents:task_failed", {"agent_instance_id": {"ne": "desk"}}, {"agent_instance_id": "desk"}),
    ],
)
def test_nothing_is_said_of_a_row_that_hears_others_alone(
    expression: str, match_filter: dict[str, Any] | None, columns: dict[str, Any]
) -> None:
    """Other sources and types, a filter that leaves its own agent out or that its events need not meet, one shot, crossings."""
    assert echo(expression, match_filter, **columns) is None


@pytest.mark.parametrize("emitted", EMITTED)
def test_following_the_warning_silences_it(emitted: str) -> None:
    """For every standard event type."""
    assert echo(f"agents:{emitted}") is not None
    assert echo(f"agents:{emitted}", NOT_ITSELF) is None
