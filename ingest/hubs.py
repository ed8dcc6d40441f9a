"""The routes of hubs: `/api/v1/hubs`. Only a registered hub is ever called; its token is taken and never shown.

Hubs are the installation's: any key reads them, a key of the installation writes them.
"""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from pydantic import field_validator
from starlette.responses import Response

from ingest.answers import answer, answer_written
from ingest.authentication import AnyCaller, InstallationCaller
from ingest.body import read_object
from ingest.connections import Connected
from ingest.database import transaction_id
from ingest.paging import Page, page_of_table
from ingest.problems import problem
from ingest.validation import Body, HubId, Name, validated
from streams.topics import HUBS

router = APIRouter(prefix="/api/v1/hubs", tags=["hubs"])

ROLES = ("worker",)
"""Who must have applied a hub before it is live: those that dispatch."""
_SHOWN = "hub_id, base_url, created_at"


class HubBody(Body):
    """`base_url` is what every path is put behind; `token` is sent as `Authorization: Bearer`."""

    hub_id: HubId
    base_url: Name
    token: Name | None = None

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            well_formed = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            well_formed = False
        if not well_formed or parts.query or parts.fragment or " " in value:
            message = "must be http:// or https:// with a host, and no query, such as http://127.0.0.1:8701"
            raise ValueError(message)
        return value.rstrip("/")

    @field_validator("token")
    @classmethod
    def _is_header(cls, value: str | None) -> str | None:
        if value is not None and (not value.isascii() or " " in value):
            message = "must be ASCII without spaces, since it is sent in a header"
            raise ValueError(message)
        return value


@router.post("", status_code=201)
async def register(request: Request, connections: Connected, _: InstallationCaller) -> Response:
    """Register a hub: 201, or 200 when it replaces one, once every worker has it."""
    body = validated(HubBody, await read_object(request))
    async with connections.database.transaction() as connection:
        row = await connection.fetchrow(
            "INSERT INTO hubs (hub_id, base_url, token) VALUES ($1, $2, $3) "
            "ON CONFLICT (hub_id) DO UPDATE SET base_url = excluded.base_url, token = excluded.token "
            "RETURNING hub_id, base_url, created_at, xmax = 0 AS is_new",
            body.hub_id,
            body.base_url,
            body.token,
        )
        transaction = await transaction_id(connection)
    shown: dict[str, Any] = dict(row or {})
    is_new = shown.pop("is_new")
    live = await connections.until_live(HUBS.name, body.hub_id, transaction, ROLES)
    return answer_written(shown, 201 if is_new else 200, live=live)


@router.get("")
async def list_all(connections: Connected, _: AnyCaller, page: Annotated[Page, Query()]) -> Response:
    """`{"hubs": [...], "next_cursor": ...}`, oldest first."""
    async with connections.database.connection() as connection:
        return answer(await page_of_table(connection, "hubs", _SHOWN, "hub_id", page))


@router.get("/{hub_id}")
async def get(hub_id: str, connections: Connected, _: AnyCaller) -> Response:
    """One hub, without its token."""
    async with connections.database.connection() as connection:
        row = await connection.fetchrow(f"SELECT {_SHOWN} FROM hubs WHERE hub_id = $1", hub_id)  # noqa: S608
    if row is None:
        raise _no_hub(hub_id)
    return answer(dict(row))


@router.delete("/{hub_id}", status_code=204)
async def delete(hub_id: str, connections: Connected, _: InstallationCaller) -> Response:
    """Forget a hub: 204 once no worker calls it any more, 409 as long as triggers name it."""
    async with connections.database.transaction() as connection:
        if await connection.fetchval("DELETE FROM hubs WHERE hub_id = $1 RETURNING true", hub_id) is None:
            raise _no_hub(hub_id)
        # Asked after the delete, which waits for every trigger that is being written with this hub.
        if name := await connection.fetchval("SELECT name FROM jobs WHERE hub_id = $1 LIMIT 1", hub_id):
            detail = f"trigger {name} goes to this hub; delete or move such triggers first"
            raise problem(HTTPStatus.CONFLICT, detail, "hub-in-use")
        transaction = await transaction_id(connection)
    return answer_written(None, 204, live=await connections.until_live(HUBS.name, hub_id, transaction, ROLES))


def _no_hub(hub_id: str) -> Exception:
    return problem(HTTPStatus.NOT_FOUND, f"there is no hub {hub_id}", "no-such-hub")
