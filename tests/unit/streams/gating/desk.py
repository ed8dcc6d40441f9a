"""A gate under test: real batches, real states in memory, and changelogs that it can be started from again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import msgspec
from faust.types import TP

from streams.engine.batch import Batch
from streams.engine.store import MemoryPartition
from streams.engine.work import Work
from streams.event import Event, derived_id
from streams.execution import KIND_HEADER, TOLD, Execution, Firing, Status, Told, decode_dispatch, decode_execution, encode
from streams.gate import Gate
from streams.gating.books import Tables
from streams.gating.state import Gate as GateState
from streams.gating.state import Seen, Waiting
from streams.ledger.account import Account
from streams.ledger.page import Ledger
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import DISPATCHES, EXECUTIONS, FIRINGS
from streams.trigger import Trigger
from streams.workspace import Workspace

SETTINGS = Settings(partitions=1)
STATES: dict[str, Any] = {"ledger": Account, "waiting": Waiting, "seen": Seen, "gates": GateState}
"""The tables, in the order in which a batch's changes are written."""

Line = tuple[str, bytes, bytes | None]
"""What is written to a changelog: the table, the key, and the state or its end."""


@dataclass
class Record:
    """A record as stages read it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class KnownRows:
    """The rows that a gate asks for."""

    triggers: dict[str, Trigger] = field(default_factory=dict)
    workspaces: dict[str, Workspace] = field(default_factory=dict)


class Table:
    """A table of one process, in memory as the engine keeps it, out of what its changelog holds."""

    def __init__(self, name: str, rank: int, lines: Iterable[Line]) -> None:
        self.name, self.rank = name, rank
        self.changelog = f"{name}-changelog"
        self._partitions: defaultdict[int, MemoryPartition[Any]] = defaultdict(
            lambda: MemoryPartition(msgspec.json.Decoder(STATES[name]).decode)
        )
        records = [Record(number, 0, key, value) for number, (table, key, value) in enumerate(lines) if table == name]
        self.partition(0).restore(records, len(records) - 1)

    def partition(self, number: int) -> MemoryPartition[Any]:
        """As StateTable."""
        return self._partitions[number]


class Said(NamedTuple):
    """What a batch led to: executions' changes of status, and the dispatches, cancels among them, in order."""

    statuses: list[tuple[str, Status]]
    dispatches: list[tuple[str, bool]]


class Process:
    """One worker's gate, started from `lines`."""

    def __init__(self, rows: KnownRows, lines: Iterable[Line] = ()) -> None:
        lines = list(lines)
        self.tables = {name: Table(name, rank, lines) for rank, name in enumerate(STATES)}
        own = Tables(*(cast("Any", self.tables[name]) for name in ("waiting", "seen", "gates")))
        ledger = Ledger("gate", cast("Any", self.tables["ledger"]))
        self.gate = Gate(SETTINGS, cast("Rows", rows), own, ledger)
        self.gate.settle([0])

    def judge(self, records: Sequence[Record]) -> Work:
        """One batch, its state not yet written."""
        tp = TP(FIRINGS.full_name(SETTINGS), 0)
        now_ms = max(record.timestamp for record in records)
        return self.gate.judge(Batch(tp, [records], 0, records[0].offset, records[-1].offset, timestamp_ms=now_ms))

    def state(self, slot: str) -> GateState:
        """A key's state."""
        found = self.tables["gates"].partition(0).get(slot.encode())
        assert found is not None
        return cast("GateState", found)

    def outcomes(self) -> Mapping[str, int]:
        """What the ledger counts of all workspaces."""
        total: defaultdict[str, int] = defaultdict(int)
        for account in self.tables["ledger"].partition(0).values():
            for counts in (account.outcomes, account.notes):
                for name, count in counts.items():
                    total[name] += count
        return total


def lines_of(work: Work) -> list[Line]:
    """What a batch writes to the changelogs, in order."""
    changed = sorted(work.changed.items(), key=lambda one: one[0].rank)
    return [
        (cast("Any", table).name, key, None if state is None else encode(state))
        for table, states in changed
        for key, state in states.items()
    ]


def said(work: Work) -> Said:
    """What a batch led to."""
    executions = work.outputs.records.get((EXECUTIONS.full_name(SETTINGS), 0), [])
    dispatches = work.outputs.records.get((DISPATCHES.full_name(SETTINGS), 0), [])
    told: list[Execution] = [decode_execution(value or b"") for _, value, _ in executions]
    sent = [decode_dispatch(value or b"") for _, value, _ in dispatches]
    return Said(
        [(one.execution_id, one.status) for one in told],
        [(one.inject.execution_id, one.cancel) for one in sent],
    )


def trigger(**fields: Any) -> Trigger:
    """The row `t`."""
    row = {
        "id": "t",
        "name": "t",
        "schedule_expression": "feed:goal",
        "agent_id": "a",
        "agent_instance_id": "desk",
        "hub_id": "h",
    }
    return Trigger(**{**row, **fields})


def execution_id(number: int) -> str:
    """The execution of the event of that number."""
    return derived_id("execution", "t", f"e{number}")


def firing(offset: int, number: int, at_ms: int, payload: Any = None) -> Record:
    """The event of that number fires `t`."""
    event = Event(source="feed", type="goal", id=f"e{number}", payload=payload or {"number": number}, accepted_at_ms=at_ms)
    return Record(offset, at_ms, b"t", encode(Firing(execution_id(number), "t", event)))


def told(offset: int, number: int, status: Status, at_ms: int, slot: str = "t\x1f") -> Record:
    """That execution stands so now."""
    return Record(offset, at_ms, b"t", encode(Told("t", slot, execution_id(number), status)), [(KIND_HEADER, TOLD)])


def time_comes(offset: int, at_ms: int, slot: str = "t\x1f") -> Record:
    """A time that was waited for has come."""
    return Record(offset, at_ms, b"t", encode(Told("t", slot)), [(KIND_HEADER, TOLD)])
