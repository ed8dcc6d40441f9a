"""The sums that must balance at the end of the demo: what the recording holds against what happened. Pure."""

from typing import NamedTuple

from touchline.demo.registration import SYMBOL, TEAM, THRESHOLD_USD, Registered
from touchline.demo.tally import Tally


class Truth(NamedTuple):
    """What the recording holds: goals, goals of the one team, and upward crossings of the threshold."""

    goals: int
    team_goals: int
    closes: int
    crossings: int


class Line(NamedTuple):
    """One sum. `expected` follows from the recording alone."""

    what: str
    expected: int
    found: int

    @property
    def balances(self) -> bool:
        """Whether it is as it must be."""
        return self.expected == self.found

    @property
    def fault(self) -> str:
        """What is wrong, in words."""
        difference = self.found - self.expected
        return (
            f"{self.what}: {self.found} instead of {self.expected}, {abs(difference)} too {'many' if difference > 0 else 'few'}"
        )


def balance(truth: Truth, triggers: Registered, tally: Tally, injects: dict[str, int]) -> list[Line]:
    """Every sum of the demo. `injects` counts the hub's transcripts by trigger id."""
    lines = [
        Line("goal events", truth.goals, len(tally.goals)),
        Line("price events", truth.closes, len(tally.prices)),
        Line(f"crossings of {SYMBOL} above {THRESHOLD_USD}", truth.crossings, len(tally.crossings)),
    ]
    asked = (
        ("every goal", triggers.goals, truth.goals),
        (f"goals of {TEAM}", triggers.team_goals, truth.team_goals),
        (f"{SYMBOL} reaches {THRESHOLD_USD}", triggers.crossings, truth.crossings),
    )
    for name, trigger_id, expected in asked:
        lines += [
            Line(f"firings, {name}", expected, len(tally.firings[trigger_id])),
            Line(f"completed executions, {name}", expected, len(tally.completed[trigger_id])),
            Line(f"injects the hub took, {name}", expected, injects.get(trigger_id, 0)),
        ]
    return lines
