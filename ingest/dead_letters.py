"""The routes of dead letters: what a stage gave up on, why, and what is to become of it.

They show what agents were to be told, as executions do, so they ask for the same scope. A caller of one workspace sees what
belongs to it; what nobody could read, and so assign, only the installation sees.
"""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import Caller, ExecutionsCaller
from ingest.connections import Connected, Connections
from ingest.dead_resolving import DeadLetters, Resolved, Resolving, no_letter, now
from ingest.dead_search import DeadSearch
from ingest.dead_wanted import Found, Known, Wanted
from ingest.dead_writer import DeadWriter
from ingest.evidence import instant
from ingest.paging import PAGE_ROWS, PAGE_ROWS_LIMIT
from ingest.problems import problem, problem_of
from ingest.record_search import searching
from streams.dead import DeadLetter, Place, read_place
from streams.resolution import Standing

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])

BULK_LETTERS = 1_000
BULK_LETTERS_LIMIT = 10_000
"""Letters that one call redrives or discards at most: seconds of work. Whoever wants more calls again."""
BULK_SEARCH_SECONDS = 30.0
"""How long such a call may look for them: after a hub was away for long there are hundreds of thousands."""


class WantedPage(Wanted):
    """A page of the letters that stand so."""

    state: Standing | Literal["all"] = Standing.OPEN
    limit: int = Field(PAGE_ROWS, ge=1, le=PAGE_ROWS_LIMIT)
    cursor: str | None = None


class WantedBulk(Wanted):
    """All open letters that a filter names, up to `limit`, the oldest first. `dry_run` only says which."""

    limit: int = Field(BULK_LETTERS, ge=1, le=BULK_LETTERS_LIMIT)
    dry_run: bool = False


@router.get("")
async def list_all(
    request: Request, connections: Connected, caller: ExecutionsCaller, page: Annotated[WantedPage, Query()]
) -> Response:
    """`{"dead_letters": [...], "next_cursor": …, "searched": {"records", "complete"}}`, newest first."""
    standing = None if page.state == "all" else page.state
    async with searching(request.app.state.search_turn, connections.settings) as search:
        dead = DeadSearch(connections.settings, search, caller, page, standing, now())
        found = await dead.page(page.limit, page.cursor)
        searched = {"records": search.records, "complete": found.complete}
    rows = [_row(connections, one) for one in found.found]
    return answer({"dead_letters": rows, "next_cursor": found.next_cursor, "searched": searched})


@router.get("/{letter_id}")
async def get(letter_id: str, request: Request, connections: Connected, caller: ExecutionsCaller) -> Response:
    """One letter with all that it was: `value` when that is JSON, else `value_base64`; `key` or `key_base64`; its headers."""
    place = _place(letter_id)
    async with searching(request.app.state.search_turn, connections.settings) as search:
        found = await DeadLetters(connections.settings, search, caller).read([place])
    if not found:
        raise no_letter(letter_id)
    return answer(_row(connections, found[0]) | _content(found[0].letter))


@router.post("/{letter_id}/redrive")
async def redrive(
    letter_id: str, request: Request, connections: Connected, caller: ExecutionsCaller, again: bool = False
) -> Response:
    """Put it back where it lay. 409 when that, or its end, was decided before, unless `again=true`."""
    place = _place(letter_id)
    async with _resolving(request, connections, caller) as resolving:
        return _one(connections, await resolving.redrive([place], again=again))


@router.post("/{letter_id}/discard")
async def discard(letter_id: str, request: Request, connections: Connected, caller: ExecutionsCaller) -> Response:
    """Say that nothing is to be done about it. 409 when it was decided before."""
    place = _place(letter_id)
    async with _resolving(request, connections, caller) as resolving:
        return _one(connections, await resolving.discard([place]))


