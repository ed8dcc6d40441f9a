"""The jobs table as the API reads and writes it. Every write returns the row, and the transaction that made it so.

A caller of one workspace sees that one alone: the trigger of another is as if it were not there.
"""

import uuid
from asyncio import to_thread
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import asyncpg

from ingest.authentication import Caller
from ingest.database import Database, Written, transaction_id
from ingest.paging import Page
from ingest.problems import problem
from ingest.quota import check_quota
from ingest.trigger_body import COLUMNS, read_changes, read_trigger
from ingest.trigger_view import NO_HUB, SHOWN, shown
from streams.errors import InvalidTrigger
from streams.workspace import Workspace

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_COLUMNS = [f'"{column}"' for column in COLUMNS]  # quoted: window is a word of SQL
_INSERT = (
    f"INSERT INTO jobs (id, {', '.join(_COLUMNS)}) "  # noqa: S608 -- column names of our own
    f"VALUES ({', '.join(f'${number}' for number in range(1, len(COLUMNS) + 2))}) RETURNING {SHOWN}"
)
_UPDATE = (
    f"UPDATE jobs SET {', '.join(f'{column} = ${number}' for number, column in enumerate(_COLUMNS, 2))} "  # noqa: S608
    f"WHERE id = $1 RETURNING {SHOWN}"
)
_THIS = "id = $1 AND ($2::text IS NULL OR workspace = $2)"
"""The trigger of that id, when the caller of that workspace (null: every one) sees it."""


class TriggerPage(Page):
    """The filters of `GET /api/v1/triggers`: a row is listed when it equals every one that is given."""

    workspace: str | None = None
    enabled: bool | None = None
    schedule_expression: str | None = None
    agent_id: str | None = None
    hub_id: str | None = None
    name: str | None = None


FILTERS = ("workspace", "enabled", "schedule_expression", "agent_id", "hub_id", "name")


async def insert_trigger(database: Database, caller: Caller, given: Mapping[str, Any]) -> Written:
    """Write a new row. Raises 409 for a name that is taken or a full workspace, InvalidTrigger for a row nobody could fire."""
    workspace = caller.workspace_of(given)
    async with _told(database) as connection:
        judged_by = await _workspace(connection, workspace)
        columns = await to_thread(read_trigger, {**given, "workspace": workspace}, judged_by)
        await _check_hub(connection, columns["hub_id"])
        await check_quota(connection, workspace, database.settings.workspace_max_triggers)
        row = await connection.fetchrow(_INSERT, str(uuid.uuid4()), *columns.values())
        return Written(shown(dict(row or {})), await transaction_id(connection))


async def update_trigger(database: Database, caller: Caller, trigger_id: str, changes: Mapping[str, Any]) -> Written:
    """Change some columns of a row; the row they make is judged as a whole. Raises like `insert_trigger`, and 404."""
    async with _told(database) as connection:
        found = await connection.fetchrow(
            f"SELECT {SHOWN} FROM jobs WHERE {_THIS} FOR UPDATE",  # noqa: S608
            trigger_id,
            caller.workspace,
        )
        if found is None:
            raise no_trigger(trigger_id)
        workspace = caller.workspace_of({"workspace": found["workspace"], **changes})
        columns = await to_thread(read_changes, dict(found), changes, await _workspace(connection, workspace))
        await _check_hub(connection, columns["hub_id"])
        if workspace != found["workspace"]:
            await check_quota(connection, workspace, database.settings.workspace_max_triggers)
        row = await connection.fetchrow(_UPDATE, trigger_id, *columns.values())
        return Written(shown(dict(row or {})), await transaction_id(connection))


async def switch_trigger(database: Database, caller: Caller, trigger_id: str, *, enabled: bool) -> Written:
    """Enable or disable a row. Raises 404."""
    async with _told(database) as connection:
        row = await connection.fetchrow(
            f"UPDATE jobs SET enabled = $3 WHERE {_THIS} RETURNING {SHOWN}",  # noqa: S608
            trigger_id,
            caller.workspace,
            enabled,
        )
        if row is None:
            raise no_trigger(trigger_id)
        return Written(shown(dict(row)), await transaction_id(connection))


async def delete_trigger(database: Database, caller: Caller, trigger_id: str) -> Written:
    """Delete a row; the row as it was last. Raises 404."""
    async with _told(database) as connection:
        row = await connection.fetchrow(
            f"DELETE FROM jobs WHERE {_THIS} RETURNING {SHOWN}",  # noqa: S608
            trigger_id,
            caller.workspace,
        )
        if row is None:
            raise no_trigger(trigger_id)
        return Written(shown(dict(row)), await transaction_id(connection))


async def find_trigger(database: Database, caller: Caller, trigger_id: str) -> dict[str, Any]:
    """One row. Raises 404."""
    async with database.connection() as connection:
        row = await connection.fetchrow(
            f"SELECT {SHOWN} FROM jobs WHERE {_THIS}",  # noqa: S608
            trigger_id,
            caller.workspace,
        )
    if row is None:
        raise no_trigger(trigger_id)
    return shown(dict(row))


async def list_triggers(database: Database, caller: Caller, page: TriggerPage) -> list[dict[str, Any]]:
    """The rows of one page, oldest first, and one more when there are more."""
    wanted = page.model_dump(include=set(FILTERS), exclude_none=True)
    values: list[Any] = [caller.workspace, *wanted.values()]
    where = ["($1::text IS NULL OR workspace = $1)", *(f"{column} = ${number}" for number, column in enumerate(wanted, 2))]
    if place := page.after():
        values += place
        where.append(f"(created_at, id) > (${len(values) - 1}, ${len(values)})")
    values.append(page.limit + 1)
    async with database.connection() as connection:
        rows = await connection.fetch(
            f"SELECT {SHOWN} FROM jobs WHERE {' AND '.join(where)} "  # noqa: S608
            f"ORDER BY created_at, id LIMIT ${len(values)}",
            *values,
        )
    return await to_thread(lambda: [shown(dict(row)) for row in rows])


def no_trigger(trigger_id: str) -> Exception:
    """404 for a trigger."""
    return problem(HTTPStatus.NOT_FOUND, f"there is no trigger {trigger_id}", "no-such-trigger")


@asynccontextmanager
async def _told(database: Database) -> AsyncIterator["PoolConnectionProxy[asyncpg.Record]"]:
    """A transaction in which a name that is taken is told as 409."""
    try:
        async with database.transaction() as connection:
            yield connection
    except asyncpg.UniqueViolationError as error:
        raise problem(HTTPStatus.CONFLICT, f"the name is taken in this workspace: {error.detail}", "name-taken") from error


async def _check_hub(connection: "PoolConnectionProxy[asyncpg.Record]", hub_id: str) -> None:
    # The lock keeps the hub until this transaction's trigger can be seen by whoever deletes the hub.
    if await connection.fetchval("SELECT true FROM hubs WHERE hub_id = $1 FOR KEY SHARE", hub_id) is None:
        raise InvalidTrigger("hub_id", NO_HUB)


async def _workspace(connection: "PoolConnectionProxy[asyncpg.Record]", workspace: str) -> Workspace:
    """What a trigger is judged by of a workspace."""
    row = await connection.fetchrow("SELECT scales, allowed_agents FROM workspaces WHERE workspace = $1", workspace)
    return Workspace(workspace, **dict(row or {}))
