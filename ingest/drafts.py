"""Drafts: triggers judged as if they were written; so `touchline triggers` learns what a file would change."""

from asyncio import to_thread
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi_problem.error import Problem
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import Caller, TriggersCaller
from ingest.body import BATCH_LIMIT_BYTES, EVENT_LIMIT_BYTES, media_type, read_body, unsupported
from ingest.connections import Connected
from ingest.json_text import decode, decode_any
from ingest.problems import problem, problem_of
from ingest.trigger_body import read_trigger
from ingest.trigger_view import NO_HUB
from streams.errors import InvalidInput, InvalidTrigger
from streams.workspace import Workspace

router = APIRouter(prefix="/api/v1/triggers/drafts", tags=["triggers"])


@router.post("")
async def judge(request: Request, connections: Connected, caller: TriggersCaller) -> Response:
    """A list of triggers in; `{"results": [...]}` out, with the columns each would be stored with, or the problem it has.

    Names that are taken and quotas are not judged: they are for the moment of writing.
    """
    media = media_type(request)
    if not media.is_json:
        raise unsupported(f"{media.name} is not accepted; send application/json")
    given = decode(await read_body(request, EVENT_LIMIT_BYTES, BATCH_LIMIT_BYTES), decode_any)
    if not isinstance(given, list):
        raise InvalidInput("", "must be a list of triggers")
    async with connections.database.transaction() as connection:
        hubs = {row["hub_id"] for row in await connection.fetch("SELECT hub_id FROM hubs")}
        rows = await connection.fetch("SELECT workspace, scales, allowed_agents FROM workspaces")
    workspaces = {row["workspace"]: Workspace(**dict(row)) for row in rows}
    results = await to_thread(lambda: [_judged(one, caller, hubs, workspaces) for one in given])
    return answer({"results": results})


def _judged(given: Any, caller: Caller, hubs: set[str], workspaces: dict[str, Workspace]) -> dict[str, Any]:
    try:
        if not isinstance(given, dict):
            raise problem(HTTPStatus.UNPROCESSABLE_ENTITY, "must be an object: the columns of a trigger", "invalid-body")
        workspace = caller.workspace_of(given)
        columns = read_trigger({**given, "workspace": workspace}, workspaces.get(workspace) or Workspace(workspace))
        if columns["hub_id"] not in hubs:
            raise InvalidTrigger("hub_id", NO_HUB)
        return {"trigger": columns}
    except (Problem, InvalidInput) as error:
        return {"problem": problem_of(error).marshal()}
