"""The plan of faults: what is done to whom and when, all of it from the seed. Pure."""

import random
from typing import NamedTuple

KILL, FREEZE, MOOD = "kill", "freeze", "mood"
"""kill -9; SIGSTOP and, later, SIGCONT; the hub in another mood."""

FIRST_SECONDS = 2.0
"""Before the first fault: everything is at work."""
PAUSE_SECONDS = (3.0, 7.0)
"""Between two faults: shorter than a rebalance takes, so that faults meet the recovery from the ones before."""

SESSION_SECONDS = (12.0, 18.0)
"""A freeze that outlasts the workers' session time-out of 10 s: the partitions go, and a zombie wakes."""
SHORT_SECONDS = (2.0, 8.0)
"""A freeze that does not: the process goes on as if nothing had been, though its heartbeats were missed."""


class Fault(NamedTuple):
    """One fault. `target` is a process of the installation or the hub; for MOOD it is the mood. A kill has no length."""

    at_seconds: float
    kind: str
    target: str
    lasts_seconds: float

    def __str__(self) -> str:
        """In words, as it is logged."""
        if self.kind == KILL:
            return f"kill -9 {self.target}"
        if self.kind == FREEZE:
            return f"freeze {self.target} for {self.lasts_seconds:.1f} s"
        return f"hub {self.target} for {self.lasts_seconds:.1f} s"


class Card(NamedTuple):
    """A kind of fault in the deck, and how long one may last. `worker` stands for any of the workers."""

    kind: str
    target: str
    lasts_seconds: tuple[float, float] = (0.0, 0.0)


WORKER = "worker"
DECK = (
    Card(KILL, WORKER),
    Card(KILL, WORKER),
    Card(FREEZE, WORKER, SESSION_SECONDS),
    Card(FREEZE, WORKER, SHORT_SECONDS),
    Card(KILL, "ingest"),
    Card(FREEZE, "ingest", SHORT_SECONDS),
    Card(KILL, "connect"),
    Card(FREEZE, "connect", (3.0, 15.0)),
    Card(KILL, "kafka"),
    Card(FREEZE, "kafka", SHORT_SECONDS),
    Card(KILL, "postgres"),
    Card(KILL, "hub"),
    Card(MOOD, "slow", (4.0, 12.0)),
    Card(MOOD, "failing", (4.0, 12.0)),
    Card(MOOD, "silent", (4.0, 12.0)),
)
"""Dealt without putting back, so that a run of a minute has many kinds and a long one all of them equally often."""


def plan_faults(seed: int, seconds: float, workers: int) -> list[Fault]:
    """All faults of a run of that length, by time. None lasts beyond the end."""
    chance = random.Random(f"{seed}/faults")  # noqa: S311 -- a seed must replay
    faults: list[Fault] = []
    deck: list[Card] = []
    at_seconds = FIRST_SECONDS
    while at_seconds < seconds:
        if not deck:
            deck = chance.sample(DECK, len(DECK))
        card = deck.pop()
        target = f"worker-{chance.randint(1, workers)}" if card.target == WORKER else card.target
        lasts_seconds = min(chance.uniform(*card.lasts_seconds), seconds - at_seconds)
        faults.append(Fault(round(at_seconds, 1), card.kind, target, round(lasts_seconds, 1)))
        at_seconds += chance.uniform(*PAUSE_SECONDS)
    return faults