@router.post("/redrive")
async def redrive_all(
    request: Request, connections: Connected, caller: ExecutionsCaller, bulk: Annotated[WantedBulk, Query()]
) -> Response:
    """`{"matched", "ids", "refused"}`: how many open letters that can be put back the filter names, and which were."""
    known = await _open(request, connections, caller, bulk, redrivable=True)
    places, matched = list(known.histories)[: bulk.limit], len(known.histories)
    if bulk.dry_run or not places:
        return _bulk_answer(matched, places)
    async with _resolving(request, connections, caller) as resolving:
        return _bulk_resolved(matched, await resolving.redrive(places, known=known))


@router.post("/discard")
async def discard_all(
    request: Request, connections: Connected, caller: ExecutionsCaller, bulk: Annotated[WantedBulk, Query()]
) -> Response:
    """`{"matched", "ids", "refused"}`: how many open letters the filter names, and which were discarded."""
    known = await _open(request, connections, caller, bulk, redrivable=False)
    places, matched = list(known.histories)[: bulk.limit], len(known.histories)
    if bulk.dry_run or not places:
        return _bulk_answer(matched, places)
    async with _resolving(request, connections, caller) as resolving:
        return _bulk_resolved(matched, await resolving.discard(places, known))


async def _open(request: Request, connections: Connections, caller: Caller, bulk: WantedBulk, *, redrivable: bool) -> Known:
    """All open letters that are wanted. Raises problem 422 when there are too many to look at."""
    settings = connections.settings

    def admits(letter: DeadLetter) -> bool:
        return not redrivable or letter.home(settings) is not None

    async with searching(request.app.state.search_turn, settings, BULK_SEARCH_SECONDS) as search:
        known, complete = await DeadSearch(settings, search, caller, bulk, Standing.OPEN, now()).oldest(admits)
    if not complete:
        detail = f"there are more than the {search.records} dead letters that one search can look at; say since when"
        raise problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "too-many-dead-letters", [("since", "must be given, or later")])
    return known


@asynccontextmanager
async def _resolving(request: Request, connections: Connections, caller: Caller) -> AsyncIterator[Resolving]:
    settings = connections.settings
    async with searching(request.app.state.search_turn, settings) as search, DeadWriter(settings) as writer:
        yield Resolving(settings, DeadLetters(settings, search, caller), writer, connections.rows.spread_sources)


def _one(connections: Connections, resolved: Resolved) -> Response:
    for refusal in resolved.refused.values():
        raise refusal
    return answer(_row(connections, resolved.done[0]))


def _bulk_resolved(matched: int, resolved: Resolved) -> Response:
    refused = [{"id": str(place), "problem": problem_of(error).marshal()} for place, error in resolved.refused.items()]
    return _bulk_answer(matched, [one.letter.place for one in resolved.done], refused)


def _bulk_answer(matched: int, places: Sequence[Place], refused: Sequence[dict[str, Any]] = ()) -> Response:
    return answer({"matched": matched, "ids": [str(place) for place in places], "refused": refused})


def _place(letter_id: str) -> Place:
    place = read_place(letter_id)
    if place is None:
        raise no_letter(letter_id)
    return place


def _row(connections: Connections, found: Found) -> dict[str, Any]:
    letter, concern, history = found
    standing = history.standing(now())
    return {
        "id": str(letter.place),
        "state": standing,
        "stage": letter.stage,
        "reason": letter.reason,
        "died_at": instant(letter.at_ms),
        **concern._asdict(),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "redrivable": letter.home(connections.settings) is not None,
        "attempts": history.attempt,
        "resolved_at": None if standing is Standing.OPEN else instant(history.at_ms),
    }


def _content(letter: DeadLetter) -> dict[str, Any]:
    """The record as it was."""
    return {
        **_text_or_base64("key", letter.key),
        "headers": [{"name": name, **_text_or_base64("value", value)} for name, value in letter.headers],
        **_json_or_base64(letter.value),
    }


def _text_or_base64(name: str, data: bytes | None) -> dict[str, Any]:
    try:
        return {name: None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data or b"").decode()}


def _json_or_base64(value: bytes | None) -> dict[str, Any]:
    """The value as it was written, number for number, when it is JSON."""
    if value is None:
        return {"value": None}
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"value_base64": base64.b64encode(value).decode()}
    return {"value": msgspec.Raw(value)}
