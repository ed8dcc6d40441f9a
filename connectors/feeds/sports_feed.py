"""The producer `sports_feed`: polls games' live state and emits `kickoff`, `goal`, `half_time` and `final_whistle`."""

from typing import Any

from connectors.feeds.game import FINISHED, HALF_TIME, Game, Goal, minute_order
from connectors.feeds.producer import WebProducer
from connectors.feeds.source import get_json
from streams.event import Event, derived_id

SOURCE = "sports_feed"
HALF_MINUTES = 45

Games = dict[str, Game]


class SportsFeed(WebProducer[Games]):
    """Watches an endpoint that answers a JSON list of `Game`. Source "sports_feed", subject the game's id."""

    async def poll(self) -> Games:
        """All games that have begun, by id."""
        games = await get_json(self._client, self._url, list[Game])
        return {game.id: game for game in games}

    def diff(self, before: Games | None, after: Games) -> list[Event]:
        """What happened in between, in order for each game, however many polls were missed.

        It is the facts that `after` implies less those that `before` implied, so a goal cannot be skipped, and a new
        process that meets a game midway emits its facts again with the ids they had: an effect once.
        """
        facts: list[Event] = []
        for game_id, game in after.items():
            known = before.get(game_id) if before else None
            if game != known:
                old = {fact.id for fact in game_facts(known, self._edition)} if known else frozenset()
                facts += [fact for fact in game_facts(game, self._edition) if fact.id not in old]
        return facts


def game_facts(game: Game, edition: str) -> list[Event]:
    """Every fact that a game's state implies, in the order they happened. The same state gives the same facts. Pure.

    A goal's id is made of the game's id and the goal's number, so a corrected scorer or minute is no second goal.
    """
    first_half = sum(minute_order(goal.minute)[0] <= HALF_MINUTES for goal in game.goals)
    facts = [_fact(game, edition, "kickoff", {}, time=game.kick_off)]
    facts += [_goal(game, edition, index) for index in range(first_half)]
    if game.reached(HALF_TIME):
        facts.append(_fact(game, edition, "half_time", {"score": game.score_after(first_half)}))
    facts += [_goal(game, edition, index) for index in range(first_half, len(game.goals))]
    if game.reached(FINISHED):
        end: dict[str, Any] = {"score": game.score_after(len(game.goals))}
        if game.shootout:
            end["shootout"] = {"home": game.shootout.home, "away": game.shootout.away}
        facts.append(_fact(game, edition, "final_whistle", end))
    return facts


def _goal(game: Game, edition: str, index: int) -> Event:
    goal: Goal = game.goals[index]
    payload = {
        "team": goal.team,
        "opponent": game.away if goal.team == game.home else game.home,
        "scorer": goal.scorer,
        "minute": goal.minute,
        "score": game.score_after(index + 1),
        "penalty": goal.penalty,
        "own_goal": goal.own_goal,
    }
    return _fact(game, edition, "goal", payload, number=index + 1, time=goal.at)


def _fact(
    game: Game, edition: str, event_type: str, payload: dict[str, Any], *, number: int = 1, time: str | None = None
) -> Event:
    about = {"game": game.id, "home_team": game.home, "away_team": game.away, "round": game.round, "ground": game.ground}
    return Event(
        id=derived_id(SOURCE, edition, game.id, event_type, str(number)),
        source=SOURCE,
        type=event_type,
        subject=game.id,
        payload=about | payload,
        time=time,
    )
