"""Condition forms: what each means in the one model, and what is refused when it is written."""

import random
from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.language.dialect import is_plain, translate, translate_condition
from streams.language.filter import compile_filter, parse_filter
from streams.language.scale import DEFAULT_SCALE


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ({"field": "severity", "operator": "gte", "value": "high"}, {"severity": {"in": ["high", "error", "critical"]}}),
        ({"field": "severity", "operator": ">", "value": "high"}, {"severity": {"in": ["error", "critical"]}}),
        ({"severity": ">= high"}, {"severity": {"in": ["high", "error", "critical"]}}),
        ({"severity": ">=high"}, {"severity": {"in": ["high", "error", "critical"]}}),
        ({"alert.severity": "< low"}, {"alert.severity": {"in": ["debug", "info"]}}),
        ({"severity": "<= info"}, {"severity": {"in": ["debug", "info"]}}),
        ({"severity": "== high"}, {"severity": "high"}),
        ({"severity": "!= high"}, {"severity": {"ne": "high"}}),
        ({"price": ">= 100"}, {"price": {"gte": 100}}),
        ({"price": "< -1.5e2"}, {"price": {"lt": -150.0}}),
        ({"price": "== 3"}, {"price": 3}),
        ({"field": "price", "operator": ">=", "value": 100}, {"price": {"gte": 100}}),
        ({"field": "price", "operator": "<", "value": 100}, {"price": {"lt": 100}}),
        ({"field": "a.b", "operator": "==", "value": "x"}, {"a.b": "x"}),
        ({"field": "a", "operator": "=", "value": None}, {"a": None}),
        ({"field": "a", "operator": "eq", "value": {"b": 1}}, {"a": {"eq": {"b": 1}}}),
        ({"field": "a", "operator": "!=", "value": 1}, {"a": {"ne": 1}}),
        ({"field": "a", "operator": "in", "value": ["x", "y"]}, {"a": {"in": ["x", "y"]}}),
        ({"field": "a", "operator": "contains", "value": "x"}, {"a": {"contains": "x"}}),
        ({"field": "a", "operator": "exists", "value": False}, {"a": {"exists": False}}),
        ({"key": "data_status", "value": "ready"}, {"data_status": "ready"}),
        ({"key": "rows", "value": [1]}, {"rows": [1]}),
        ({"key": "key", "value": "x"}, {"key": {"eq": "x"}}),
        ({"key": "title", "value": ">= high"}, {"title": {"eq": ">= high"}}),
        ([{"key": "a", "value": 1}, {"severity": "> error"}], {"all": [{"a": 1}, {"severity": {"in": ["critical"]}}]}),
        ([{"key": "a", "value": 1}], {"a": 1}),
        (
            {"any": [{"key": "a", "value": 1}, {"not": {"field": "b", "operator": ">", "value": 2}}]},
            {"any": [{"a": 1}, {"not": {"b": {"gt": 2}}}]},
        ),
        ({"severity": ">= error", "team": "x"}, {"severity": {"in": ["error", "critical"]}, "team": "x"}),
    ],
)
def test_a_condition_form_means_a_filter(written: Any, means: Any) -> None:
    """Each form, on its own and inside any, all and not, is written into the one model; that is accepted as it is."""
    row = translate({"schedule_expression": "feed:x", "match_filter": written})
    assert row == {"schedule_expression": "feed:x", "match_filter": means}
    assert parse_filter(row["match_filter"])


@pytest.mark.parametrize(
    "literal",
    [
        {},
        {"team": "Mexico", "minute": {"gte": 90}},
        {"key": {"eq": "a"}, "value": 1},
        {"field": {"eq": "a"}, "operator": "gte", "value": 1},
        {"event_type": {"eq": "goal"}},
        {"title": {"eq": ">= high"}},
        {"key": "a"},
        {"value": 3},
        {"title": "->"},
        {"title": ">"},
        {"any": {"eq": 1}},
    ],
)
def test_literal_fields_can_always_be_asked_for(literal: Any) -> None:
    """An operator says that a name or a text is meant as it is; alone, half of a form is a field like any other."""
    assert translate({"match_filter": literal})["match_filter"] == (literal or None)
    parse_filter(literal)


