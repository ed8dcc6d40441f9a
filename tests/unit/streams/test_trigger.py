"""A row as a whole: what is understood of it, and what is refused whoever wrote it."""

from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.language.event_key import EventKey
from streams.language.filter import Predicate
from streams.trigger import Condition, Trigger, parse_condition


def trigger(**columns: Any) -> Trigger:
    """A valid row, changed."""
    row = {"id": "t", "name": "t", "schedule_expression": "feed:goal", "agent_id": "agent", "hub_id": "hub", **columns}
    return Trigger(**row)


def test_a_row_is_understood() -> None:
    """Its key, its clauses, and no watch when it asks for no crossing."""
    found = parse_condition(trigger(schedule_expression="[a,b]:goal", match_filter={"minute": {"gte": 90}}))
    assert found == Condition(EventKey(("a", "b"), "goal"), (Predicate(("minute",), "gte", 90),), None)


def test_a_row_with_a_pattern_may_leave_its_expression_empty() -> None:
    """It then listens to everything that the pattern matches."""
    found = parse_condition(trigger(schedule_expression="", pattern="feed:(goal|card)"))
    assert found.key == EventKey(("*",), "*", "feed:(goal|card)")
    assert found.key.matches("feed", "card")


def test_a_row_of_sql_may_speak_a_dialect() -> None:
    """What nobody translated when it was written is understood when it is read, by the workspace's own scales if given."""
    row = trigger(schedule_expression="agents:*", match_filter={"all": [{"event_type": "task_failed"}, {"risk": ">= amber"}]})
    found = parse_condition(row, {"risk": ["green", "amber", "red"]})
    assert found == Condition(EventKey(("agents",), "task_failed"), (Predicate(("risk",), "in", ["amber", "red"]),), None)
    with pytest.raises(InvalidTrigger, match="not on the scale"):
        parse_condition(row)


def test_an_implied_crossing_has_a_watch() -> None:
    """An exact key on a crossing type, as before."""
    row = trigger(schedule_expression="stocks:price_cross_above", match_filter={"symbol": "AAPL", "price": {"gte": 100}})
    watch = parse_condition(row).watch
    assert watch is not None
    assert (watch.field, watch.threshold, watch.chosen_by) == (("price",), 100, ((("symbol",), "AAPL"),))


def test_a_row_with_every_policy_is_understood() -> None:
    """What does not concern its condition changes nothing about it."""
    row = trigger(
        dedup="skip",
        max_concurrent=3,
        timeout_seconds=600,
        rate_limit="10/1m",
        count_threshold=5,
        window="5m",
        debounce="30s",
        per="payload.game",
        input={"tone": "dry"},
        input_mapping={"minute": "$.payload.minute"},
        intent_template="write of {{ payload.player }}",
    )
    assert parse_condition(row) == parse_condition(trigger())


def test_thresholds_are_told_apart_exactly() -> None:
    """100 and 100.0 share a watch; 2**53 and 2**53 + 1 do not, though one double is nearest to both."""

    def watch_id(threshold: float) -> str:
        row = trigger(schedule_expression="stocks:price_cross_above", match_filter={"price": {"gte": threshold}})
        watch = parse_condition(row).watch
        assert watch is not None
        return watch.id

    assert watch_id(100) == watch_id(100.0)
    assert watch_id(2**53) != watch_id(2**53 + 1)


CROSSING = "stocks:price_cross_above"


@pytest.mark.parametrize(
    ("columns", "path", "accepted"),
    [
        ({"schedule_type": "cron"}, "schedule_type", "event"),
        ({"schedule_expression": "goal"}, "schedule_expression", "sports_feed:goal"),
        ({"schedule_expression": ""}, "schedule_expression", "sports_feed:goal"),
        ({"pattern": "("}, "pattern", "missing )"),
        ({"match_filter": {"a": {"near": 1}}}, "match_filter.a.near", "gte"),
        ({"match_filter": {"severity": {"gte": "high"}}}, "match_filter.severity.gte", '">= high"'),
        ({"match_filter": {"event_type": "card"}}, "match_filter.event_type", "no event has both"),
        ({"name": ""}, "name", "1 to 256"),
        ({"name": "a\nb"}, "name", "control"),
        ({"workspace": ""}, "workspace", "1 to 256"),
        ({"agent_id": "x" * 257}, "agent_id", "256"),
        ({"hub_id": "../admin"}, "hub_id", "letters"),
        ({"hub_id": "hub\n"}, "hub_id", "letters"),
        ({"agent_instance_id": ""}, "agent_instance_id", "1 to 256"),
        ({"agent_instance_id": "x-{when}"}, "agent_instance_id", "{run_id}"),
        (
            {"schedule_expression": "*:price_cross_above", "match_filter": {"price": {"gte": 1}}},
            "schedule_expression",
            "one source",
        ),
        (
            {"schedule_expression": "[a,b]:x_cross_below", "match_filter": {"x": {"lte": 1}}},
            "schedule_expression",
            "one source",
        ),
        ({"dedup": "drop"}, "dedup", "allow, skip, queue"),
        ({"max_concurrent": 0}, "max_concurrent", "1 to 1000"),
        ({"max_concurrent": 2**31}, "max_concurrent", "1 to 1000"),
        ({"timeout_seconds": 0}, "timeout_seconds", "above 0"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds", "above 0"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds", "2592000"),
        ({"rate_limit": "10"}, "rate_limit", "10/1m"),
        ({"rate_limit": "0/1m"}, "rate_limit", "10/1m"),
        ({"rate_limit": "10/40d"}, "rate_limit", "30d"),
        ({"count_threshold": 5}, "count_threshold", "5m"),
        ({"window": "5m"}, "window", "count_threshold"),
        ({"count_threshold": -5, "window": "5m"}, "count_threshold", "1 to 1000"),
        ({"count_threshold": 5, "window": "five"}, "window", "30s or 5m"),
        ({"debounce": "2d"}, "debounce", "1d"),
        ({"dedup": "skip", "per": "game"}, "per", "payload.game"),
        ({"per": "payload.game"}, "per", "means nothing without dedup"),
        ({"schedule_expression": CROSSING}, "match_filter.price", "threshold"),
        ({"schedule_expression": CROSSING, "match_filter": {"price": {"gte": 10**400}}}, "match_filter.price", "1.8e308"),
        (
            {"schedule_expression": CROSSING, "match_filter": {"price": {"gte": 1}, "any": [{"a": 1}, {"b": 1}]}},
            "match_filter",
            "equality",
        ),
        (
            {"schedule_expression": CROSSING, "match_filter": {"price": {"gte": 1}, "a": 1, "all": [{"a": "x"}]}},
            "match_filter.a",
            "equality",
        ),
    ],
)
def test_a_wrong_row_is_refused_by_its_column(columns: dict[str, Any], path: str, accepted: str) -> None:
    """All three front doors, SQL among them, meet the same judgement."""
    with pytest.raises(InvalidTrigger) as refused:
        parse_condition(trigger(**columns))
    assert refused.value.path == path
    assert accepted in refused.value.message
