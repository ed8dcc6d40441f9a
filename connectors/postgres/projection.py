"""How a record of the `executions` topic changes the row of its execution, in SQL, and so in one place.

- Statuses move forward: PENDING, RUNNING, a final one. The first final one stays; nothing changes its outcome.
- A record at or before the one the row holds, on the same partition, has been applied: it changes nothing.
- A PENDING record that comes late (the hub may be quicker than its producer) fills in what only it knows.
- `created_at` is the earliest time told, the PENDING record's; `started_at` that of the first RUNNING record,
  `finished_at` that of the final one.
- A PENDING record of a one-shot trigger disables the trigger's row, if that is still enabled by the same generation: a row
  its owner has enabled again is another generation, and a record that comes late or twice leaves it alone.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg
import msgspec

from streams.execution import Execution, Status

UNACCEPTABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    OverflowError,
)
"""What a record causes that Postgres cannot hold: text with NUL, numbers and times out of range, nesting too deep."""


class Told(NamedTuple):
    """An execution's change, and where on the topic it was told."""

    execution: Execution
    partition: int
    offset: int


# Whether the record moves the row on: to a later stage, or, while RUNNING, to a later word.
_MOVES = (
    "(status_stage(excluded.status) > status_stage(held.status) OR (excluded.status = 'RUNNING' AND held.status = 'RUNNING'))"
)


def _mover(column: str) -> str:
    """The record's value if it moves the row on, null included; else the row's."""
    return f"{column} = CASE WHEN {_MOVES} THEN excluded.{column} ELSE held.{column} END"


def _first(column: str) -> str:
    """The first value told by a record that moved the row on."""
    return f"{column} = CASE WHEN {_MOVES} THEN coalesce(held.{column}, excluded.{column}) ELSE held.{column} END"


def _known(column: str, new: str, old: str) -> str:
    """The mover's value or the row's, whichever is not empty."""
    return f"{column} = CASE WHEN {_MOVES} THEN coalesce({new}, {old}) ELSE coalesce({old}, {new}) END"


def _known_text(column: str) -> str:
    new, old = f"nullif(excluded.{column}, '')", f"nullif(held.{column}, '')"
    return f"{column} = coalesce(CASE WHEN {_MOVES} THEN coalesce({new}, {old}) ELSE coalesce({old}, {new}) END, '')"


_CHANGES = ",\n    ".join(
    [
        *(_mover(column) for column in ("status", "output", "error", "updated_at")),
        *(_first(column) for column in ("started_at", "finished_at")),
        *(_known_text(column) for column in ("workspace", "event_id", "hub_id", "agent_instance_id")),
        *(_known(column, f"excluded.{column}", f"held.{column}") for column in ("input", "lineage", "accepted_at")),
        f"attempts = CASE WHEN {_MOVES} THEN greatest(held.attempts, excluded.attempts) ELSE held.attempts END",
        "created_at = least(held.created_at, CASE excluded.status WHEN 'PENDING' THEN excluded.created_at END)",
        "topic_partition = excluded.topic_partition",
        "topic_offset = excluded.topic_offset",
    ]
)

# The names spliced in are the ones above; every value goes in as a parameter.
_PROJECT = f"""
INSERT INTO executions AS held (
    execution_id, trigger_id, workspace, event_id, hub_id, agent_instance_id, status, input, output, error, attempts, lineage,
    accepted_at, created_at, started_at, finished_at, updated_at, topic_partition, topic_offset)
SELECT
    execution_id, trigger_id, workspace, event_id, hub_id, agent_instance_id, status, input::jsonb, output::jsonb, error,
    attempts, lineage::jsonb, to_timestamp(nullif(accepted_at_ms, 0) / 1000.0), at,
    CASE status WHEN 'RUNNING' THEN at END, CASE WHEN status_stage(status) = status_stage('COMPLETED') THEN at END, at,
    topic_partition, topic_offset
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::integer[], $12::text[], $13::bigint[], $14::bigint[], $15::integer[], $16::bigint[]
) AS told (
    execution_id, trigger_id, workspace, event_id, hub_id, agent_instance_id, status, input, output, error,
    attempts, lineage, accepted_at_ms, at_ms, topic_partition, topic_offset
), to_timestamp(at_ms / 1000.0) AS at
ON CONFLICT (execution_id) DO UPDATE SET
    {_CHANGES}
WHERE held.topic_partition <> excluded.topic_partition OR held.topic_offset < excluded.topic_offset
"""  # noqa: S608

_SPEND = """
UPDATE jobs SET enabled = false
FROM unnest($1::text[], $2::bigint[]) AS spent (id, generation)
WHERE jobs.id = spent.id AND jobs.generation = spent.generation AND jobs.enabled
"""


async def project(connection: asyncpg.Connection, told: Sequence[Told]) -> None:
    """Apply records, in the order of their partition, in one transaction.

    Raises one of UNACCEPTABLE when a record cannot be held, other errors of asyncpg when the database cannot be used.
    """
    spent = [
        (change.execution.trigger_id, change.execution.one_shot_generation)
        for change in told
        if change.execution.status is Status.PENDING and change.execution.one_shot_generation > 0
    ]
    async with connection.transaction():
        for wave in waves(told):
            await connection.execute(_PROJECT, *_columns(wave))
        if spent:
            await connection.execute(_SPEND, *map(list, zip(*spent, strict=True)))


def waves(told: Sequence[Told]) -> list[list[Told]]:
    """The records in as few groups as hold each execution once, in order: one statement can change a row only once."""
    groups: list[list[Told]] = []
    seen: dict[str, int] = {}
    for change in told:
        number = seen[change.execution.execution_id] = seen.get(change.execution.execution_id, -1) + 1
        if number == len(groups):
            groups.append([])
        groups[number].append(change)
    return groups


def _columns(told: Sequence[Told]) -> Iterable[list[Any]]:
    rows = (
        (
            execution.execution_id,
            execution.trigger_id,
            execution.workspace,
            execution.event_id,
            execution.hub_id,
            execution.agent_instance_id,
            execution.status.value,
            _json(execution.input),
            _json(execution.output),
            execution.error,
            execution.attempts,
            _json(execution.lineage),
            execution.accepted_at_ms,
            execution.at_ms,
            partition,
            offset,
        )
        for execution, partition, offset in told
    )
    return map(list, zip(*rows, strict=True))


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
