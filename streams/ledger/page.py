"""A page: what one stage counts while it judges one batch, and writes to the accounts at its end."""

from collections import Counter
from collections.abc import Sequence

import structlog

from streams.engine.batch import Batch, Record
from streams.engine.store import Partition
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.ledger.account import LARGEST_WORKSPACES, NOBODY, OTHERS, Account, Owner, key_of
from streams.reading import Readable
from streams.workspace import DEFAULT_WORKSPACE

log = structlog.get_logger()

UNACCOUNTED = "unaccounted"
"""The outcome of a record for which its stage named none: a fault of the stage."""
_NEW = Account(offset=-1)


class Ledger:
    """One stage's share of the table."""

    def __init__(self, stage: str, accounts: StateTable[Account]) -> None:
        self.stage = stage
        self.accounts = accounts
        self.own_key = key_of(Owner(stage, None))

    def open(self, work: Work, batch: Batch) -> "Page":
        """The page of a batch that is about to be judged. Turn it to each portion; close it when all records are counted."""
        return Page(self, work, batch)


class Column:
    """One workspace's account while a batch is counted. Records at or below `floor` are in it already."""

    __slots__ = ("added", "floor", "key", "notes", "outcomes")

    def __init__(self, key: bytes, account: Account) -> None:
        self.key = key
        self.floor = account.offset
        self.outcomes = account.outcomes.copy()
        self.notes = account.notes.copy()
        self.added = 0

    def add(self, outcome: str, records: int) -> None:
        """So many more records ended so."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + records
        self.added += records


class Page:
    """One batch's counts. Every record is counted once, also one that is judged again: the page knows what it has had."""

    def __init__(self, ledger: Ledger, work: Work, batch: Batch) -> None:
        self._ledger = ledger
        self._work = work
        self._batch = batch
        self._accounts: Partition[Account] = ledger.accounts.partition(batch.partition)
        self._own = self._accounts.get(ledger.own_key) or _NEW
        self._columns: dict[str, Column] = {}
        self._opened = 0
        self._records = 0
        self._newer = 0
        self._counted = 0
        self._before = 0

    def turn(self, records: Sequence[Record]) -> None:
        """These are the batch's next records."""
        self._records += len(records)
        floor = self._own.offset
        if floor < self._batch.first_offset:
            self._newer += len(records)
        else:
            self._newer += sum(record.offset > floor for record in records)
        self._before = self._counted
        for column in self._columns.values():
            column.added = 0

    def count(self, record: Record, workspace: str, outcome: str) -> None:
        """A record's outcome."""
        column = self._columns.get(workspace) or self._column(workspace)
        self._counted += 1
        if record.offset > column.floor:
            column.add(outcome, 1)

    def note(self, record: Record, workspace: str, what: str, times: int = 1) -> None:
        """Something that happened when this record was judged, beside its outcome."""
        column = self._columns.get(workspace) or self._column(workspace)
        if record.offset > column.floor:
            column.notes[what] = column.notes.get(what, 0) + times

    def count_rest(self, readables: Sequence[Readable], outcome: str) -> None:
        """The outcome of all events among these that are not counted yet; nothing else of this turn may be counted before.

        All at once, since for most events of a feed it is the same one.
        """
        workspaces = {event.workspace for _, event, _ in readables}  # mostly one, and then there is nothing to count
        if len(workspaces) == 1:
            totals = Counter({workspace or DEFAULT_WORKSPACE: len(readables) for workspace in workspaces})
        else:
            totals = Counter(event.workspace or DEFAULT_WORKSPACE for _, event, _ in readables)
        fresh: Counter[Column] = Counter()
        for workspace, total in totals.items():
            column = self._columns.get(workspace) or self._column(workspace)
            fresh[column] += total if column.floor < self._batch.first_offset else _newer(readables, workspace, column)
        for column, records in fresh.items():
            if records > column.added:
                column.add(outcome, records - column.added)
        self._counted = self._before + len(readables)

    def close(self) -> None:
        """Write what was counted to the accounts."""
        batch, own = self._batch, self._own
        missing = self._records - self._counted
        if missing:
            where = {"stage": self._ledger.stage, "topic": batch.topic, "partition": batch.partition}
            log.error("records_unaccounted", **where, records=missing)
            if missing > 0 and own.offset < batch.first_offset:
                self._column(NOBODY).add(UNACCOUNTED, missing)
        for column in self._columns.values():
            if column.floor < batch.last_offset:
                self._remember(column.key, Account(batch.last_offset, column.outcomes, column.notes))
        if own.offset < batch.last_offset:  # last: where it stands, the others stand too
            self._remember(self._ledger.own_key, self._moved(own))

    def _moved(self, own: Account) -> Account:
        batch = self._batch
        vanished = max(0, batch.first_offset - (own.offset + 1))
        if vanished:
            where = {"topic": batch.topic, "partition": batch.partition, "offset": own.offset + 1}
            log.error("records_vanished", stage=self._ledger.stage, **where, records=vanished)
        offsets = batch.last_offset - own.offset - vanished
        return Account(
            offset=batch.last_offset,
            records=own.records + self._newer,
            blank=own.blank + offsets - self._newer,
            vanished=own.vanished + vanished,
            workspaces=own.workspaces + self._opened,
        )

    def _column(self, workspace: str) -> Column:
        key = key_of(Owner(self._ledger.stage, workspace))
        account = self._accounts.get(key)
        if account is None:
            if self._own.workspaces + self._opened >= LARGEST_WORKSPACES and workspace not in (NOBODY, OTHERS):
                return self._columns.get(OTHERS) or self._column(OTHERS)
            self._opened += 1
        column = self._columns[workspace] = Column(key, account or _NEW)
        return column

    def _remember(self, key: bytes, account: Account) -> None:
        self._accounts[key] = account
        self._work.remember(self._ledger.accounts, key, account)


def _newer(readables: Sequence[Readable], workspace: str, column: Column) -> int:
    """How many of a workspace's events are not in its account yet."""
    return sum(
        (event.workspace or DEFAULT_WORKSPACE) == workspace and record.offset > column.floor for record, event, _ in readables
    )
