"""A ledger under test: real accounts in memory, out of what their changelog holds."""

from collections.abc import Iterable, Sequence
from typing import cast

import msgspec
from faust.types import TP

from streams.engine.batch import Batch
from streams.engine.store import MemoryPartition
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.event import Event
from streams.ledger.account import Account, Owner, decode_account, key_of
from streams.ledger.page import Ledger, Page
from streams.reading import Readable
from tests.unit.streams.detecting import Record

_encode = msgspec.json.Encoder().encode
Change = tuple[bytes, bytes]


class Table:
    """The table `ledger` of one process, one partition of it."""

    def __init__(self, changelog: Iterable[Change]) -> None:
        self._partition = MemoryPartition(decode_account)
        records = [Record(number, 0, key, value) for number, (key, value) in enumerate(changelog)]
        self._partition.restore(records, len(records) - 1)

    def partition(self, _number: int) -> MemoryPartition[Account]:
        """As StateTable."""
        return self._partition


class Process:
    """One worker's share. `changelog` is what was written, in order: another process may be started from it."""

    def __init__(self, changelog: Iterable[Change] = (), stage: str = "gate") -> None:
        self.changelog = list(changelog)
        self._stage = stage
        self._table = Table(self.changelog)
        self._ledger = Ledger(stage, cast("StateTable[Account]", self._table))

    def open(
        self, first_offset: int, last_offset: int, offsets: Iterable[int] | None = None
    ) -> tuple[Page, Work, Sequence[Record]]:
        """The page of a batch with these records, by default one at each offset, and the records, which are one portion."""
        given = range(first_offset, last_offset + 1) if offsets is None else offsets
        records = [Record(offset, 0, b"k", b"") for offset in given]
        work = Work()
        page = self._ledger.open(work, Batch(TP("topic", 0), [records], 0, first_offset, last_offset))
        page.turn(records)
        return page, work, records

    def page(self, work: Work, records: Sequence[Record]) -> Page:
        """The page of a batch with these records, before its first portion."""
        return self._ledger.open(work, Batch(TP("topic", 0), [records], 0, records[0].offset, records[-1].offset))

    def count(self, first_offset: int, last_offset: int, outcome: str = "fired", workspace: str = "default") -> None:
        """A batch of which every record ends the same, its accounts written."""
        page, work, records = self.open(first_offset, last_offset)
        for record in records:
            page.count(record, workspace, outcome)
        page.close()
        self.write(work)

    def write(self, work: Work) -> None:
        """What a batch changed is in the changelog."""
        self.changelog += changes(work)

    def account(self, workspace: str | None = None) -> Account:
        """The partition's own account, or a workspace's."""
        found = self._table.partition(0).get(key_of(Owner(self._stage, workspace)))
        assert found is not None, f"no account of {workspace}"
        return found


def changes(work: Work) -> list[Change]:
    """What a batch writes to the changelog, in order."""
    return [(key, _encode(state)) for states in work.changed.values() for key, state in states.items()]


def readables(records: Sequence[Record], workspaces: Sequence[str]) -> list[Readable]:
    """An event for each record, in these workspaces by turns."""
    return [(record, Event(workspace=workspaces[number % len(workspaces)]), b"k") for number, record in enumerate(records)]
