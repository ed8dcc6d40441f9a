"""The gate as a stage: what a log of records leads to, and that it leads to the same whenever the worker is killed."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from streams.execution import Status
from streams.workspace import Workspace
from tests.unit.streams.gating.desk import (
    KnownRows,
    Line,
    Process,
    Record,
    Said,
    execution_id,
    firing,
    lines_of,
    said,
    time_comes,
    told,
    trigger,
)

POLICIES: list[dict[str, Any]] = [
    {},
    {"one_shot": True},
    {"dedup": "skip"},
    {"dedup": "queue"},
    {"max_concurrent": 3},
    {"dedup": "queue", "one_shot": True},
    {"timeout_seconds": 0.02, "dedup": "queue"},
    {"rate_limit": "3/50ms"},
    {"rate_limit": "3/50ms", "max_concurrent": 2},
    {"count_threshold": 3, "window": "40ms"},
    {"count_threshold": 2, "window": "40ms", "dedup": "queue"},
    {"debounce": "15ms"},
    {"debounce": "15ms", "dedup": "queue"},
    {"debounce": "15ms", "dedup": "skip", "one_shot": True},
    {"dedup": "queue", "per": "payload.game"},
]
RECORDS = 120


def rows(**columns: Any) -> KnownRows:
    """The row `t` with these columns; its workspace lets twelve firings wait."""
    return KnownRows({"t": trigger(**columns)}, {"default": Workspace("default", max_queue=12)})


def log_of(columns: dict[str, Any], chance: random.Random) -> list[Record]:
    """A log as feeds, agents and the clock would have written it: agents report on what was fired, the clock on what is due."""
    process = Process(rows(**columns))
    records: list[Record] = []
    active: list[tuple[int, str]] = []
    at_ms = 1_700_000_000_000
    for offset in range(RECORDS):
        at_ms += chance.randrange(8)
        due = process.gate.due(at_ms).records
        if due:
            slot = "t\x1f" if "per" not in columns else f't\x1f"{chance.choice("ab")}"'
            record = time_comes(offset, at_ms, slot)
        elif active and chance.random() < 0.4:
            number, slot = active.pop(chance.randrange(len(active)))
            status = chance.choice([Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.RUNNING])
            record = told(offset, number, status, at_ms, slot)
            if status is Status.RUNNING:
                active.append((number, slot))
        else:
            number = chance.randrange(max(0, offset - 10), offset + 1) if chance.random() < 0.1 else offset
            record = firing(offset, number, at_ms, {"number": number, "game": "ab"[number % 2]})
            slot = "t\x1f" if "per" not in columns else f't\x1f"{"ab"[number % 2]}"'
            active.append((number, slot))
        records.append(record)
        process.judge([record])
    return records


def run(columns: dict[str, Any], records: list[Record], chance: random.Random | None) -> tuple[Said, Process]:
    """Judge the log; with `chance`, killed again and again between any two steps of what makes a batch last."""
    lines: list[Line] = []
    known, committed, at = rows(**columns), 0, 0
    process = Process(known)
    statuses: list[tuple[str, Status]] = []
    dispatches: list[tuple[str, bool]] = []
    while at < len(records):
        batch = records[at : at + (chance.randrange(1, 6) if chance else 1)]
        work = process.judge(batch)
        sent, written = said(work), lines_of(work)
        killed = chance is not None and chance.random() < 0.25
        if killed and chance is not None and chance.random() < 0.5:
            # While it sent: some of the outputs are out, none of the state is.
            sent = Said(sent.statuses[: chance.randrange(len(sent.statuses) + 1)], [])
            written = []
        elif killed and chance is not None:
            written = written[: chance.randrange(len(written) + 1)]  # while it wrote
        statuses += sent.statuses
        dispatches += sent.dispatches
        lines += written
        at += len(batch)
        if killed and chance is not None:
            at = committed = chance.randrange(committed, at - len(batch) + 1)  # offsets are committed now and then
            process = Process(known, lines)
        if chance is not None and chance.random() < 0.5:
            disable_spent(known, statuses)
    return Said(statuses, dispatches), process


def disable_spent(known: KnownRows, statuses: list[tuple[str, Status]]) -> None:
    """As the projection does when it has read of the execution that spent a one-shot row."""
    began = [one for one, status in statuses if status in (Status.PENDING, Status.QUEUED)]
    if known.triggers["t"].one_shot and began:
        known.triggers["t"] = replace(known.triggers["t"], enabled=False, spent_by=began[0])


@pytest.mark.parametrize("columns", POLICIES, ids=str)
def test_killed_anywhere_it_decides_the_same(columns: dict[str, Any]) -> None:
    """Outputs, partial outputs, partial state, lost offsets: the same executions, in the same order, the same state."""
    for seed in range(40):
        records = log_of(columns, random.Random(seed))
        straight, calm = run(columns, records, None)
        shaken, survivor = run(columns, records, random.Random(seed))
        assert list(dict.fromkeys(shaken.statuses)) == list(dict.fromkeys(straight.statuses))
        assert list(dict.fromkeys(shaken.dispatches)) == list(dict.fromkeys(straight.dispatches))
        assert survivor.tables["gates"].partition(0) == calm.tables["gates"].partition(0)
        assert survivor.outcomes() == calm.outcomes()
        assert len(straight.statuses) == len(set(straight.statuses))


@pytest.mark.parametrize("columns", POLICIES, ids=str)
def test_every_firing_has_one_outcome(columns: dict[str, Any]) -> None:
    """What the ledger counts adds up to the log, and what began is what was fired, at once or after it waited."""
    records = log_of(columns, random.Random(7))
    happened, process = run(columns, records, None)
    outcomes = dict(process.outcomes())
    began = [one for one, status in happened.statuses if status is Status.PENDING]
    notes = {name: outcomes.pop(name, 0) for name in ("taken", "released", "withdrawn")}
    assert len(began) == outcomes.get("fired", 0) + notes["taken"] + notes["released"]
    assert len(began) == sum(not cancel for _, cancel in happened.dispatches)
    assert sum(outcomes.values()) >= len(records)


def test_a_queue_keeps_its_order_and_its_bound() -> None:
    """Twelve may wait; the fourteenth is refused; each that ends lets the next one in; one that is cancelled falls out."""
    records = [firing(number, number, 1_000 + number) for number in range(14)]
    records += [told(14, 2, Status.CANCELLED, 2_000)]
    records += [told(15 + number, number, Status.COMPLETED, 3_000) for number in (0, 1, 3)]
    happened, process = run({"dedup": "queue"}, records, None)
    assert [one for one, _ in happened.dispatches] == [execution_id(number) for number in (0, 1, 3, 4)]
    assert (execution_id(13), Status.REFUSED) in happened.statuses
    assert process.state("t\x1f").queue_tail - process.state("t\x1f").queue_head == 8


def test_what_waits_for_a_trigger_that_is_gone_is_told_so() -> None:
    """Nothing disappears: the firing is skipped when its turn comes."""
    known = rows(dedup="queue")
    process = Process(known)
    process.judge([firing(0, 0, 1_000), firing(1, 1, 1_001)])
    known.triggers.clear()
    happened = said(process.judge([told(2, 0, Status.COMPLETED, 1_002)]))
    assert happened == Said([(execution_id(1), Status.SKIPPED)], [])


def test_an_input_that_cannot_be_made_goes_to_dead_and_can_be_redriven() -> None:
    """It is not known as decided, so that the same record fires once the row is mended; one that waited is refused."""
    known = rows(dedup="queue", input_template="{{ payload.number + 1 }}")
    process = Process(known)
    odd = firing(0, 0, 1_000, {"number": "odd"})
    assert said(process.judge([odd])) == Said([], [])
    assert dict(process.outcomes()) == {"dead": 1}
    process.judge([firing(1, 1, 1_001), firing(2, 2, 1_002, {"number": "odd"})])
    assert said(process.judge([told(3, 1, Status.COMPLETED, 1_003)])).statuses == [(execution_id(2), Status.REFUSED)]
    known.triggers["t"] = trigger(dedup="queue")
    odd.offset = 4
    assert said(process.judge([odd])).statuses == [(execution_id(0), Status.PENDING)]


def test_a_time_out_frees_the_slot_and_tells_the_hub() -> None:
    """It begins with the first sign of life, and each sign begins it anew."""
    process = Process(rows(dedup="queue", timeout_seconds=1))
    process.judge([firing(0, 0, 1_000), firing(1, 1, 1_001), told(2, 0, Status.RUNNING, 5_000)])
    assert not process.gate.due(5_999).records
    assert process.gate.due(6_000).records
    process.judge([told(3, 0, Status.RUNNING, 6_500)])
    assert said(process.judge([time_comes(4, 6_600)])) == Said([], [])
    happened = said(process.judge([time_comes(5, 7_500)]))
    assert happened.statuses == [(execution_id(0), Status.TIMED_OUT), (execution_id(1), Status.PENDING)]
    assert happened.dispatches == [(execution_id(0), True), (execution_id(1), False)]
