"""A panel: stages that judge the same events, portion by portion (after reading, before detect and match)."""

from collections.abc import Sequence
from typing import Any, Protocol

from streams.engine.batch import Batch
from streams.engine.work import Work
from streams.reading import Reader, Reading


class Member(Protocol):
    """A stage that takes its events from a panel. What it knows of a batch under way is its own, handed back to it."""

    name: str

    def open(self, batch: Batch, work: Work) -> Any:
        """Begin with a batch. What comes of it goes into `work`."""

    def judge(self, sitting: Any, reading: Reading) -> None:
        """The batch's next portion."""

    def close(self, sitting: Any) -> None:
        """There is no more."""


class Panel:
    """Reads each portion of a batch once, and has every member judge it before the next is read.

    So what was decoded is used while it lies in the processor's cache, and its memory is taken for the next portion.
    """

    def __init__(self, reader: Reader, members: Sequence[Member]) -> None:
        self._reader = reader
        self.members = members

    def judge(self, batch: Batch) -> Work:
        """What all members make of the batch."""
        work = Work()
        sittings = [(member, member.open(batch, work)) for member in self.members]
        for reading in self._reader.portions(batch):
            for member, sitting in sittings:
                member.judge(sitting, reading)
        for member, sitting in sittings:
            member.close(sitting)
        return work
