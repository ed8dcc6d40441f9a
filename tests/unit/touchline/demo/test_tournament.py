"""The recorded tournament as the demo reads it, against the file itself."""

import json
from collections import Counter
from importlib import resources
from typing import Any

import pytest

from connectors.feeds.game import FINISHED, minute_order
from touchline.demo.tournament import Tournament, load_tournament


@pytest.fixture(scope="module")
def tournament() -> Tournament:
    return load_tournament()


@pytest.fixture(scope="module")
def record() -> list[dict[str, Any]]:
    matches: list[dict[str, Any]] = json.loads(resources.files("touchline").joinpath("data/worldcup-2026.json").read_bytes())[
        "matches"
    ]
    return matches


def test_all_matches_and_goals_are_there(tournament: Tournament) -> None:
    """104 matches with ids of their own, by kick-off, and 308 goals, 14 of them own goals and 16 penalties."""
    assert len(tournament.matches) == len({match.id for match in tournament.matches}) == 104
    assert [match.kick_off for match in tournament.matches] == sorted(match.kick_off for match in tournament.matches)
    goals = [goal for match in tournament.matches for goal in match.goals]
    assert tournament.goals == len(goals) == 308
    assert (sum(goal.own_goal for goal in goals), sum(goal.penalty for goal in goals)) == (14, 16)


def test_each_teams_goals_are_the_files(tournament: Tournament, record: list[dict[str, Any]]) -> None:
    """The goals that count for a team are those in its lists: the sums agree team by team, with the scores too."""
    by_lists: Counter[str] = Counter()
    by_scores: Counter[str] = Counter()
    for match in record:
        score = match["score"].get("et", match["score"]["ft"])
        for side, scored in zip("12", score, strict=True):
            by_lists[match[f"team{side}"]] += len(match.get(f"goals{side}", []))
            by_scores[match[f"team{side}"]] += scored
    assert by_lists == by_scores
    assert {team: tournament.goals_of(team) for team in by_lists} == dict(by_lists)
    assert tournament.goals_of("Argentina") == 19


def test_goals_are_in_the_order_they_fell(tournament: Tournament) -> None:
    """By minute and stoppage minute; and every goal falls between kick-off and the final whistle, in that order."""
    for match in tournament.matches:
        minutes = [minute_order(goal.minute) for goal in match.goals]
        assert minutes == sorted(minutes)
        instants = [at for at, _ in match.timed_goals]
        assert instants == sorted(instants)
        assert all(match.kick_off < at < match.ends_at for at in instants)


def test_the_final_state_is_the_recorded_result(tournament: Tournament) -> None:
    """At the last instant every game is finished with the score of the file."""
    games = tournament.games_at(tournament.instant_after(tournament.playing))
    assert [game.status for game in games] == [FINISHED] * 104
    assert [game.score for game in games] == [match.final for match in tournament.matches]


def test_only_idle_hours_are_skipped(tournament: Tournament) -> None:
    """Every stretch is play, no two touch, and the clock runs from the first kick-off to the last whistle."""
    for begin, end in tournament.stretches:
        assert begin < end
        assert any(match.kick_off == begin for match in tournament.matches)
        assert any(match.ends_at == end for match in tournament.matches)
    assert all(first[1] < second[0] for first, second in zip(tournament.stretches, tournament.stretches[1:], strict=False))
    instants = [tournament.instant_after(tournament.playing * step / 5000) for step in range(5001)]
    assert instants == sorted(instants)
    assert instants[0] == tournament.matches[0].kick_off
    assert instants[-1] == max(match.ends_at for match in tournament.matches)


def test_several_matches_run_at_once(tournament: Tournament) -> None:
    """Matches that overlapped in the world overlap in the replay."""
    live = [
        sum(game.status != FINISHED for game in tournament.games_at(tournament.instant_after(tournament.playing * step / 2000)))
        for step in range(2000)
    ]
    assert max(live) == 2


def test_nothing_is_taken_back(tournament: Tournament) -> None:
    """From one instant to the next, games only appear, goals are only added, statuses only advance."""
    before: dict[str, Any] = {}
    for step in range(1001):
        after = {game.id: game for game in tournament.games_at(tournament.instant_after(tournament.playing * step / 1000))}
        assert before.keys() <= after.keys()
        for game_id, game in before.items():
            assert after[game_id].goals[: len(game.goals)] == game.goals
            assert after[game_id].reached(game.status)
        before = after
