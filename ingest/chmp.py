"""The second front door to triggers: CHMP messages, so that an agent registers one in the middle of its turn (SPEC 2).

    {"header": {"message_title": "scheduler_create_job_request", "message_id": "m-1",
                "source": {"id": "commentator", "type": "AGENT"}, "destination": {"id": "scheduler", "type": "SCHEDULER"}},
     "body": {"operation": "create", "name": "late goals", "schedule_expression": "sports_feed:goal", …}}

The operation is told by `body.operation`, by the title `scheduler_{operation}_job_request`, or by both when they agree. The
row's columns lie in the body, or under `body.job`. `job_id` (or `id`) says which row, or else `name`, with `workspace` if need
be; an `update` by name puts its changes under `job` when it renames. A list takes the filters of REST, `limit` and `cursor`.

Whatever can be answered with a message is: status 200, title `…_response`, the header's ids as they were, source and
destination changed over, and in the body `status` `ok` with `job` (`jobs` and `next_cursor` for a list) and `live`, or `status`
`error` with `error`: `field`, `message`, and the problem details that REST would have answered with, its `status` among them.
What is no such message is answered with problem details, and so is what concerns the way in and not the request: a key that is
missing or not meant for this (401, 403), a body that is too large (413), and 503: the same message is to be sent again.
"""

from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem
from pydantic import ValidationError
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import Caller, TriggersCaller
from ingest.body import read_object
from ingest.connections import Connected, Connections
from ingest.database import Written
from ingest.paging import page_of
from ingest.problems import problem, problem_of
from ingest.trigger_rows import (
    TriggerPage,
    delete_trigger,
    find_trigger,
    insert_trigger,
    list_triggers,
    switch_trigger,
    update_trigger,
)
from ingest.triggers import until_live
from streams.errors import InvalidInput, TouchlineError

router = APIRouter(prefix="/api/chmp", tags=["chmp"])

OPERATIONS = ("create", "list", "get", "update", "delete", "enable", "disable")
TITLES = {f"scheduler_{operation}_job_request": operation for operation in OPERATIONS}
SCHEDULER = {"id": "scheduler", "type": "SCHEDULER"}

ON_THE_WAY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR})
"""Problems of the way in, told as such, with their status."""


class Message(NamedTuple):
    """A message, understood. `named` is what the body says beside its operation, `job` what lies under that name in it."""

    header: dict[str, Any]
    operation: str
    named: dict[str, Any]
    job: dict[str, Any] | None


@router.post("")
async def receive(request: Request, connections: Connected, caller: TriggersCaller) -> Response:
    """A message in, the response message out."""
    message = read_message(await read_object(request))
    try:
        body = {"status": "ok"} | await _perform(connections, caller, message)
    except (Problem, TouchlineError, RequestValidationError) as error:
        told = problem_of(error)
        if told.status in ON_THE_WAY:
            raise
        body = {"status": "error", "error": _error_body(told)}
    return answer({"header": response_header(message), "body": body})


def read_message(given: dict[str, Any]) -> Message:
    """Understand a message. Raises InvalidInput for what is none, naming the path inside it."""
    header, body = given.get("header"), given.get("body")
    if not isinstance(header, dict):
        raise InvalidInput("header", "must be an object with message_title, and message_id, source and destination")
    if not isinstance(body, dict):
        raise InvalidInput("body", "must be an object with operation, and what the operation needs")
    destination = header.get("destination", SCHEDULER)
    if not isinstance(destination, dict) or any(destination.get(name, value) != value for name, value in SCHEDULER.items()):
        raise InvalidInput("header.destination", f"is served elsewhere; accepted: {msgspec.json.encode(SCHEDULER).decode()}")
    named = dict(body)
    operation = _operation(header.get("message_title"), named.pop("operation", None))
    job = named.pop("job", None)
    if job is not None and not isinstance(job, dict):
        raise InvalidInput("body.job", "must be an object: the columns of the row")
    return Message(header, operation, named, job)


