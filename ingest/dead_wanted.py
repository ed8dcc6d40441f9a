"""Which dead letters a caller asks for, and which of them it may see."""

from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ingest.authentication import Caller
from ingest.validation import Name, Text
from streams.dead import Concern, DeadLetter, Place, concern
from streams.resolution import History
from streams.settings import Settings


class Wanted(BaseModel):
    """By stage, trigger, workspace, a part of the reason (in any case), and when they died: from `since` on, before `until`."""

    model_config = ConfigDict(extra="forbid")

    stage: Name | None = None
    trigger_id: Name | None = None
    workspace: Name | None = None
    reason: Text | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @property
    def since_ms(self) -> int | None:
        """From when on, Unix milliseconds."""
        return None if self.since is None else int(self.since.timestamp() * 1000)

    def admits(self, letter: DeadLetter) -> bool:
        """Whether the letter's headers and time are as wanted."""
        until_ms = None if self.until is None else int(self.until.timestamp() * 1000)
        return (
            self.stage in (None, letter.stage)
            and (self.reason is None or self.reason.casefold() in letter.reason.casefold())
            and letter.at_ms >= (self.since_ms or 0)
            and (until_ms is None or letter.at_ms < until_ms)
        )

    def concerns(self, found: Concern) -> bool:
        """Whether it concerns whom it should."""
        return self.trigger_id in (None, found.trigger_id) and self.workspace in (None, found.workspace)


class Found(NamedTuple):
    """A letter, whom it concerns, and what became of it."""

    letter: DeadLetter
    concern: Concern
    history: History


class Known(NamedTuple):
    """What a search has found out of open letters: their histories, up to these offsets of their partitions; oldest first."""

    histories: dict[Place, History]
    read_to: dict[int, int]


def concern_for(caller: Caller, letter: DeadLetter, settings: Settings) -> Concern | None:
    """Whom the letter concerns; None when it is not there for the caller.

    One whose workspace nobody can tell, since nobody could read it, only the installation sees.
    """
    found = concern(letter, letter.home(settings))
    seen = caller.workspace is None if found.workspace is None else caller.sees(found.workspace)
    return found if seen else None
