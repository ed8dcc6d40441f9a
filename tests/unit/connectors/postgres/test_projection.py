"""How records become rows and counts before they are written."""

from connectors.postgres.execution_row import ExecutionRow, Told
from connectors.postgres.projection import advance_all, counted
from streams.execution import Execution, Status


def told(*records: tuple[str, Status, int]) -> list[Told]:
    """Records of executions: id, status and run, of workspace `w`, on partition 3."""
    return [
        Told(Execution(execution_id, "t", status, offset, workspace="w", run=run), 3, offset)
        for offset, (execution_id, status, run) in enumerate(records)
    ]


def test_a_batch_is_judged_record_by_record_and_counted_as_a_whole() -> None:
    """A life that lies in one batch is one row, and one more that has ended."""
    batch = told(("a", Status.PENDING, 0), ("b", Status.PENDING, 0), ("a", Status.RUNNING, 0), ("a", Status.COMPLETED, 0))
    rows = advance_all({}, batch, 0)
    assert {execution_id: row.status for execution_id, row in rows.items()} == {"a": Status.COMPLETED, "b": Status.PENDING}
    assert counted({}, rows.values()) == {(3, "w", "COMPLETED"): 1, (3, "w", "PENDING"): 1}


def test_an_execution_is_counted_where_it_stands_and_nowhere_else() -> None:
    """Its step from one status to another takes one away and adds one; a record that moves nothing does neither."""
    held: dict[str, ExecutionRow] = advance_all({}, told(("a", Status.PENDING, 0), ("b", Status.COMPLETED, 0)), 0)
    rows = advance_all(held, told(("a", Status.FAILED, 0), ("b", Status.FAILED, 0)), 0)
    assert counted(held, rows.values()) == {(3, "w", "PENDING"): -1, (3, "w", "FAILED"): 1}


def test_a_workspace_told_late_moves_the_count() -> None:
    """The row of an execution nobody had named a workspace for was counted without one."""
    held = advance_all({}, [Told(Execution("a", "t", Status.COMPLETED, 1), 3, 1)], 0)
    rows = advance_all(held, told(("a", Status.PENDING, 0)), 0)
    assert counted(held, rows.values()) == {(3, "", "COMPLETED"): -1, (3, "w", "COMPLETED"): 1}


def test_a_redriven_execution_whose_row_is_gone_is_not_counted_twice() -> None:
    """It was counted as failed, and stands elsewhere now."""
    rows = advance_all({}, told(("a", Status.PENDING, 1)), 0)
    assert counted({}, rows.values()) == {(3, "w", "FAILED"): -1, (3, "w", "PENDING"): 1}


def test_a_late_word_about_a_deleted_row_makes_none() -> None:
    """Neither a row nor a count."""
    late = Told(Execution("a", "t", Status.TIMED_OUT, 90, workspace="w", accepted_at_ms=5), 3, 9)
    assert advance_all({}, [late], horizon_ms=10) == {}