def _operation(title: Any, operation: Any) -> str:
    if operation is not None and operation not in OPERATIONS:
        raise InvalidInput("body.operation", f"is not an operation; accepted: {', '.join(OPERATIONS)}")
    if title is None and operation is not None:
        return str(operation)
    if not isinstance(title, str) or title not in TITLES:
        raise InvalidInput("header.message_title", f"is not a request that is served here; accepted: {', '.join(TITLES)}")
    if operation not in (None, TITLES[title]):
        raise InvalidInput("body.operation", f"is {operation}, but header.message_title asks for {TITLES[title]}")
    return TITLES[title]


def response_header(message: Message) -> dict[str, Any]:
    """The response's header: every id as it was, the two sides changed over."""
    header = message.header
    ids = {name: value for name, value in header.items() if name == "id" or name.endswith("_id")}
    told = {
        "message_title": f"scheduler_{message.operation}_job_response",
        **ids,
        "source": header.get("destination", SCHEDULER),
    }
    return told | ({"destination": header["source"]} if "source" in header else {})


def _error_body(told: Problem) -> dict[str, Any]:
    details = told.marshal()
    first = next(iter(details.get("errors", ())), {"path": "", "message": details.get("detail", "")})
    return {"field": first["path"], "message": first["message"]} | details


async def _perform(connections: Connections, caller: Caller, message: Message) -> dict[str, Any]:
    database = connections.database
    if message.operation == "create":
        return await _written(connections, await insert_trigger(database, caller, _columns(message)))
    if message.operation == "list":
        return await _list(connections, caller, _columns(message))
    trigger_id, changes = await _identified(connections, caller, message)
    if message.operation == "update":
        return await _written(connections, await update_trigger(database, caller, trigger_id, changes))
    if changes:
        raise InvalidInput(next(iter(changes)), f"is not understood by {message.operation}; job_id, or name, is accepted")
    if message.operation == "get":
        return {"job": await find_trigger(database, caller, trigger_id)}
    if message.operation == "delete":
        return await _written(connections, await delete_trigger(database, caller, trigger_id))
    enabled = message.operation == "enable"
    return await _written(connections, await switch_trigger(database, caller, trigger_id, enabled=enabled))


async def _written(connections: Connections, written: Written) -> dict[str, Any]:
    return {"job": written.row, "live": await until_live(connections, written)}


async def _list(connections: Connections, caller: Caller, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        page = TriggerPage.model_validate(asked)
    except ValidationError as error:
        faults = [fault | {"loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from error
    return page_of("jobs", await list_triggers(connections.database, caller, page), page, "id")


def _columns(message: Message) -> dict[str, Any]:
    """What the body says, whether under `job` or beside the operation."""
    if twice := sorted(message.named.keys() & (message.job or {}).keys()):
        raise InvalidInput(twice[0], "stands in the body and in body.job; one of the two is accepted")
    return message.named | (message.job or {})


async def _identified(connections: Connections, caller: Caller, message: Message) -> tuple[str, dict[str, Any]]:
    """The id of the row that is meant, and what else the body says. Raises 404, and InvalidInput when no row is named."""
    named, job = dict(message.named), dict(message.job or {})
    for given in (named, job):
        for field in ("job_id", "id"):
            if field in given:
                return _text(given.pop(field), field), _columns(Message(message.header, message.operation, named, job))
    given = named if "name" in named else job
    if "name" not in given:
        raise InvalidInput("job_id", "is missing; job_id, or name, and workspace if need be, tells which row is meant")
    where = {field: _text(given.pop(field), field) for field in ("name", "workspace") if field in given}
    rows = await list_triggers(connections.database, caller, TriggerPage(**where, limit=1))
    if len(rows) > 1:
        raise InvalidInput("workspace", f"is missing: several workspaces have a trigger named {where['name']}")
    if not rows:
        raise problem(HTTPStatus.NOT_FOUND, f"there is no trigger named {where['name']}", "no-such-trigger")
    return str(rows[0]["id"]), _columns(Message(message.header, message.operation, named, job))


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise InvalidInput(field, "must be a text")
    return value