@pytest.mark.parametrize(
    ("expression", "match_filter", "narrowed", "rest"),
    [
        (None, {"event_type": "task_failed"}, "*:task_failed", None),
        ("", {"event_type": "task_failed"}, "*:task_failed", None),
        ("*:*", {"event_type": "task_failed"}, "*:task_failed", None),
        ("agents:*", {"event_type": "task_failed"}, "agents:task_failed", None),
        ("agents:task_*", {"event_type": "task_failed"}, "agents:task_failed", None),
        ("agents:*", {"event_type": "task_*"}, "agents:task_*", None),
        ("agents:task_failed", {"event_type": "task_failed"}, "agents:task_failed", None),
        ("[a, b]:*", {"event_type": "task_failed"}, "[a, b]:task_failed", None),
        ("agents:*", [{"event_type": "task_failed"}, {"key": "a", "value": 1}], "agents:task_failed", {"a": 1}),
        ("agents:*", {"all": [{"event_type": "task_failed"}], "a": 1}, "agents:task_failed", {"a": 1}),
        ("agents:*", {"all": [{"all": [{"event_type": "x"}]}, {"a": 1}]}, "agents:x", {"all": [{"a": 1}]}),
    ],
)
def test_an_event_type_becomes_part_of_the_key(expression: Any, match_filter: Any, narrowed: str, rest: Any) -> None:
    """It narrows a wildcard, and without an expression it is heard from every source."""
    assert translate_condition(expression, match_filter) == (narrowed, rest)


def test_a_pattern_stands_for_the_expression() -> None:
    """A row with a pattern may leave its expression out."""
    assert translate({"pattern": "feed:.*"}) == {"pattern": "feed:.*", "schedule_expression": "*:*"}
    assert translate({"pattern": "feed:.*", "schedule_expression": "a:*"})["schedule_expression"] == "a:*"


def test_a_workspace_may_have_scales_of_its_own() -> None:
    """By field, `*` for all the others, and the default where it has none."""
    scales = {"risk": ["green", "amber", "red"], "*": ["small", "large"]}
    written = {"risk": ">= amber", "size": "< large"}
    assert translate({"match_filter": written}, scales)["match_filter"] == {
        "risk": {"in": ["amber", "red"]},
        "size": {"in": ["small"]},
    }
    assert translate({"match_filter": {"level": ">= error"}}, {"risk": ["low"]})["match_filter"] == {
        "level": {"in": ["error", "critical"]}
    }


@pytest.mark.parametrize(
    ("match_filter", "path", "accepted"),
    [
        ({"severity": ">= urgent"}, "match_filter.severity", ", ".join(DEFAULT_SCALE)),
        ({"severity": ">= High"}, "match_filter.severity", "high"),
        ({"severity": "> critical"}, "match_filter.severity", "no word"),
        ({"title": "<b>bold</b>"}, "match_filter.title", "scale"),
        ({"field": "price", "operator": "gte", "value": "100"}, "match_filter.value", "scale"),
        ({"field": "a", "operator": "near", "value": 1}, "match_filter.operator", "prefix, exists, >="),
        ({"field": "a", "operator": 3, "value": 1}, "match_filter.operator", "gte"),
        ({"field": "a", "operator": ["eq"], "value": 1}, "match_filter.operator", "gte"),
        ({"field": 3, "operator": "eq", "value": 1}, "match_filter.field", "payload field"),
        ({"field": "", "operator": "eq", "value": 1}, "match_filter.field", "payload field"),
        ({"key": None, "value": 1}, "match_filter.key", "payload field"),
        ({"key": "a", "value": {"gte": 1}}, "match_filter.value", '{"a": {"gte": 1}}'),
        ({"key": "a", "value": 1, "team": "x"}, "match_filter", '{"key": {"eq"'),
        ({"event_type": "x", "team": "x"}, "match_filter", '{"event_type": {"eq"'),
        ({"event_type": 3}, "match_filter.event_type", "text"),
        ({"event_type": ""}, "match_filter.event_type", "1 to 256"),
        ({"event_type": "card"}, "match_filter.event_type", "goal"),
        ({"any": [{"event_type": "goal"}, {"a": 1}]}, "match_filter.any.0.event_type", "pattern"),
        ({"not": {"event_type": "goal"}}, "match_filter.not.event_type", "outside"),
        ([{"event_type": "goal"}, {"event_type": "card"}], "match_filter.1.event_type", "no event has both"),
        ([], "match_filter", "one or more filters"),
        ([{"a": 1}, 3], "match_filter", "one or more filters"),
        ({"all": [{"severity": ">= urgent"}]}, "match_filter.all.0.severity", "scale"),
    ],
)
def test_a_wrong_form_is_refused_by_path(match_filter: Any, path: str, accepted: str) -> None:
    """The error names the path inside the row as it was written, and what is accepted."""
    with pytest.raises(InvalidTrigger) as refused:
        translate({"schedule_expression": "feed:goal", "match_filter": match_filter})
    assert refused.value.path == path
    assert accepted in refused.value.message


