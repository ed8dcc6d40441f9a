"""What became of a dead letter: records on `dead`, in its own partition, and so in one order with it. Pure.

A resolution has the letter's key and only headers. To redrive is to claim (`redriving`), to put the record back, and to
confirm (`redriven`); to discard is one claim. Claims are numbered, each by whoever has read the letter's partition to its end,
and of those with the same number the first holds: of two at once one wins, and the other finds out when it reads on to its own
claim. One that was not confirmed in time, because its process died, holds no more: the letter is open again. If its record was
put back after all, the second has the same ids, and whoever has seen them before (the gate, the hub) does nothing twice.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from streams.dead import Headers, Place, read_place

CLAIM_SECONDS = 60.0
"""How long a claim holds without being confirmed: several times what putting a record back may take."""
NAMES = ("resolves", "outcome", "attempt", "claim")


class Outcome(StrEnum):
    """What a resolution says."""

    REDRIVING = "redriving"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


class Standing(StrEnum):
    """Where a letter stands."""

    OPEN = "open"
    REDRIVING = "redriving"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


class Resolution(NamedTuple):
    """One record about a letter. `claim` is drawn by whoever makes it; `at_ms` is its time, Unix milliseconds."""

    letter: Place
    outcome: Outcome
    attempt: int
    claim: str
    offset: int = 0
    at_ms: int = 0

    def headers(self) -> Headers:
        """The headers that say so; who reads them finds `offset` and `at_ms` with the record."""
        values = str(self.letter), self.outcome.value, str(self.attempt), self.claim
        return [(name, value.encode()) for name, value in zip(NAMES, values, strict=True)]


def read_resolution(record: Any) -> Resolution | None:
    """The resolution that a record of `dead` is; None for a letter, and for what lies in another partition than its letter."""
    if tuple(name for name, _ in record.headers) != NAMES:
        return None
    resolves, outcome, attempt, claim = (value.decode(errors="replace") for _, value in record.headers)
    letter = read_place(resolves)
    if letter is None or letter.partition != record.partition or outcome not in set(Outcome) or not attempt.isdecimal():
        return None
    return Resolution(letter, Outcome(outcome), int(attempt), claim, record.offset, record.timestamp)


class History(NamedTuple):
    """What holds of a letter: its last attempt's number (0: nobody has tried), who claimed it, what came of it, and when."""

    attempt: int = 0
    claim: str = ""
    outcome: Outcome | None = None
    at_ms: int = 0

    def standing(self, now_ms: int) -> Standing:
        """Where the letter stands at this time, Unix milliseconds."""
        if self.outcome is None:
            return Standing.OPEN
        if self.outcome is Outcome.REDRIVING and now_ms - self.at_ms > CLAIM_SECONDS * 1000:
            return Standing.OPEN
        return Standing(self.outcome.value)


UNTOUCHED = History()


def read_history(resolutions: Iterable[Resolution], held: History = UNTOUCHED) -> History:
    """What holds of one letter, from what held before and all that was told since, in any order.

    Of each number it is the first claim, then that one's confirmation.
    """
    for told in sorted(resolutions, key=lambda one: one.offset):
        is_claim = told.outcome is not Outcome.REDRIVEN and told.attempt > held.attempt
        is_confirmation = told.outcome is Outcome.REDRIVEN and (told.attempt, told.claim) == (held.attempt, held.claim)
        if is_claim or is_confirmation:
            held = History(told.attempt, told.claim, told.outcome, told.at_ms)
    return held
