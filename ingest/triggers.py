"""The routes of triggers: `/api/v1/triggers`. A write returns once every worker has it, so nothing accepted later is missed."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ingest.answers import answer, answer_written
from ingest.authentication import TriggersCaller
from ingest.body import read_object
from ingest.connections import Connected, Connections
from ingest.database import Written
from ingest.paging import page_of
from ingest.trigger_rows import (
    TriggerPage,
    delete_trigger,
    find_trigger,
    insert_trigger,
    list_triggers,
    switch_trigger,
    update_trigger,
)
from streams.topics import TRIGGERS

router = APIRouter(prefix="/api/v1/triggers", tags=["triggers"])

ROLES = ("worker",)
"""Who must have applied a trigger before it is live."""


@router.post("", status_code=201)
async def create(request: Request, connections: Connected, caller: TriggersCaller) -> Response:
    """Create a trigger: 201 with its row once it is live in every worker, 202 when that takes longer than 5 s."""
    written = await insert_trigger(connections.database, caller, await read_object(request))
    return await _written(connections, written, 201)


@router.get("")
async def list_all(connections: Connected, caller: TriggersCaller, page: Annotated[TriggerPage, Query()]) -> Response:
    """`{"triggers": [...], "next_cursor": ...}`, oldest first."""
    rows = await list_triggers(connections.database, caller, page)
    return answer(page_of("triggers", rows, page, "id"))


@router.get("/{trigger_id}")
async def get(trigger_id: str, connections: Connected, caller: TriggersCaller) -> Response:
    """One row."""
    return answer(await find_trigger(connections.database, caller, trigger_id))


@router.patch("/{trigger_id}")
async def update(trigger_id: str, request: Request, connections: Connected, caller: TriggersCaller) -> Response:
    """Change the columns that are given; the row they make is judged as a whole."""
    written = await update_trigger(connections.database, caller, trigger_id, await read_object(request))
    return await _written(connections, written, 200)


@router.delete("/{trigger_id}", status_code=204)
async def delete(trigger_id: str, connections: Connected, caller: TriggersCaller) -> Response:
    """Delete a trigger: 204 once no worker knows it any more."""
    written = await delete_trigger(connections.database, caller, trigger_id)
    return answer_written(None, 204, live=await until_live(connections, written))


@router.post("/{trigger_id}/enable")
async def enable(trigger_id: str, connections: Connected, caller: TriggersCaller) -> Response:
    """Enable a trigger; a one-shot that was spent may fire once more."""
    return await _written(connections, await switch_trigger(connections.database, caller, trigger_id, enabled=True), 200)


@router.post("/{trigger_id}/disable")
async def disable(trigger_id: str, connections: Connected, caller: TriggersCaller) -> Response:
    """Disable a trigger: no event accepted after the answer fires it."""
    return await _written(connections, await switch_trigger(connections.database, caller, trigger_id, enabled=False), 200)


async def until_live(connections: Connections, written: Written) -> bool:
    """Wait until every living worker has applied this change of a trigger; False when that took too long."""
    return await connections.until_live(TRIGGERS.name, str(written.row["id"]), written.transaction_id, ROLES)


async def _written(connections: Connections, written: Written, status: int) -> Response:
    return answer_written(written.row, status, live=await until_live(connections, written))
