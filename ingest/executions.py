"""The routes of executions: what became of each firing, and the word of its agent, or of who cancels it.

A caller of one workspace sees its executions alone. Their ids never meet: each follows from a trigger's id, which is one
workspace's, and from an event's id, which two workspaces may both have given.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import ExecutionsCaller
from ingest.body import read_object
from ingest.connections import Connected
from ingest.execution_positions import ExecutionPositions
from ingest.execution_report import report
from ingest.execution_rows import ExecutionPage, find_execution, list_executions, no_execution
from ingest.paging import page_of
from ingest.validation import Body, Text, validated
from streams.execution import Status

router = APIRouter(tags=["executions"])


async def _positions(request: Request) -> ExecutionPositions:
    found: ExecutionPositions = request.app.state.execution_positions
    return found


Positions = Annotated[ExecutionPositions, Depends(_positions)]


class Completion(Body):
    """What the agent made of it: any JSON."""

    output: Any = None


class Failure(Body):
    """Why the agent could not do it."""

    error: Text


class Heartbeat(Body):
    """Nothing: that it was sent says all."""


class Cancellation(Body):
    """Why it is cancelled; shown as the execution's error."""

    reason: Text | None = None


@router.get("/api/v1/executions")
async def list_everywhere(
    connections: Connected, caller: ExecutionsCaller, page: Annotated[ExecutionPage, Query()]
) -> Response:
    """`{"executions": [...], "next_cursor": ...}`, newest first, over all triggers that the caller sees."""
    rows = await list_executions(connections.database, caller, page)
    return answer(page_of("executions", rows, page, "execution_id"))


@router.get("/v1/triggers/{trigger_id}/executions")
@router.get("/api/v1/triggers/{trigger_id}/executions")
async def list_all(
    trigger_id: str, connections: Connected, caller: ExecutionsCaller, page: Annotated[ExecutionPage, Query()]
) -> Response:
    """`{"executions": [...], "next_cursor": ...}`, newest first. Those of a deleted trigger stay."""
    rows = await list_executions(connections.database, caller, page, trigger_id)
    return answer(page_of("executions", rows, page, "execution_id"))


@router.get("/v1/triggers/{trigger_id}/executions/{execution_id}")
@router.get("/api/v1/triggers/{trigger_id}/executions/{execution_id}")
async def get(trigger_id: str, execution_id: str, connections: Connected, caller: ExecutionsCaller) -> Response:
    """One execution of that trigger."""
    row = await find_execution(connections.database, caller, execution_id)
    if row["trigger_id"] != trigger_id:
        raise no_execution(execution_id)
    return answer(row)


@router.post("/v1/triggers/{trigger_id}/executions/{execution_id}/cancel")
@router.post("/api/v1/triggers/{trigger_id}/executions/{execution_id}/cancel")
async def cancel(
    trigger_id: str, execution_id: str, request: Request, connections: Connected, positions: Positions, caller: ExecutionsCaller
) -> Response:
    """End it, with a `{"reason": ...}` or none: what it held is free at once, and its hub is told."""
    body = validated(Cancellation, await read_object(request))
    return await report(
        connections, positions, caller, execution_id, Status.CANCELLED, of_trigger=trigger_id, error=body.reason
    )


@router.post("/api/v1/executions/{execution_id}/complete")
async def complete(
    execution_id: str, request: Request, connections: Connected, positions: Positions, caller: ExecutionsCaller
) -> Response:
    """The agent is done: `{"output": ...}`."""
    body = validated(Completion, await read_object(request))
    return await report(connections, positions, caller, execution_id, Status.COMPLETED, output=body.output)


@router.post("/api/v1/executions/{execution_id}/fail")
async def fail(
    execution_id: str, request: Request, connections: Connected, positions: Positions, caller: ExecutionsCaller
) -> Response:
    """The agent could not do it: `{"error": "why"}`."""
    body = validated(Failure, await read_object(request))
    return await report(connections, positions, caller, execution_id, Status.FAILED, error=body.error)


@router.post("/api/v1/executions/{execution_id}/heartbeat")
async def heartbeat(
    execution_id: str, request: Request, connections: Connected, positions: Positions, caller: ExecutionsCaller
) -> Response:
    """The agent still works."""
    validated(Heartbeat, await read_object(request))
    return await report(connections, positions, caller, execution_id, Status.RUNNING)
