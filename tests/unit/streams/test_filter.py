"""match_filter: what each operator means, and what is refused when it is written."""

from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.filter import compile_filter, parse_filter

PAYLOAD = {"team": "Mexico", "minute": 90, "penalty": True, "odds": 1.5, "note": None, "score": {"home": 2}, "tags": ["a"]}


@pytest.mark.parametrize(
    ("match_filter", "matches"),
    [
        (None, True),
        ({}, True),
        ({"team": "Mexico"}, True),
        ({"team": "mexico"}, False),
        ({"minute": 90.0}, True),
        ({"minute": "90"}, False),
        ({"penalty": 1}, False),
        ({"penalty": True}, True),
        ({"note": None}, True),
        ({"missing": None}, False),
        ({"score": {"eq": {"home": 2}}}, True),
        ({"score": {"eq": {"home": True}}}, False),
        ({"tags": ["a"]}, True),
        ({"score.home": {"gte": 2}}, True),
        ({"score.away": {"gte": 0}}, False),
        ({"team.name": "Mexico"}, False),
        ({"team": {"ne": "Peru"}}, True),
        ({"team": {"ne": "Mexico"}}, False),
        ({"team": {"ne": 3}}, False),
        ({"missing": {"ne": "Peru"}}, False),
        ({"minute": {"gt": 89, "lt": 91}}, True),
        ({"minute": {"gt": 90}}, False),
        ({"minute": {"lte": 90}}, True),
        ({"penalty": {"gte": 0}}, False),
        ({"team": {"gte": 0}}, False),
        ({"team": {"in": ["Peru", "Mexico"]}}, True),
        ({"penalty": {"in": [1]}}, False),
        ({"score": {"in": ["x", None]}}, False),
        ({"team": "Mexico", "minute": {"gt": 90}}, False),
    ],
)
def test_a_filter_matches_without_coercion(match_filter: Any, matches: bool) -> None:
    """Each operator compares values of its own type; missing fields and other types are no match."""
    assert compile_filter(parse_filter(match_filter))(PAYLOAD) is matches


@pytest.mark.parametrize("payload", [None, [], "text", 3, True, {}])
def test_a_payload_of_any_shape_is_judged(payload: Any) -> None:
    """A payload that is no object has no fields, and that is no match, never an error."""
    assert compile_filter(parse_filter({"a.b": 1}))(payload) is False


@pytest.mark.parametrize(
    ("match_filter", "path", "accepted"),
    [
        ([], "match_filter", "object"),
        ({"price": {"above": 3}}, "match_filter.price.above", "gte"),
        ({"price": {}}, "match_filter.price", "eq"),
        ({"price": {"gte": "3"}}, "match_filter.price.gte", "number"),
        ({"price": {"gte": True}}, "match_filter.price.gte", "number"),
        ({"price": {"gte": float("nan")}}, "match_filter.price.gte", "finite"),
        ({"team": {"in": []}}, "match_filter.team.in", "one or more"),
        ({"team": {"in": "Mexico"}}, "match_filter.team.in", "list"),
        ({"a..b": 1}, "match_filter.a..b", "dots"),
    ],
)
def test_a_wrong_filter_is_refused_by_path(match_filter: Any, path: str, accepted: str) -> None:
    """The error names the path inside the row and what would be accepted."""
    with pytest.raises(InvalidTrigger) as refused:
        parse_filter(match_filter)
    assert refused.value.path == path
    assert accepted in refused.value.message
