"""The routes of workspaces: `/api/v1/workspaces`, for callers with the scope admin."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ingest.answers import answer, answer_written
from ingest.authentication import AdminCaller, Caller
from ingest.body import read_object
from ingest.connections import Connected
from ingest.paging import Page, page_of_table
from ingest.problems import problem
from ingest.validation import checked_name, validated
from ingest.workspace_rows import LIMITS, SHOWN, WorkspaceBody, change_workspace
from streams.topics import WORKSPACES

router = APIRouter(prefix="/api/v1/workspaces", tags=["workspaces"])

ROLES = ("worker", "ingest")
"""Who must have applied a workspace before it is live: who reads its triggers by its scales, and the gate, by its limits."""


@router.patch("/{workspace}")
async def change(workspace: str, request: Request, connections: Connected, caller: AdminCaller) -> Response:
    """Change `scales` or the limits: 200 with the row. What a workspace may have and do is the installation's to say."""
    _check_sees(caller, workspace)
    body = validated(WorkspaceBody, await read_object(request))
    limit = next((limit for limit in LIMITS if limit in body.model_fields_set), None)
    if limit is not None and caller.workspace is not None:
        raise problem(HTTPStatus.FORBIDDEN, f"{limit}: is changed with a key of the installation", "missing-scope")
    written = await change_workspace(connections.database, workspace, body)
    live = await connections.until_live(WORKSPACES.name, workspace, written.transaction_id, ROLES)
    return answer_written(written.row, 200, live=live)


@router.get("")
async def list_all(connections: Connected, caller: AdminCaller, page: Annotated[Page, Query()]) -> Response:
    """`{"workspaces": [...], "next_cursor": ...}`, oldest first: those of which something was said."""
    async with connections.database.connection() as connection:
        return answer(await page_of_table(connection, "workspaces", SHOWN, "workspace", page, caller.workspace))


@router.get("/{workspace}")
async def get(workspace: str, connections: Connected, caller: AdminCaller) -> Response:
    """What was said of one workspace."""
    _check_sees(caller, workspace)
    async with connections.database.connection() as connection:
        row = await connection.fetchrow(f"SELECT {SHOWN} FROM workspaces WHERE workspace = $1", workspace)  # noqa: S608
    if row is None:
        raise _no_workspace(workspace)
    return answer(dict(row))


def _check_sees(caller: Caller, workspace: str) -> None:
    """Raises 404 for a workspace that is not the caller's, InvalidInput for what cannot be one."""
    checked_name("workspace", workspace)
    if not caller.sees(workspace):
        raise _no_workspace(workspace)


def _no_workspace(workspace: str) -> Exception:
    return problem(HTTPStatus.NOT_FOUND, f"nothing was said of workspace {workspace}", "no-such-workspace")
