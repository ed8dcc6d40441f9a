"""Records of the `executions` topic into Postgres: rows, counts and positions change in one transaction.

A batch is projected in these steps:

1. Lock the positions of its partitions, and leave out every record before them: it has been projected. Whoever else projects
   one of these partitions at the moment, a process that does not know that it lost it, waits for our commit, and then knows.
2. Read the rows of the executions that it tells of.
3. Let the rules make each row what it becomes, record by record (execution_row.py).
4. Write the rows that changed, what that did to the counts, and the triggers that are spent.
5. Move the positions, and commit.

Died before the commit, all of it happens again; died after it, step 1 leaves out what comes again. Nothing else tells a
repeated record, and so a row may be deleted without its records bringing it back or counting it twice.

An execution's records lie on one partition, unless their number was changed while it lived. Then two of us may meet at one
row: the one whose row is no longer as it was read (or is there, and was not) starts over.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from connectors.postgres.execution_positions import lock_positions, move_positions
from connectors.postgres.execution_row import BEGINNINGS, ExecutionRow, Told, advance, is_late
from streams.execution import Status

UNACCEPTABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    OverflowError,
)
"""What a record causes that Postgres cannot hold: text with NUL, numbers and times out of range, nesting too deep."""

COLUMNS = {
    "execution_id": "text",
    "trigger_id": "text",
    "status": "text",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "topic_partition": "integer",
    "topic_offset": "bigint",
    "workspace": "text",
    "event_id": "text",
    "hub_id": "text",
    "agent_id": "text",
    "agent_instance_id": "text",
    "slot": "text",
    "run": "integer",
    "attempts": "integer",
    "earlier_attempts": "integer",
    "accepted_at": "timestamptz",
    "queued_at": "timestamptz",
    "pending_at": "timestamptz",
    "started_at": "timestamptz",
    "heartbeat_at": "timestamptz",
    "finished_at": "timestamptz",
}
"""What is read and written as it is."""
DOCUMENTS = {"input": "text", "lineage": "text", "output": "text", "error": "text"}
"""What may be large, and is only written."""

_HELD = ", ".join(COLUMNS)
_WRITTEN = {**COLUMNS, **DOCUMENTS}
_KEPT = tuple(column for column in COLUMNS if column not in {"execution_id", "trigger_id"})


def _unnested(columns: Mapping[str, str]) -> str:
    """Arrays as a table `told` of these columns."""
    arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(columns.values(), 1))
    return f"unnest({arrays}) AS told ({', '.join(columns)})"


# The names spliced in are the ones above; every value goes in as a parameter.
_READ = f"""
SELECT {_HELD}, input IS NOT NULL AS has_input, lineage IS NOT NULL AS has_lineage, xmin AS version
FROM executions WHERE execution_id = ANY($1::text[])
"""  # noqa: S608
_ADD = f"""
INSERT INTO executions ({_HELD}, input, lineage, output, error)
SELECT {_HELD}, input::jsonb, lineage::jsonb, output::jsonb, error FROM {_unnested(_WRITTEN)}
ON CONFLICT DO NOTHING
"""  # noqa: S608
_CHANGE = f"""
UPDATE executions AS held SET {", ".join(f"{column} = told.{column}" for column in _KEPT)},
    input = coalesce(told.input::jsonb, held.input), lineage = coalesce(told.lineage::jsonb, held.lineage),
    output = CASE WHEN told.moved THEN told.output::jsonb ELSE held.output END,
    error = CASE WHEN told.moved THEN told.error ELSE held.error END