@pytest.mark.parametrize(
    "match_filter", ["x", 3, {"any": 3}, {"all": [3]}, {"any": []}, {"not": []}, {"not": {}}, {"a": {"near": 1}}, {"any": [{}]}]
)
def test_what_is_wrong_without_a_form_is_left_to_be_judged(match_filter: Any) -> None:
    """Translation changes nothing that it does not understand, so that the filter's own error is the one that is told."""
    row = translate({"schedule_expression": "feed:goal", "match_filter": match_filter})
    assert row["match_filter"] == match_filter
    with pytest.raises(InvalidTrigger):
        parse_filter(row["match_filter"])


def test_a_deep_or_long_filter_is_refused_before_it_is_translated() -> None:
    """10,000 levels and 10 MB cost no recursion here either."""
    deep: Any = {"event_type": "x"}
    for _ in range(10_000):
        deep = {"all": [deep]}
    for match_filter in (deep, [deep], {"severity": ">= " + "x" * 10_000_000}):
        with pytest.raises(InvalidTrigger, match=r"too deep|too large"):
            translate({"match_filter": match_filter})


def test_a_large_double_is_stored_as_the_integer_it_is() -> None:
    """Postgres gives 1e23 back as an integer: written so, it is still what an event's 1e23 equals; small ones stay doubles."""
    row = translate({"match_filter": {"x": 1e23, "y": {"in": [0.1, 2.0**53]}, "z": {"eq": {"a": [-1.5e300]}}}})
    assert repr(row["match_filter"]) == repr(
        {"x": 99999999999999991611392, "y": {"in": [0.1, 9007199254740992]}, "z": {"eq": {"a": [int(-1.5e300)]}}}
    )
    assert compile_filter(parse_filter(row["match_filter"]))({"x": 1e23, "y": 0.1, "z": {"a": [-1.5e300]}})


def test_translating_twice_changes_nothing() -> None:
    """What GET gives back can be written again, whatever it was made from; a plain look says so for what it passes."""
    chance = random.Random(9)
    values: list[Any] = ["x", ">= high", "== 3", "!= low", "", "<", 3, 1e30, None, True, [1], ["> low"], {"eq": 1}, {"gte": 2}]
    names = ["field", "operator", "value", "key", "event_type", "any", "not", "team", "a.b"]

    def written(levels: int) -> Any:
        kind = chance.random()
        if levels and kind < 0.3:
            return {chance.choice(["any", "all"]): [written(levels - 1) for _ in range(chance.randrange(1, 3))]}
        if levels and kind < 0.4:
            return {"not": written(levels - 1)}
        if kind < 0.6:
            operator = chance.choice(["gte", "<", "eq", "!=", "in"])
            return {"field": chance.choice(names), "operator": operator, "value": chance.choice(values)}
        if kind < 0.8:
            return {"key": chance.choice(names), "value": chance.choice(values)}
        return {name: chance.choice(values) for name in chance.sample(names, chance.randrange(3))}

    translated_count = 0
    for _ in range(20_000):
        match_filter = written(2)
        try:
            row = translate({"schedule_expression": "feed:*", "match_filter": match_filter})
            again = translate(row)
        except InvalidTrigger:
            continue
        translated_count += row["match_filter"] != match_filter
        assert repr(again) == repr(row), match_filter
        if is_plain(match_filter):
            assert translate_condition("feed:*", match_filter) == ("feed:*", match_filter or None)
    assert translated_count > 3_000
