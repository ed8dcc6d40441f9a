"""What each record makes of a row, as a table of what was told before, what is told, and what holds then."""

from typing import Any

import pytest
from msgspec.structs import asdict

from connectors.postgres.execution_row import ExecutionRow, Told, advance, instant, is_late
from streams.event import Lineage
from streams.execution import Execution, Status


def tell(*records: tuple[Status, int, dict[str, Any]]) -> ExecutionRow:
    """The row after these records: status, time, and what else each tells."""
    row: ExecutionRow | None = None
    for offset, (status, at_ms, more) in enumerate(records):
        row = advance(row, Told(Execution("e", "t", status, at_ms, **more), 0, offset))
    assert row is not None
    return row


def test_a_whole_life_has_all_its_times() -> None:
    """Each is the time its record tells; the first RUNNING starts it, the next is a heartbeat."""
    row = tell(
        (Status.QUEUED, 1, {}),
        (Status.PENDING, 2, {}),
        (Status.RUNNING, 3, {"attempts": 1}),
        (Status.RUNNING, 4, {}),
        (Status.COMPLETED, 5, {}),
    )
    assert (row.created_at, row.queued_at, row.pending_at) == (instant(1), instant(1), instant(2))
    assert (row.started_at, row.heartbeat_at, row.finished_at) == (instant(3), instant(4), instant(5))
    assert (row.status, row.updated_at, row.attempts, row.topic_offset) == (Status.COMPLETED, instant(5), 1, 4)


@pytest.mark.parametrize(
    ("told", "holds"),
    [
        ((Status.QUEUED, Status.PENDING), Status.PENDING),
        ((Status.QUEUED, Status.SKIPPED), Status.SKIPPED),
        ((Status.PENDING, Status.QUEUED), Status.PENDING),
        ((Status.RUNNING, Status.PENDING), Status.RUNNING),
        ((Status.COMPLETED, Status.RUNNING), Status.COMPLETED),
        ((Status.COMPLETED, Status.FAILED), Status.COMPLETED),
        ((Status.TIMED_OUT, Status.COMPLETED), Status.TIMED_OUT),
        ((Status.CANCELLED, Status.COMPLETED), Status.CANCELLED),
        ((Status.PENDING, Status.CANCELLED, Status.RUNNING, Status.TIMED_OUT, Status.COMPLETED), Status.CANCELLED),
        ((Status.REFUSED, Status.PENDING), Status.REFUSED),
    ],
)
def test_the_furthest_stage_holds_and_the_first_end_of_all(told: tuple[Status, ...], holds: Status) -> None:
    """Whatever comes later and is not further changes neither status nor outcome."""
    row = tell(*((status, at_ms, {"error": status.value}) for at_ms, status in enumerate(told)))
    place = told.index(holds)
    assert (row.status, row.error, row.topic_offset, row.updated_at) == (holds, holds.value, place, instant(place))


def test_what_comes_late_fills_in_what_nobody_told() -> None:
    """The hub may be quicker than the records before its answer: their times, input and attempts come after it."""
    lineage = Lineage("event", ["t"], 1)
    row = tell(
        (Status.COMPLETED, 9, {"output": "done", "hub_id": "local"}),
        (Status.RUNNING, 3, {"attempts": 2, "hub_id": "other"}),
        (Status.PENDING, 2, {"input": {"minute": 9}, "lineage": lineage, "accepted_at_ms": 1, "slot": "t", "agent_id": "a"}),
    )
    assert (row.status, row.output, row.finished_at, row.updated_at) == (Status.COMPLETED, '"done"', instant(9), instant(9))
    assert (row.created_at, row.pending_at, row.started_at) == (instant(2), instant(2), instant(3))
    assert (row.attempts, row.hub_id, row.slot, row.agent_id, row.accepted_at) == (2, "local", "t", "a", instant(1))
    assert (row.input, row.has_lineage) == ('{"minute":9}', True)


def test_a_record_that_tells_nothing_new_leaves_the_very_row() -> None:
    """So that nothing is written for it."""
    row = tell((Status.PENDING, 1, {"input": 1}), (Status.COMPLETED, 2, {}))
    for record in (Execution("e", "t", Status.FAILED, 3, error="late"), Execution("e", "t", Status.PENDING, 1, input=2)):
        assert advance(row, Told(record, 0, 9)) is row


def test_a_redriven_execution_is_open_again_and_its_attempts_go_on() -> None:
    """A higher run's PENDING takes the end back; what is said of the run before no longer counts."""
    failed: list[tuple[Status, int, dict[str, Any]]] = [
        (Status.PENDING, 1, {"input": 1}),
        (Status.RUNNING, 2, {}),
        (Status.RUNNING, 3, {}),
        (Status.FAILED, 4, {"attempts": 8, "error": "503"}),
    ]
    row = tell(*failed, (Status.PENDING, 10, {"run": 1}))
    assert (row.status, row.run, row.finished_at, row.error, row.heartbeat_at) == (Status.PENDING, 1, None, None, None)
    assert (row.created_at, row.pending_at, row.started_at, row.attempts) == (instant(1), instant(10), instant(2), 8)
    row = tell(
        *failed, (Status.PENDING, 10, {"run": 1}), (Status.COMPLETED, 11, {}), (Status.RUNNING, 12, {"run": 1, "attempts": 2})
    )
    assert (row.status, row.attempts, row.earlier_attempts, row.output) == (Status.RUNNING, 10, 8, None)
    row = tell(
        *failed, (Status.COMPLETED, 11, {"run": 1, "attempts": 1, "output": "at last"}), (Status.PENDING, 10, {"run": 1})
    )
    assert (row.status, row.attempts, row.output, row.pending_at) == (Status.COMPLETED, 9, '"at last"', instant(10))


def test_a_heartbeat_is_no_start() -> None:
    """It says when the agent was heard of last; `started_at` stays."""
    row = tell((Status.RUNNING, 1, {"attempts": 1, "error": "503"}), (Status.RUNNING, 7, {}), (Status.RUNNING, 8, {}))
    assert (row.started_at, row.heartbeat_at, row.attempts, row.error) == (instant(1), instant(8), 1, None)


def test_a_time_no_calendar_has_is_an_error() -> None:
    """It is told apart from the records around it."""
    with pytest.raises(OverflowError):
        tell((Status.PENDING, 10**30, {}))


@pytest.mark.parametrize(
    ("status", "more", "late"),
    [
        (Status.PENDING, {"accepted_at_ms": 5}, False),
        (Status.QUEUED, {"accepted_at_ms": 5}, False),
        (Status.RUNNING, {"accepted_at_ms": 50}, False),
        (Status.TIMED_OUT, {"accepted_at_ms": 5}, True),
        (Status.COMPLETED, {"accepted_at_ms": 5}, True),
        (Status.COMPLETED, {"accepted_at_ms": 5, "run": 1}, False),
        (Status.COMPLETED, {}, False),
    ],
)
def test_what_retention_may_have_deleted_is_not_made_again(status: Status, more: dict[str, Any], late: bool) -> None:
    """Of an event accepted longer ago than rows are kept, only a beginning or a redriven run makes a row."""
    assert is_late(Execution("e", "t", status, 60, **more), horizon_ms=10) is late


def test_every_field_of_a_record_finds_its_place() -> None:
    """Nothing that is told is forgotten."""
    row = set(asdict(tell((Status.PENDING, 1, {}))))
    assert set(Execution.__struct_fields__) - {"at_ms", "accepted_at_ms", "one_shot_generation"} <= row
