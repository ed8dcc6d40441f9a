"""A match's clock and live state."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.feeds.game import Score
from touchline.demo.match import kick_off_instant, read_match

RECORD: dict[str, Any] = {
    "round": "Round of 32",
    "date": "2026-06-29",
    "time": "16:30 UTC-4",
    "team1": "Côte d'Ivoire",
    "team2": "Bosnia & Herzegovina",
    "score": {"p": [3, 4], "et": [2, 2], "ft": [2, 1], "ht": [1, 0]},
    "goals1": [{"name": "A", "minute": "45+3"}, {"name": "A", "minute": "90"}],
    "goals2": [{"name": "B", "minute": "46", "owngoal": True}, {"name": "C", "minute": "120+1", "penalty": True}],
    "ground": "Boston (Foxborough)",
}
MATCH = read_match(RECORD)


def at_minutes(minutes: float) -> Any:
    """The live state that many minutes after kick-off."""
    game = MATCH.state_at(MATCH.kick_off + timedelta(minutes=minutes))
    assert game is not None
    return game


@pytest.mark.parametrize(
    ("time", "instant"),
    [
        ("13:00 UTC-6", datetime(2026, 6, 11, 19, 0, tzinfo=UTC)),
        ("22:00 UTC-6", datetime(2026, 6, 12, 4, 0, tzinfo=UTC)),
        ("16:30 UTC+2", datetime(2026, 6, 11, 14, 30, tzinfo=UTC)),
        ("16:30 UTC-3:30", datetime(2026, 6, 11, 20, 0, tzinfo=UTC)),
    ],
)
def test_kick_off_is_an_instant(time: str, instant: datetime) -> None:
    """A local time with its offset becomes UTC, on the next day where need be."""
    assert kick_off_instant("2026-06-11", time) == instant


def test_a_time_without_an_offset_is_refused() -> None:
    """An instant is never guessed."""
    with pytest.raises(ValueError, match="is no kick-off time"):
        kick_off_instant("2026-06-11", "13:00")


def test_the_id_is_plain() -> None:
    """Accents and signs do not reach keys and subjects."""
    assert MATCH.id == "2026-06-29-cote-d-ivoire-bosnia-herzegovina"


def test_there_is_no_state_before_kick_off() -> None:
    """A game that has not begun is not listed."""
    assert MATCH.state_at(MATCH.kick_off - timedelta(milliseconds=1)) is None
    assert (at_minutes(0).status, at_minutes(0).minute, at_minutes(0).score) == ("first_half", "1", Score(0, 0))


@pytest.mark.parametrize(
    ("minutes", "status", "minute", "score"),
    [
        (44.99, "first_half", "45", Score(0, 0)),
        (45.0, "first_half", "45+1", Score(0, 0)),
        (47.6, "first_half", "45+3", Score(1, 0)),
        (48.0, "half_time", "45", Score(1, 0)),
        (62.9, "half_time", "45", Score(1, 0)),
        (63.0, "second_half", "46", Score(1, 0)),
        (63.6, "second_half", "46", Score(1, 1)),
        (107.6, "second_half", "90", Score(2, 1)),
        (108.1, "second_half", "90+1", Score(2, 1)),
        (112.0, "break", "90", Score(2, 1)),
        (117.0, "extra_time", "91", Score(2, 1)),
        (132.1, "extra_time", "105+1", Score(2, 1)),
        (133.0, "extra_time", "106", Score(2, 1)),
        (148.4, "extra_time", "120+1", Score(2, 1)),
        (148.6, "extra_time", "120+1", Score(2, 2)),
        (149.0, "penalties", "120", Score(2, 2)),
        (161.0, "finished", "120", Score(2, 2)),
    ],
)
def test_the_clock_goes_through_every_phase(minutes: float, status: str, minute: str, score: Score) -> None:
    """Halves with stoppage time as long as the goals in it need, pauses, extra time, penalties; each goal in its minute."""
    game = at_minutes(minutes)
    assert (game.status, game.minute, game.score) == (status, minute, score)


def test_the_shoot_out_is_told_at_the_end_and_is_no_goal() -> None:
    """Its score stands beside the goals."""
    assert at_minutes(160).shootout is None
    assert at_minutes(161).shootout == Score(3, 4)
    assert len(at_minutes(161).goals) == 4


def test_an_own_goal_counts_for_the_team_in_whose_list_it_stands() -> None:
    """As the data's README says; marks are carried along."""
    goals = at_minutes(200).goals
    assert [(goal.team, goal.minute, goal.own_goal, goal.penalty) for goal in goals] == [
        ("Côte d'Ivoire", "45+3", False, False),
        ("Bosnia & Herzegovina", "46", True, False),
        ("Côte d'Ivoire", "90", False, False),
        ("Bosnia & Herzegovina", "120+1", False, True),
    ]


def test_a_match_without_goal_lists_is_goalless() -> None:
    """Eight matches of the record have no such keys."""
    record = {key: value for key, value in RECORD.items() if not key.startswith("goals")}
    match = read_match(record | {"score": {"ft": [0, 0], "ht": [0, 0]}})
    assert match.goals == ()
    assert match.ends_at - match.kick_off == timedelta(minutes=45 + 2 + 15 + 45 + 4)


def test_a_minute_past_the_end_is_stoppage_time() -> None:
    """Minute 92 of a match without extra time is 90+2."""
    match = read_match(
        RECORD | {"score": {"ft": [1, 0], "ht": [0, 0]}, "goals1": [{"name": "A", "minute": "92"}], "goals2": []}
    )
    assert [goal.minute for goal in match.goals] == ["90+2"]
