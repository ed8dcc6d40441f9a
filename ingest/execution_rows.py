"""The executions table as the API reads it. A caller of one workspace sees its executions alone.

Lists are newest first. Rows of one status lie in that order in an index, whether all are asked for, a workspace's or a
trigger's; a list of several statuses, or of any, takes the newest of each and then the newest of those. So it never sorts more
than a few pages, whatever the statuses' shares are. What names an event, an instance, an agent or a hub is left to the
planner: it knows how many executions have it.
"""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import AwareDatetime, Field

from ingest.authentication import Caller
from ingest.database import Database
from ingest.paging import Page
from ingest.problems import problem
from ingest.validation import Name
from streams.execution import Status

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

FIELDS = (
    "execution_id, trigger_id, workspace, event_id, status, hub_id, agent_id, agent_instance_id, input, output, error, run, "
    "attempts, lineage, accepted_at, created_at, queued_at, pending_at, started_at, heartbeat_at, finished_at"
)
"""What a client is shown."""


class Reported(NamedTuple):
    """An execution, as its next record carries it on; and where the record lies that made its status so."""

    execution_id: str
    trigger_id: str
    workspace: str
    event_id: str
    status: Status
    hub_id: str
    agent_id: str
    agent_instance_id: str
    slot: str
    run: int
    accepted_at: datetime | None
    topic_partition: int
    topic_offset: int


class ExecutionPage(Page):
    """The filters of a list of executions: one is listed when it meets every one that is given."""

    status: list[Status] = Field(default_factory=list, description="May be repeated: any of these.")
    workspace: Name | None = None
    event_id: Name | None = None
    hub_id: Name | None = None
    agent_id: Name | None = None
    agent_instance_id: Name | None = None
    created_since: AwareDatetime | None = Field(None, description="This time, or later.")
    created_until: AwareDatetime | None = Field(None, description="Before this time.")


RARE = ("event_id", "agent_instance_id", "agent_id", "hub_id")
"""Filters that few executions may meet, whichever statuses they have."""


async def list_executions(
    database: Database, caller: Caller, page: ExecutionPage, trigger_id: str | None = None
) -> list[dict[str, Any]]:
    """The rows of one page, newest first, and one more when there are more. Those of a deleted trigger stay."""
    statement, values = page_query(caller.workspace, page, trigger_id)
    async with database.connection() as connection:
        return [dict(row) for row in await connection.fetch(statement, *values)]


def page_query(workspace: str | None, page: ExecutionPage, trigger_id: str | None) -> tuple[str, list[Any]]:
    """The statement of a page, and its values. `workspace` is the caller's; None sees all."""
    values: list[Any] = []

    def value(given: Any, type_: str = "text") -> str:
        values.append(given)
        return f"${len(values)}::{type_}"

    where = []
    if trigger_id is not None:
        where.append(f"trigger_id = {value(trigger_id)}")
    where += [f"workspace = {value(given)}" for given in (workspace, page.workspace) if given is not None]
    rare = {column: getattr(page, column) for column in RARE if getattr(page, column) is not None}
    where += [f"{column} = {value(given)}" for column, given in rare.items()]
    if page.created_since is not None:
        where.append(f"created_at >= {value(page.created_since, 'timestamptz')}")
    if page.created_until is not None:
        where.append(f"created_at < {value(page.created_until, 'timestamptz')}")
    if place := page.after():
        created_at, execution_id = value(place.created_at, "timestamptz"), value(place.id)
        # The first half is where an index begins; the second decides among equals.
        where.append(f"created_at <= {created_at} AND (created_at < {created_at} OR execution_id > {execution_id})")
    limit = value(page.limit + 1, "bigint")
    if rare:
        if page.status:
            where.append(f"status = ANY({value([status.value for status in page.status], 'text[]')})")
        return _newest("executions", where, limit), values
    of_each = [_newest("executions", [f"status = '{status}'", *where], limit) for status in sorted(set(page.status or Status))]
    if len(of_each) == 1:
        return of_each[0], values
    return _newest(f"({' UNION ALL '.join(f'({statement})' for statement in of_each)})", [], limit), values


def _newest(table: str, where: Sequence[str], limit: str) -> str:
    condition = f"WHERE {' AND '.join(where)} " if where else ""
    return f"SELECT {FIELDS} FROM {table} {condition}ORDER BY created_at DESC, execution_id LIMIT {limit}"  # noqa: S608


async def find_execution(database: Database, caller: Caller, execution_id: str) -> dict[str, Any]:
    """One execution as a client is shown it. Raises 404."""
    async with database.connection() as connection:
        row = await _find(connection, caller, execution_id, FIELDS)
    if row is None:
        raise no_execution(execution_id)
    return dict(row)


async def find_reported(database: Database, caller: Caller, execution_id: str, output: Any = None) -> Reported | None:
    """What the next record about an execution carries on; None when the caller sees none of this id.

    Raises InvalidInput for an output that Postgres cannot keep.
    """
    async with database.transaction() as connection:
        if output is not None:
            # Said of now, and not of the record when it is on the topic and everybody else has believed it.
            await connection.execute("SELECT $1::jsonb", output)
        row = await _find(connection, caller, execution_id, ", ".join(Reported._fields))
    return None if row is None else Reported(**{**row, "status": Status(row["status"])})


async def _find(
    connection: "PoolConnectionProxy[asyncpg.Record]", caller: Caller, execution_id: str, columns: str
) -> "asyncpg.Record | None":
    return await connection.fetchrow(
        f"SELECT {columns} FROM executions WHERE execution_id = $1 AND ($2::text IS NULL OR workspace = $2)",  # noqa: S608
        execution_id,
        caller.workspace,
    )


def no_execution(execution_id: str) -> Exception:
    """404 for an execution."""
    return problem(HTTPStatus.NOT_FOUND, f"there is no execution {execution_id}", "no-such-execution")
