"""The routes of API keys: `/api/v1/keys`, for callers with the scope admin. A key works, or no longer does, on return."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from ingest.answers import answer, answer_written
from ingest.authentication import AdminCaller
from ingest.body import read_object
from ingest.connections import Connected
from ingest.key_rows import LONGEST_DAYS, SHOWN, insert_key, revoke_key
from ingest.paging import Page, page_of_table
from ingest.problems import problem
from ingest.validation import Body, Name, validated
from streams.topics import KEYS

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])

ROLES = ("ingest",)
"""Who must have applied a key before it is live: those that are asked with it."""


class KeyBody(Body):
    """`workspace` is the caller's own, or `default`, unless it is named; null is the whole installation."""

    name: Name
    scopes: Annotated[list[Literal["ingest", "triggers", "executions", "admin"]], Field(min_length=1)]
    workspace: Name | None = None
    expires_days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] | None = None


@router.post("", status_code=201)
async def create(request: Request, connections: Connected, caller: AdminCaller) -> Response:
    """Make a key: 201 with its row and, this once, its text as `key`."""
    given = await read_object(request)
    body = validated(KeyBody, given)
    is_everywhere = caller.workspace is None and "workspace" in given and body.workspace is None
    workspace = None if is_everywhere else caller.workspace_of(given)
    made = await insert_key(connections.database, workspace, body.name, body.scopes, body.expires_days)
    live = await connections.until_live(KEYS.name, made.row["key_id"], made.transaction_id, ROLES)
    shown: dict[str, Any] = made.row | {"key": made.text}
    return answer_written(shown, 201, live=live)


@router.get("")
async def list_all(connections: Connected, caller: AdminCaller, page: Annotated[Page, Query()]) -> Response:
    """`{"keys": [...], "next_cursor": ...}`, oldest first, without what would let anybody in."""
    async with connections.database.connection() as connection:
        return answer(await page_of_table(connection, "api_keys", SHOWN, "key_id", page, caller.workspace))


@router.delete("/{key_id}", status_code=204)
async def revoke(key_id: str, connections: Connected, caller: AdminCaller) -> Response:
    """Revoke a key, for good: 204 once nobody is let in with it any more. Its row stays, for the record."""
    transaction = await revoke_key(connections.database, key_id, caller.workspace)
    if transaction is None:
        raise problem(HTTPStatus.NOT_FOUND, f"there is no key {key_id}", "no-such-key")
    return answer_written(None, 204, live=await connections.until_live(KEYS.name, key_id, transaction, ROLES))
