"""One match of the recorded tournament, and what its live state is at any instant. Pure."""

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from connectors.feeds.game import FINISHED, HALF_TIME, Game, Goal, Score, minute_order

LEAST_STOPPAGE_MINUTES = {"first_half": 2, "second_half": 4, "extra_time": 1}
"""Modelled: the record tells stoppage time only by the goals in it. Longer when a goal fell later."""
HALF_TIME_MINUTES, BREAK_MINUTES = 15, 5
"""Pauses at half-time and before extra time, by the Laws of the Game (law 7) and as usually kept."""
SHOOTOUT_MINUTES = 12
"""Modelled: about ten kicks at a minute each."""

_KICK_OFF = re.compile(r"(\d\d):(\d\d) UTC([+-]\d{1,2})(?::(\d\d))?")


@dataclass(frozen=True)
class Phase:
    """A stretch of a match: the minutes after `from_minute`, `minutes` of them and then `stoppage_minutes`.

    A pause is all stoppage: its clock stands still.
    """

    status: str
    from_minute: int
    minutes: int
    stoppage_minutes: int = 0
    pause: bool = False

    @property
    def length_minutes(self) -> int:
        """How long it lasts."""
        return self.minutes + self.stoppage_minutes

    def minute_at(self, elapsed_minutes: float) -> str:
        """The minute as printed: the 9th runs from 8:00 to 8:59; past the end it is "45+1"."""
        if self.pause:
            return str(self.from_minute)
        nth = math.floor(elapsed_minutes) + 1
        last = self.from_minute + self.minutes
        return str(self.from_minute + nth) if nth <= self.minutes else f"{last}+{nth - self.minutes}"


@dataclass(frozen=True)
class RecordedGoal:
    """A goal of the record. `team` is the side whose list it stands in: the one it counts for."""

    team: str
    scorer: str
    minute: str
    penalty: bool
    own_goal: bool


@dataclass(frozen=True)
class Match:
    """One match. `goals` are in the order they fell; `final` is the recorded score after all play."""

    id: str
    round: str
    ground: str
    home: str
    away: str
    kick_off: datetime
    final: Score
    extra_time: bool
    shootout: Score | None
    goals: tuple[RecordedGoal, ...]

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """What the match goes through, in order."""
        played = [self._play("first_half", 0, 45), Phase(HALF_TIME, 45, HALF_TIME_MINUTES, pause=True)]
        played.append(self._play("second_half", 45, 45))
        if self.extra_time:
            played.append(Phase("break", 90, BREAK_MINUTES, pause=True))
            played += [self._play("extra_time", 90, 15), self._play("extra_time", 105, 15)]
        if self.shootout:
            played.append(Phase("penalties", 120, SHOOTOUT_MINUTES, pause=True))
        return tuple(played)

    @cached_property
    def ends_at(self) -> datetime:
        """The instant of the final whistle."""
        return self.kick_off + timedelta(minutes=sum(phase.length_minutes for phase in self.phases))

    @cached_property
    def timed_goals(self) -> tuple[tuple[datetime, Goal], ...]:
        """Each goal with its instant: the middle of its minute."""
        instants = [self._instant_of(goal) for goal in self.goals]
        return tuple((at, _live(goal, at)) for at, goal in zip(instants, self.goals, strict=True))

    def state_at(self, instant: datetime) -> Game | None:
        """The live state at that instant; None before kick-off."""
        if instant < self.kick_off:
            return None
        goals = tuple(goal for at, goal in self.timed_goals if at <= instant)
        home = sum(goal.team == self.home for goal in goals)
        status, minute = self._clock_at(instant)
        return Game(
            id=self.id,
            round=self.round,
            ground=self.ground,
            home=self.home,
            away=self.away,
            kick_off=_rfc3339(self.kick_off),
            minute=minute,
            status=status,
            score=Score(home, len(goals) - home),
            goals=goals,
            shootout=self.shootout if status == FINISHED else None,
        )

    def _play(self, status: str, from_minute: int, minutes: int) -> Phase:
        last = from_minute + minutes
        stoppages = [stoppage for minute, stoppage in (minute_order(goal.minute) for goal in self.goals) if minute == last]
        return Phase(status, from_minute, minutes, max([LEAST_STOPPAGE_MINUTES[status], *stoppages]))

    def _clock_at(self, instant: datetime) -> tuple[str, str]:
        elapsed_minutes = (instant - self.kick_off) / timedelta(minutes=1)
        for phase in self.phases:
            if elapsed_minutes < phase.length_minutes:
                return phase.status, phase.minute_at(elapsed_minutes)
            elapsed_minutes -= phase.length_minutes
        last = self.phases[-1]
        return FINISHED, str(last.from_minute if last.pause else last.from_minute + last.minutes)

    def _instant_of(self, goal: RecordedGoal) -> datetime:
        minute, stoppage = minute_order(goal.minute)
        before_minutes = 0
        for phase in self.phases:
            if not phase.pause and minute <= phase.from_minute + phase.minutes:
                return self.kick_off + timedelta(minutes=before_minutes + minute - phase.from_minute + stoppage - 0.5)
            before_minutes += phase.length_minutes
        raise ValueError(f"{self.id}: a goal in minute {goal.minute}, but the match ended before")


def read_match(record: dict[str, Any]) -> Match:
    """One match of the record (openfootball's JSON). Raises KeyError or ValueError when it is none."""
    score = record["score"]
    last_minute = 120 if "et" in score else 90
    goals = [_read_goal(record[side], goal, last_minute) for side, key in _SIDES for goal in record.get(key, [])]
    return Match(
        id="-".join([record["date"], _slug(record["team1"]), _slug(record["team2"])]),
        round=record["round"],
        ground=record["ground"],
        home=record["team1"],
        away=record["team2"],
        kick_off=kick_off_instant(record["date"], record["time"]),
        final=Score(*score.get("et", score["ft"])),
        extra_time="et" in score,
        shootout=Score(*score["p"]) if "p" in score else None,
        # The record groups a team's goals by scorer; the sort is stable, so equal minutes keep the record's order.
        goals=tuple(sorted(goals, key=lambda goal: minute_order(goal.minute))),
    )


_SIDES = (("team1", "goals1"), ("team2", "goals2"))


def kick_off_instant(date: str, time: str) -> datetime:
    """The instant of a local date ("2026-06-11") and time ("13:00 UTC-6"). Raises ValueError when it is none."""
    found = _KICK_OFF.fullmatch(time)
    if found is None:
        raise ValueError(f"{time!r} is no kick-off time; one such as 13:00 UTC-6 is understood")
    hours, minutes, offset_hours, offset_minutes = found.groups(default="0")
    sign = -1 if offset_hours.startswith("-") else 1
    offset = timedelta(hours=int(offset_hours), minutes=sign * int(offset_minutes))
    local = datetime.fromisoformat(date).replace(hour=int(hours), minute=int(minutes), tzinfo=timezone(offset))
    return local.astimezone(UTC)


def _read_goal(team: str, goal: dict[str, Any], last_minute: int) -> RecordedGoal:
    minute, stoppage = minute_order(goal["minute"])
    # One goal of the record is printed "92" though its match had no extra time: that is 90+2.
    printed = f"{last_minute}+{minute - last_minute + stoppage}" if minute > last_minute else goal["minute"]
    return RecordedGoal(team, goal["name"], printed, goal.get("penalty", False), goal.get("owngoal", False))


def _live(goal: RecordedGoal, at: datetime) -> Goal:
    return Goal(goal.team, goal.scorer, goal.minute, _rfc3339(at), penalty=goal.penalty, own_goal=goal.own_goal)


def _rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
