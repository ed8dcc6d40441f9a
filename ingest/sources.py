"""The routes of sources: `/api/v1/sources/{source}`, which say how a source's events spread over the partitions.

Sources are the installation's: any key reads them, a key of the installation writes them.
"""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ingest.answers import answer, answer_written
from ingest.authentication import AnyCaller, InstallationCaller
from ingest.body import read_object
from ingest.connections import Connected
from ingest.database import transaction_id
from ingest.paging import Page, page_of_table
from ingest.problems import problem
from ingest.validation import Body, validated
from streams.errors import ReservedSource
from streams.event import RESERVED_SOURCES, check_name
from streams.topics import SOURCES

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])

ROLES = ("worker", "ingest")
"""Who must have applied a source before it is live: those that key events by it."""


class SourceBody(Body):
    """`subject` keys events by source/subject, so that each subject keeps its own order; `source` is the default."""

    spread: Literal["subject", "source"]


@router.put("/{source:path}")
async def declare(source: str, request: Request, connections: Connected, _: InstallationCaller) -> Response:
    """Declare how a source spreads: 200 once every process that keys events knows it."""
    check_name("source", source)
    if source in RESERVED_SOURCES:
        raise ReservedSource(f"source {source} is touchline's own; declare one of your own")
    body = validated(SourceBody, await read_object(request))
    async with connections.database.transaction() as connection:
        row = await connection.fetchrow(
            "INSERT INTO sources (source, spread) VALUES ($1, $2) ON CONFLICT (source) DO UPDATE SET spread = excluded.spread "
            "RETURNING source, spread, created_at",
            source,
            body.spread,
        )
        transaction = await transaction_id(connection)
    live = await connections.until_live(SOURCES.name, source, transaction, ROLES)
    return answer_written(dict(row or {}), 200, live=live)


@router.get("")
async def list_all(connections: Connected, _: AnyCaller, page: Annotated[Page, Query()]) -> Response:
    """`{"sources": [...], "next_cursor": ...}`, oldest first: those that have been declared."""
    async with connections.database.connection() as connection:
        return answer(await page_of_table(connection, "sources", "source, spread, created_at", "source", page))


@router.get("/{source:path}")
async def get(source: str, connections: Connected, _: AnyCaller) -> Response:
    """How one source was declared."""
    async with connections.database.connection() as connection:
        row = await connection.fetchrow("SELECT source, spread, created_at FROM sources WHERE source = $1", source)
    if row is None:
        raise _no_source(source)
    return answer(dict(row))


@router.delete("/{source:path}", status_code=204)
async def delete(source: str, connections: Connected, _: InstallationCaller) -> Response:
    """Take a declaration back: its events are keyed by the source again."""
    async with connections.database.transaction() as connection:
        if await connection.fetchval("DELETE FROM sources WHERE source = $1 RETURNING true", source) is None:
            raise _no_source(source)
        transaction = await transaction_id(connection)
    return answer_written(None, 204, live=await connections.until_live(SOURCES.name, source, transaction, ROLES))


def _no_source(source: str) -> Exception:
    return problem(HTTPStatus.NOT_FOUND, f"source {source} was not declared", "no-such-source")
