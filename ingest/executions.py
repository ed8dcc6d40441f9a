"""The routes of executions: what became of each firing, and the agent's word that one is done or failed.

A caller of one workspace sees its executions alone. Their ids never meet: each follows from a trigger's id, which is one
workspace's, and from an event's id, which two workspaces may both have given.
"""

import time
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import Caller, ExecutionsCaller
from ingest.body import read_object
from ingest.connections import Connected, Connections
from ingest.database import Database
from ingest.paging import Page, page_of
from ingest.problems import problem
from ingest.producer import Record
from ingest.validation import Body, Text, validated
from streams.execution import Execution, Status, encode
from streams.topics import EXECUTIONS

router = APIRouter(tags=["executions"])

FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.SKIPPED})
"""An execution that stands here stays there."""

FIELDS = (
    "execution_id, trigger_id, workspace, event_id, status, hub_id, agent_instance_id, input, output, error, attempts, "
    "lineage, accepted_at, created_at, started_at, finished_at"
)

_SEEN = "($2::text IS NULL OR workspace = $2)"
"""What the caller of that workspace (null: every one) sees."""


class ExecutionPage(Page):
    """The filters of a trigger's executions."""

    status: Status | None = None


class Completion(Body):
    """What the agent made of it: any JSON."""

    output: Any = None


class Failure(Body):
    """Why the agent could not do it."""

    error: Text


@router.get("/v1/triggers/{trigger_id}/executions")
@router.get("/api/v1/triggers/{trigger_id}/executions")
async def list_all(
    trigger_id: str, connections: Connected, caller: ExecutionsCaller, page: Annotated[ExecutionPage, Query()]
) -> Response:
    """`{"executions": [...], "next_cursor": ...}`, newest first. Those of a deleted trigger stay."""
    values: list[Any] = [trigger_id, caller.workspace]
    where = f"trigger_id = $1 AND {_SEEN}"
    if page.status is not None:
        values.append(page.status.value)
        where += f" AND status = ${len(values)}"
    if place := page.after():
        values += place
        created_at, execution_id = f"${len(values) - 1}", f"${len(values)}"
        where += f" AND (created_at < {created_at} OR (created_at = {created_at} AND execution_id > {execution_id}))"
    values.append(page.limit + 1)
    async with connections.database.transaction() as connection:
        rows = await connection.fetch(
            f"SELECT {FIELDS} FROM executions WHERE {where} "  # noqa: S608 -- placeholders only
            f"ORDER BY created_at DESC, execution_id LIMIT ${len(values)}",
            *values,
        )
    return answer(page_of("executions", [dict(row) for row in rows], page, "execution_id"))


@router.get("/v1/triggers/{trigger_id}/executions/{execution_id}")
@router.get("/api/v1/triggers/{trigger_id}/executions/{execution_id}")
async def get(trigger_id: str, execution_id: str, connections: Connected, caller: ExecutionsCaller) -> Response:
    """One execution of that trigger."""
    row = await _find(connections.database, caller, execution_id)
    if row["trigger_id"] != trigger_id:
        raise _no_execution(execution_id)
    return answer(row)


@router.post("/api/v1/executions/{execution_id}/complete")
async def complete(execution_id: str, request: Request, connections: Connected, caller: ExecutionsCaller) -> Response:
    """The agent is done: `{"output": ...}`."""
    body = validated(Completion, await read_object(request))
    return await _end(connections, caller, execution_id, Status.COMPLETED, output=body.output)


@router.post("/api/v1/executions/{execution_id}/fail")
async def fail(execution_id: str, request: Request, connections: Connected, caller: ExecutionsCaller) -> Response:
    """The agent could not do it: `{"error": "why"}`."""
    body = validated(Failure, await read_object(request))
    return await _end(connections, caller, execution_id, Status.FAILED, error=body.error)


async def _end(connections: Connections, caller: Caller, execution_id: str, status: Status, **said: Any) -> Response:
    row = await _find(connections.database, caller, execution_id)
    if row["status"] in FINAL:
        raise problem(HTTPStatus.CONFLICT, f"the execution is {row['status']} already, and stays so", "execution-ended")
    ended = Execution(
        execution_id=execution_id,
        trigger_id=row["trigger_id"],
        status=status,
        at_ms=time.time_ns() // 1_000_000,
        event_id=row["event_id"],
        workspace=row["workspace"],
        hub_id=row["hub_id"],
        agent_instance_id=row["agent_instance_id"],
        **said,
    )
    (outcome,) = await connections.producer.accept([Record(EXECUTIONS, ended.trigger_id.encode(), encode(ended))])
    if outcome is not None:
        raise outcome
    return answer({"execution_id": execution_id, "status": status})


async def _find(database: Database, caller: Caller, execution_id: str) -> dict[str, Any]:
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            f"SELECT {FIELDS} FROM executions WHERE execution_id = $1 AND {_SEEN}",  # noqa: S608
            execution_id,
            caller.workspace,
        )
    if row is None:
        raise _no_execution(execution_id)
    return dict(row)


def _no_execution(execution_id: str) -> Exception:
    return problem(HTTPStatus.NOT_FOUND, f"there is no execution {execution_id}", "no-such-execution")
