"""A game's live state, as a live-score endpoint gives it: what `SportsFeed` reads, and a replay serves."""

from typing import Any

import msgspec

HALF_TIME = "half_time"
FINISHED = "finished"
STATUSES = ("first_half", HALF_TIME, "second_half", "break", "extra_time", "penalties", FINISHED)
"""What a game that has begun can be in, in the order it passes through them."""


class Score(msgspec.Struct, frozen=True):
    """Goals of each side."""

    home: int = 0
    away: int = 0


class Goal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One goal. `team` is the side it counts for, also when the scorer is the other side's (`own_goal`).

    `minute` is as printed: "9", or "90+3" in stoppage time. `at` is the instant, RFC 3339.
    """

    team: str
    scorer: str
    minute: str
    at: str | None = None
    penalty: bool = False
    own_goal: bool = False


class Game(msgspec.Struct, frozen=True, omit_defaults=True):
    """One game that has begun. `goals` are in the order they fell; `shootout` is the score of the final penalties, if any."""

    id: str
    round: str
    ground: str
    home: str
    away: str
    kick_off: str
    minute: str
    status: str
    score: Score
    goals: tuple[Goal, ...] = ()
    shootout: Score | None = None

    def reached(self, status: str) -> bool:
        """Whether the game is in this status or past it."""
        return self.status in STATUSES and STATUSES.index(self.status) >= STATUSES.index(status)

    def score_after(self, goals: int) -> dict[str, Any]:
        """The score when this many goals had fallen, as `{"home": 1, "away": 0}`."""
        home = sum(goal.team == self.home for goal in self.goals[:goals])
        return {"home": home, "away": goals - home}


def minute_order(minute: str) -> tuple[int, int]:
    """A printed minute as numbers that sort: "90+3" is (90, 3). Raises ValueError when it is no minute."""
    regular, _, stoppage = minute.partition("+")
    return int(regular), int(stoppage or 0)
