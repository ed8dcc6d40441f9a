"""The recorded tournament: its matches, and a clock that skips the hours when nobody plays. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from importlib import resources

import msgspec

from connectors.feeds.game import Game
from touchline.demo.match import Match, read_match

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True)
class Tournament:
    """All matches, by kick-off."""

    matches: tuple[Match, ...]

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """When at least one match is on, as intervals that do not touch, in order."""
        return tuple(_merged((match.kick_off, match.ends_at) for match in self.matches))

    @cached_property
    def playing(self) -> timedelta:
        """How long at least one match is on, in all."""
        return sum((end - begin for begin, end in self.stretches), timedelta())

    @property
    def goals(self) -> int:
        """How many goals fell."""
        return sum(len(match.goals) for match in self.matches)

    def goals_of(self, team: str) -> int:
        """How many goals counted for this team, own goals of its opponents included."""
        return sum(goal.team == team for match in self.matches for goal in match.goals)

    def instant_after(self, played: timedelta) -> datetime:
        """The instant when that much of `playing` is over: gaps between matches take no time."""
        for begin, end in self.stretches:
            if played <= end - begin:
                return begin + played
            played -= end - begin
        return self.stretches[-1][1]

    def games_at(self, instant: datetime) -> list[Game]:
        """The live state of every match that has begun, by kick-off."""
        return [game for match in self.matches if (game := match.state_at(instant)) is not None]


def load_tournament() -> Tournament:
    """The 2026 World Cup, as recorded in touchline/data."""
    record = msgspec.json.decode(resources.files("touchline").joinpath("data", "worldcup-2026.json").read_bytes())
    matches = [read_match(match) for match in record["matches"]]
    return Tournament(tuple(sorted(matches, key=lambda match: (match.kick_off, match.id))))


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for begin, end in sorted(stretches):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
