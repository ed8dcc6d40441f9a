"""cost_of: what is said of a row that cannot be looked up."""

from typing import Any

import pytest

from streams.matching.cost import cost_of
from streams.trigger import parse_condition
from tests.unit.streams.filters import trigger


@pytest.mark.parametrize(
    "match_filter",
    [
        None,
        {"team": "Mexico", "minute": {"ne": 1}},
        {"team": {"in": ["Mexico", "Peru"]}},
        {"team": {"prefix": "Mex"}},
        {"team": {"contains": "exi"}},
        {"minute": {"gte": 80, "lt": 90}},
        {"any": [{"team": "Mexico", "minute": 1}, {"team": "Peru"}]},
    ],
)
def test_nothing_is_said_of_a_row_that_is_looked_up(match_filter: dict[str, Any] | None) -> None:
    """Any one clause that leads to the row is enough."""
    assert cost_of(parse_condition(trigger("t", match_filter=match_filter))) is None


@pytest.mark.parametrize(
    ("match_filter", "said"),
    [
        ({"team": {"ne": "Mexico"}}, "tested on every error.*:* event"),
        ({"team": {"exists": True}, "minute": {"gte": 90}}, "tested on every error.*:* event"),
        ({"any": [{"team": "Mexico"}, {"player": "Luis Romo"}]}, "tested on every error.*:* event"),
        ({"minute": {"gte": 90}}, "every error.*:* event on its side of the number"),
        ({"minute": {"gte": 90}, "half": {"lt": 2}}, "every error.*:* event on the right side of one of its numbers"),
    ],
)
def test_a_row_that_is_compared_with_every_event_says_so(match_filter: dict[str, Any], said: str) -> None:
    """The warning names the events, and what would help."""
    warning = cost_of(parse_condition(trigger("t", "error.*:*", match_filter=match_filter)))
    assert warning is not None
    assert said in warning
    assert "prefix" in warning


def test_a_bare_pattern_says_that_it_is_tried_on_everything() -> None:
    """A schedule_expression beside it is what helps."""
    asked = {"team": "Mexico"}
    assert "pattern: is tried" in (cost_of(parse_condition(trigger("t", "", pattern=".*:goal", match_filter=asked))) or "")
    assert cost_of(parse_condition(trigger("t", "feed*:*", pattern=".*:goal", match_filter=asked))) is None


def test_a_crossing_costs_its_watch_alone() -> None:
    """Nobody compares it with anything."""
    asked = {"symbol": "AAPL", "price": {"gte": 100}}
    assert cost_of(parse_condition(trigger("t", "stocks:price_cross_above", match_filter=asked))) is None