FROM {_unnested(_WRITTEN | {"version": "xid", "moved": "boolean"})}
WHERE held.execution_id = told.execution_id AND held.xmin = told.version
"""  # noqa: S608
_COUNT = """
INSERT INTO execution_counts AS held (topic_partition, workspace, status, executions)
SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[])
ON CONFLICT (topic_partition, workspace, status) DO UPDATE SET executions = held.executions + excluded.executions
"""
_SPEND = """
UPDATE jobs SET enabled = false, spent_by = spent.execution_id
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS spent (id, generation, execution_id)
WHERE jobs.id = spent.id AND jobs.generation = spent.generation AND jobs.enabled
"""
Place = tuple[int, str, str]
"""What is counted by: partition, workspace, status."""


class _RowChanged(Exception):
    """Somebody else changed a row between our reading and our writing it."""


async def project(connection: asyncpg.Connection, told: Sequence[Told], ends: Mapping[int, int], kept_ms: int) -> None:
    """Apply records, in the order of their partition, in one transaction.

    `ends` is partition -> the offset after the last record that was read of it, those included that nobody can read.
    `kept_ms` is how long a finished execution's row is kept.

    Raises one of UNACCEPTABLE when a record cannot be held, other errors of asyncpg when the database cannot be used.
    """
    while True:
        try:
            async with connection.transaction():
                positions = await lock_positions(connection, list(ends))
                fresh = [change for change in told if change.offset >= positions[change.partition]]
                if fresh:
                    await _apply(connection, fresh, time.time_ns() // 1_000_000 - kept_ms)
                await move_positions(
                    connection, {partition: end for partition, end in ends.items() if end > positions[partition]}
                )
            return
        except _RowChanged:
            continue


async def _apply(connection: asyncpg.Connection, told: Sequence[Told], horizon_ms: int) -> None:
    execution_ids = list({change.execution.execution_id for change in told})
    held = {row["execution_id"]: _row_of(row) for row in await connection.fetch(_READ, execution_ids)}
    rows = advance_all(held, told, horizon_ms)
    added = [row for row in rows.values() if row.version is None]
    changed = [row for row in rows.values() if row.version is not None and row is not held[row.execution_id]]
    if added and _rows_of(await connection.execute(_ADD, *_columns(added, _WRITTEN))) != len(added):
        raise _RowChanged
    if changed:
        columns = _columns(changed, (*_WRITTEN, "version", "moved"))
        if _rows_of(await connection.execute(_CHANGE, *columns)) != len(changed):
            raise _RowChanged
    if counts := counted(held, rows.values()):
        places = sorted(counts)  # in one order, so that nobody waits for us who we wait for
        await connection.execute(_COUNT, *map(list, zip(*places, strict=True)), [counts[place] for place in places])
    spent = sorted(
        {
            (change.execution.trigger_id, change.execution.one_shot_generation, change.execution.execution_id)
            for change in told
            if change.execution.status in BEGINNINGS and change.execution.one_shot_generation > 0
        }
    )
    if spent:
        await connection.execute(_SPEND, *map(list, zip(*spent, strict=True)))


def advance_all(held: Mapping[str, ExecutionRow], told: Iterable[Told], horizon_ms: int) -> dict[str, ExecutionRow]:
    """The rows that these records tell of, as they become. Raises OverflowError for a time out of range."""
    rows = dict(held)
    for change in told:
        row = rows.get(change.execution.execution_id)
        if row is not None or not is_late(change.execution, horizon_ms):
            rows[change.execution.execution_id] = advance(row, change)
    return rows


def counted(held: Mapping[str, ExecutionRow], rows: Iterable[ExecutionRow]) -> dict[Place, int]:
    """What these rows change in the counts: one less where a row was, one more where it is."""
    counts: Counter[Place] = Counter()
    for row in rows:
        before = held.get(row.execution_id)
        if before is not None:
            counts[before.topic_partition, before.workspace, before.status] -= 1
        elif row.run > 0:
            # Its row was deleted, and stays counted: only what has failed is redriven.
            counts[row.topic_partition, row.workspace, Status.FAILED] -= 1
        counts[row.topic_partition, row.workspace, row.status] += 1
    return {place: change for place, change in counts.items() if change}


def _row_of(record: asyncpg.Record) -> ExecutionRow:
    return ExecutionRow(**{**record, "status": Status(record["status"])})


def _columns(rows: Sequence[ExecutionRow], columns: Iterable[str]) -> list[list[Any]]:
    return [[getattr(row, column) for row in rows] for column in columns]


def _rows_of(command_tag: str) -> int:
    """How many rows a statement wrote: the last word of its tag (`INSERT 0 3`, `UPDATE 3`)."""
    return int(command_tag.rpartition(" ")[2])
