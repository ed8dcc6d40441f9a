"""The sports feed's diff: what it emits for what it sees, however it sees it."""

from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Response
from msgspec.structs import replace

from connectors.feeds.game import Game, Goal, Score
from connectors.feeds.sports_feed import Games, SportsFeed, game_facts
from streams.event import Event
from touchline.demo.serving import served
from touchline.demo.tournament import load_tournament

OPENER = Goal("Mexico", "Julián Quiñones", "9", "2026-06-11T19:08:30Z")
EQUALISER = Goal("South Africa", "Johan Vásquez", "45+2", own_goal=True)
WINNER = Goal("Mexico", "Raúl Jiménez", "67", penalty=True)


def game(status: str = "first_half", goals: tuple[Goal, ...] = (), shootout: Score | None = None) -> Game:
    home = sum(goal.team == "Mexico" for goal in goals)
    return Game(
        "m1",
        "Final",
        "Mexico City",
        "Mexico",
        "South Africa",
        "2026-06-11T19:00:00Z",
        "10",
        status,
        Score(home, len(goals) - home),
        goals,
        shootout,
    )


class Collected:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish(self, events: Any) -> None:
        """Keep them."""
        self.events += events


@pytest.fixture
def feed() -> SportsFeed:
    return SportsFeed(Collected(), httpx.AsyncClient(), "http://127.0.0.1/games")


def seen(*games: Game) -> Games:
    return {game.id: game for game in games}


def kinds(facts: list[Event]) -> list[str]:
    return [f"{fact.type} {fact.payload['minute']}" if fact.type == "goal" else fact.type for fact in facts]


def test_a_game_that_begins_is_a_kickoff_and_nothing_more(feed: SportsFeed) -> None:
    """The payload names both teams, the round and the ground; the subject is the game."""
    [fact] = feed.diff(seen(), seen(game()))
    assert (fact.source, fact.type, fact.subject, fact.time) == ("sports_feed", "kickoff", "m1", "2026-06-11T19:00:00Z")
    assert fact.payload == {
        "game": "m1",
        "home_team": "Mexico",
        "away_team": "South Africa",
        "round": "Final",
        "ground": "Mexico City",
    }


def test_a_goal_carries_the_score_of_its_moment(feed: SportsFeed) -> None:
    """Three goals seen at once are three facts, each with the score as it stood, marks included."""
    facts = feed.diff(seen(game()), seen(game("second_half", (OPENER, EQUALISER, WINNER))))
    assert kinds(facts) == ["goal 9", "goal 45+2", "half_time", "goal 67"]
    goals = [fact.payload for fact in facts if fact.type == "goal"]
    assert [goal["score"] for goal in goals] == [{"home": 1, "away": 0}, {"home": 1, "away": 1}, {"home": 2, "away": 1}]
    assert [(goal["team"], goal["opponent"]) for goal in goals] == [
        ("Mexico", "South Africa"),
        ("South Africa", "Mexico"),
        ("Mexico", "South Africa"),
    ]
    assert [(goal["penalty"], goal["own_goal"]) for goal in goals] == [(False, False), (False, True), (True, False)]


def test_a_whole_game_missed_between_two_polls_is_told_in_order(feed: SportsFeed) -> None:
    """Kick-off, the goals on their side of half-time, and the final whistle with the shoot-out."""
    end = game("finished", (OPENER, EQUALISER), Score(3, 4))
    facts = feed.diff(None, seen(end))
    assert kinds(facts) == ["kickoff", "goal 9", "goal 45+2", "half_time", "final_whistle"]
    assert facts[-1].payload["score"] == {"home": 1, "away": 1}
    assert facts[-1].payload["shootout"] == {"home": 3, "away": 4}


def test_nothing_new_is_nothing(feed: SportsFeed) -> None:
    """The same state, or only a later minute, emits nothing."""
    before = game("second_half", (OPENER,))
    assert feed.diff(seen(before), seen(before)) == []
    assert feed.diff(seen(before), seen(replace(before, minute="59"))) == []


def test_a_corrected_scorer_is_no_second_goal(feed: SportsFeed) -> None:
    """The id is the game's and the goal's number, so a correction that leaves the goals' number emits nothing."""
    corrected = replace(OPENER, scorer="César Huerta", minute="10")
    assert feed.diff(seen(game(goals=(OPENER,))), seen(game(goals=(corrected,)))) == []


def test_editions_differ_in_every_id() -> None:
    """The same game shown twice under two editions shares no id."""
    end = game("finished", (OPENER, WINNER))
    first, second = ({fact.id for fact in game_facts(end, edition)} for edition in ("1", "2"))
    assert len(first) == len(second) == 5
    assert not first & second


@pytest.mark.parametrize("polls", [1, 2, 50, 3000])
def test_every_goal_of_the_tournament_is_emitted_once_however_often_it_is_polled(feed: SportsFeed, polls: int) -> None:
    """One poll at the end, or three thousand on the way: the same 308 goals in 104 games, with the same ids."""
    tournament = load_tournament()
    facts: list[Event] = []
    before: Games | None = None
    for poll in range(1, polls + 1):
        after = seen(*tournament.games_at(tournament.instant_after(tournament.playing * (poll / polls))))
        facts += feed.diff(before, after)
        before = after
    ids = [fact.id for fact in facts]
    assert len(ids) == len(set(ids))
    counts = {kind: sum(fact.type == kind for fact in facts) for kind in ("kickoff", "goal", "half_time", "final_whistle")}
    assert counts == {"kickoff": 104, "goal": 308, "half_time": 104, "final_whistle": 104}
    assert set(ids) == {fact.id for fact in feed.diff(None, before or {})}
    for match in tournament.matches:
        last = [fact for fact in facts if fact.subject == match.id][-1]
        assert last.type == "final_whistle"
        assert last.payload["score"] == {"home": match.final.home, "away": match.final.away}


def test_a_producer_that_restarts_midway_emits_the_same_facts_again(feed: SportsFeed) -> None:
    """What the new process emits first is, id by id and field by field, what the old one had emitted."""
    tournament = load_tournament()
    middle = seen(*tournament.games_at(tournament.instant_after(tournament.playing * 0.4)))
    quarter = seen(*tournament.games_at(tournament.instant_after(tournament.playing * 0.2)))
    before = [*feed.diff(None, quarter), *feed.diff(quarter, middle)]
    again = feed.diff(None, middle)
    assert sorted(before, key=lambda fact: fact.id) == sorted(again, key=lambda fact: fact.id)


async def test_it_reads_a_live_endpoint() -> None:
    """A poll over HTTP gives the games as they were served, marks and shoot-outs included."""

    end = game("finished", (OPENER, EQUALISER, WINNER), Score(3, 4))
    app = FastAPI()

    @app.get("/games")
    async def games() -> Response:
        return Response(msgspec.json.encode([end]), media_type="application/json")

    async with served(app) as url, httpx.AsyncClient() as client:
        collected = Collected()
        feed = SportsFeed(collected, client, f"{url}/games")
        assert await feed.poll() == {"m1": end}
        assert await feed.step() == len(collected.events) == 6
        assert await feed.step() == 0
