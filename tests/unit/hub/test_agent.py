"""What the scripted agent says."""

from typing import Any

import pytest

from hub.agent import answer

GOAL: dict[str, Any] = {
    "team": "South Africa",
    "opponent": "Mexico",
    "home_team": "Mexico",
    "away_team": "South Africa",
    "scorer": "Julián Quiñones",
    "minute": "90+3",
    "score": {"home": 1, "away": 2},
    "penalty": False,
    "own_goal": False,
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "GOAL! South Africa 2-1 Mexico (Quiñones 90+3')"),
        ({"team": "Mexico", "opponent": "South Africa"}, "GOAL! Mexico 1-2 South Africa (Quiñones 90+3')"),
        ({"penalty": True}, "GOAL! South Africa 2-1 Mexico (Quiñones 90+3' pen)"),
        ({"own_goal": True}, "GOAL! South Africa 2-1 Mexico (Quiñones 90+3' og)"),
    ],
)
def test_a_goal_is_called_with_the_scoring_team_first(changes: dict[str, Any], said: str) -> None:
    """Score, scorer and minute are the event's; penalties and own goals are marked."""
    event = {"source": "sports_feed", "type": "goal", "payload": GOAL | changes}
    assert answer("call it", [], event) == said


def test_a_crossing_is_told_with_its_threshold() -> None:
    """The watched value, its side and the threshold come from the crossing's payload."""
    event = {"type": "price_cross_above", "payload": {"symbol": "AAPL", "threshold": 100, "price": 100.3}}
    assert answer("tell", [], event) == "AAPL price is above 100 now: 100.3"


@pytest.mark.parametrize(
    "event",
    [
        {"source": "builds", "type": "error", "payload": {"code": 1}},
        {"source": "builds", "type": "goal", "payload": None},
        {"source": "builds", "type": "goal", "payload": {"score": 3}},
        {"source": "builds", "type": "price_cross_below", "payload": [1]},
        {},
    ],
)
def test_anything_else_is_acknowledged(event: dict[str, Any]) -> None:
    """An event of another kind, or one that lacks what a sentence needs, never makes the agent fail."""
    assert answer("look at this", [{"literal": 1}], event).startswith("look at this: ")
