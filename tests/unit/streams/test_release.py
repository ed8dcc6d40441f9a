"""What an execution's change of status means to the gate and to a hub."""

from typing import Any

from faust.types import TP

from streams.engine.batch import Batch
from streams.engine.work import Work
from streams.execution import KIND_HEADER, TOLD, Execution, Status, decode_dispatch, decode_told, encode
from streams.release import Release
from streams.topics import DISPATCHES, EXECUTIONS, FIRINGS
from tests.unit.streams.gating.desk import SETTINGS, Record


def judge(*executions: tuple[str, Status, str]) -> Work:
    """One batch of changes: the execution, its status, its slot."""
    records = [
        Record(offset, 0, b"t", encode(Execution(one, "t", status, 0, hub_id="h", agent_instance_id="desk/7", slot=slot)))
        for offset, (one, status, slot) in enumerate(executions)
    ]
    records.append(Record(len(records), 0, b"t", b"{no json"))
    tp = TP(EXECUTIONS.full_name(SETTINGS), 0)
    return Release(SETTINGS).judge(Batch(tp, [records], 0, 0, len(records) - 1))


def told(work: Work) -> list[tuple[str, str, Status | None]]:
    """What the gate is told."""
    written: list[Any] = work.outputs.records.get((FIRINGS.full_name(SETTINGS), 0), [])
    assert all(key == b"t" and headers == [(KIND_HEADER, TOLD)] for key, _, headers in written)
    return [(one.slot, one.execution_id, one.status) for one in (decode_told(value) for _, value, _ in written)]


def test_the_gate_hears_the_last_word_of_each_that_has_a_slot() -> None:
    """What is pending or has no slot means nothing to it; the first end holds; what nobody can read is passed over."""
    work = judge(
        ("a", Status.PENDING, "s"),
        ("a", Status.RUNNING, "s"),
        ("b", Status.RUNNING, "s"),
        ("c", Status.RUNNING, ""),
        ("a", Status.COMPLETED, "s"),
        ("a", Status.TIMED_OUT, "s"),
        ("a", Status.RUNNING, "s"),
    )
    assert told(work) == [("s", "b", Status.RUNNING), ("s", "a", Status.COMPLETED)]
    assert not work.outputs.records.get((DISPATCHES.full_name(SETTINGS), 0))


def test_a_hub_hears_of_a_cancel_that_means_nothing_to_the_gate() -> None:
    """Under the key of the inject, so that it comes behind it."""
    work = judge(("a", Status.CANCELLED, ""), ("b", Status.CANCELLED, "s"), ("c", Status.FAILED, ""))
    [(key, value, _)] = work.outputs.records[DISPATCHES.full_name(SETTINGS), 0]
    cancel = decode_dispatch(value or b"")
    assert (key, cancel.cancel, cancel.inject.execution_id) == (b"h/desk/7", True, "a")
    assert told(work) == [("s", "b", Status.CANCELLED)]
