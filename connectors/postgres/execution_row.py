"""How a record of the `executions` topic changes the row of its execution. Pure: Postgres is in projection.py.

- Statuses have an order: the run first, and within a run QUEUED, PENDING, RUNNING, a final one. A record that is further than
  the row moves it; so the first final record of a run stays, and a redriven dead letter, which has a higher run, reopens it.
- A RUNNING record beside RUNNING of the same run is a heartbeat.
- Any other record only fills in what nobody has told yet: the hub may be quicker than the record that says it was called.
- `created_at` is the earliest time told by a QUEUED or PENDING record. `attempts` go on from run to run.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from streams.execution import FINAL, Execution, Status

STAGES = {Status.QUEUED: 0, Status.PENDING: 1, Status.RUNNING: 2} | dict.fromkeys(FINAL, 3)
"""How far each status is within a run."""
BEGINNINGS = frozenset({Status.QUEUED, Status.PENDING})
"""What tells of an execution before its hub has it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Told(NamedTuple):
    """An execution's change, and where on the topic it was told."""

    execution: Execution
    partition: int
    offset: int


class ExecutionRow(msgspec.Struct, frozen=True):
    """A row as far as the rules need it. `input` and `lineage` are what is to be written, as JSON text; None leaves the row's.

    `version` is that of the row that was read, None when there was none; `moved` says that its outcome is to be written too.
    `topic_partition` and `topic_offset` are where the record lies that made its status so.
    """

    execution_id: str
    trigger_id: str
    status: Status
    created_at: datetime
    updated_at: datetime
    topic_partition: int
    topic_offset: int
    workspace: str = ""
    event_id: str = ""
    hub_id: str = ""
    agent_id: str = ""
    agent_instance_id: str = ""
    slot: str = ""
    run: int = 0
    attempts: int = 0
    earlier_attempts: int = 0
    accepted_at: datetime | None = None
    queued_at: datetime | None = None
    pending_at: datetime | None = None
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None
    finished_at: datetime | None = None
    has_input: bool = False
    has_lineage: bool = False
    input: str | None = None
    lineage: str | None = None
    output: str | None = None
    error: str | None = None
    version: int | None = None
    moved: bool = False

    @property
    def progress(self) -> tuple[int, int]:
        """The run, and how far it is."""
        return self.run, STAGES[self.status]


def advance(row: ExecutionRow | None, told: Told) -> ExecutionRow:
    """The row after this record; the very same when it changes nothing. Raises OverflowError for a time out of range."""
    execution = told.execution
    progress = execution.run, STAGES[execution.status]
    if row is None:
        return _moved(_new(told), told)
    if progress > row.progress:
        return _moved(row, told)
    if progress == row.progress and execution.status is Status.RUNNING:
        return _beat(row, told)
    return _filled(row, told)


def is_late(execution: Execution, horizon_ms: int) -> bool:
    """Whether a record for which there is no row must not make one, since retention may have deleted it.

    `horizon_ms` is the acceptance of the youngest event whose execution may have been deleted. One that begins has no row
    yet; one that was redriven lives again and needs one, for its agent to report to.
    """
    begins = execution.status in BEGINNINGS or execution.run > 0
    return not begins and 0 < execution.accepted_at_ms < horizon_ms


def _new(told: Told) -> ExecutionRow:
    execution = told.execution
    at = instant(execution.at_ms)
    return ExecutionRow(
        execution.execution_id, execution.trigger_id, execution.status, at, at, told.partition, told.offset, run=execution.run
    )


def _moved(row: ExecutionRow, told: Told) -> ExecutionRow:
    """A later stage, or another run: the record's word holds, where it has one."""
    execution, at = told.execution, instant(told.execution.at_ms)
    status, reopened = execution.status, execution.run > row.run
    earlier_attempts = row.attempts if reopened else row.earlier_attempts
    changes: dict[str, Any] = {
        **{column: getattr(execution, column) or getattr(row, column) for column in _TEXTS},
        **_documents(row, execution, over=True),
        **_beginnings(row, execution, at, over=True),
        "status": status,
        "run": execution.run,
        "earlier_attempts": earlier_attempts,
        "attempts": max(row.attempts, earlier_attempts + execution.attempts),
        "accepted_at": _accepted_at(execution) or row.accepted_at,
        "finished_at": at if status in FINAL else None,
        "output": _json(execution.output),
        "error": execution.error,
        "updated_at": at,
        "topic_partition": told.partition,
        "topic_offset": told.offset,
        "moved": True,
    }
    if reopened:
        changes |= {"heartbeat_at": None, "pending_at": at if status is Status.PENDING else None}
    if status is Status.RUNNING and row.started_at is None:
        changes["started_at"] = at
    return replace(row, **changes)


def _beat(row: ExecutionRow, told: Told) -> ExecutionRow:
    """The agent, or dispatch, says that it still works."""
    execution, at = told.execution, instant(told.execution.at_ms)
    return replace(
        _filled(row, told),
        heartbeat_at=at,
        attempts=max(row.attempts, row.earlier_attempts + execution.attempts),
        error=execution.error,
        output=_json(execution.output),
        updated_at=at,
        topic_partition=told.partition,
        topic_offset=told.offset,
        moved=True,
    )


def _filled(row: ExecutionRow, told: Told) -> ExecutionRow:
    """What nobody has told yet."""
    execution = told.execution
    changes: dict[str, Any] = {
        column: getattr(execution, column) for column in _TEXTS if getattr(execution, column) and not getattr(row, column)
    }
    changes |= _documents(row, execution, over=False)
    if row.accepted_at is None and (accepted_at := _accepted_at(execution)) is not None:
        changes["accepted_at"] = accepted_at
    if (execution.run, STAGES[execution.status]) < row.progress:
        at = instant(execution.at_ms)
        if execution.run == row.run:
            changes |= _beginnings(row, execution, at, over=False)
            attempts = row.earlier_attempts + execution.attempts
            if attempts > row.attempts:
                changes["attempts"] = attempts
        if execution.status is Status.RUNNING and row.started_at is None:
            changes["started_at"] = at
    return replace(row, **changes) if changes else row


_TEXTS = ("workspace", "event_id", "hub_id", "agent_id", "agent_instance_id", "slot")


def _documents(row: ExecutionRow, execution: Execution, *, over: bool) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if execution.input is not None and (over or not row.has_input):
        changes |= {"input": _json(execution.input), "has_input": True}
    if execution.lineage is not None and (over or not row.has_lineage):
        changes |= {"lineage": _json(execution.lineage), "has_lineage": True}
    return changes


def _beginnings(row: ExecutionRow, execution: Execution, at: datetime, *, over: bool) -> dict[str, Any]:
    """The times that a QUEUED or PENDING record tells."""
    changes: dict[str, Any] = {}
    if execution.status in BEGINNINGS and at < row.created_at:
        changes["created_at"] = at
    if execution.status is Status.QUEUED and row.queued_at is None:
        changes["queued_at"] = at
    if execution.status is Status.PENDING and (over or row.pending_at is None):
        changes["pending_at"] = at
    return changes


def _accepted_at(execution: Execution) -> datetime | None:
    return instant(execution.accepted_at_ms) if execution.accepted_at_ms else None


def instant(at_ms: int) -> datetime:
    """Unix milliseconds as a time. Raises OverflowError when no calendar has it."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
