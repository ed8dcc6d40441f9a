"""The route of events: `POST /api/events/ingest`, where everything that happens gets in.

| Content-Type | body |
| --- | --- |
| application/json, or none | one plain object, one CloudEvent, or a list of them |
| application/x-ndjson | one of them a line |
| application/cloudevents+json | one CloudEvent |
| application/cloudevents-batch+json | a list of them |
| any JSON or text, with `ce-` headers | the data of one CloudEvent in binary mode |

One event may have 1 MiB, a whole batch 8 MiB. In a batch every item is judged and answered on its own.

An event belongs to the workspace of the key it was handed in with, or, where the whole installation calls, to the one it
names; to `default` otherwise. On the topic the workspace is always written out. An id is one source's and one workspace's
affair: two workspaces may give the same.

An event that an agent emits carries the `lineage` its inject carried. One that touchline did not sign for the event's
workspace, `{}` among them, is refused: left aside, it would let a cascade go on uncounted.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi_problem.error import Problem
from starlette.responses import Response

from ingest import cloud_event
from ingest.acceptance import accepted, check_lineage
from ingest.answers import answer
from ingest.authentication import Caller, IngestCaller
from ingest.body import BATCH_LIMIT_BYTES, EVENT_LIMIT_BYTES, media_type, read_body, too_large, unsupported
from ingest.connections import Connected, Connections
from ingest.json_text import decode
from ingest.metrics import of
from ingest.problems import problem_of
from ingest.producer import Record
from ingest.submission import read_submission
from streams.errors import InvalidInput, TouchlineError, Unavailable
from streams.event import Event, encode_event, event_key
from streams.topics import EVENTS

PATH = "/api/events/ingest"

router = APIRouter(tags=["events"])

NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
BATCHES = NDJSON | {cloud_event.BATCH}
CLOUD_EVENT_HEADERS = cloud_event.PREFIX.encode()

Text = bytes | msgspec.Raw
Item = Event | Exception
"""One event of a batch: read, or why it could not be."""

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


@router.post(PATH, status_code=HTTPStatus.ACCEPTED)
async def ingest(request: Request, connections: Connected, caller: IngestCaller) -> Response:
    """202 once the broker has it: `{"event_id"}` for one event, `{"results": [{"event_id"} or a problem]}` for a batch."""
    metrics = of(request.app)
    try:
        with metrics.accept_seconds.time():
            items, is_batch = await _read(request)
            signing_key = connections.settings.signing_key.get_secret_value().encode()
            items = [_assigned(item, caller, signing_key) for item in items]
            outcomes = await _accept(connections, items)
    except (TouchlineError, Problem) as error:
        metrics.count(error)
        raise
    for outcome in outcomes:
        metrics.count(outcome)
    # A batch of which nothing was accepted, for want of a broker, is refused as one: its sender backs off and sends it again.
    if outcomes and isinstance(outcomes[0], Exception) and (not is_batch or _all_unavailable(outcomes)):
        raise outcomes[0]
    results = [_result(outcome) for outcome in outcomes]
    return answer({"results": results} if is_batch else results[0], HTTPStatus.ACCEPTED)


async def _read(request: Request) -> tuple[list[Item], bool]:
    """The items of the request, and whether it is a batch. Raises problems 400, 413 and 415 for the body as a whole."""
    media = media_type(request)
    if media.name in NDJSON:
        body = await read_body(request, BATCH_LIMIT_BYTES)
        return [_item(line) for line in body.split(b"\n") if line.strip()], True
    if media.name == cloud_event.BATCH:
        return _list(await read_body(request, BATCH_LIMIT_BYTES)), True
    if media.name == cloud_event.STRUCTURED:
        return [_attempt(cloud_event.read_structured, await read_body(request))], False
    if any(name.startswith(CLOUD_EVENT_HEADERS) for name, _ in request.scope["headers"]):
        body, headers = await read_body(request), dict(request.headers)
        return [_attempt(lambda data: cloud_event.read_binary(headers, bytes(data)), body)], False
    if not media.is_json:
        raise unsupported(f"{media.name} is not accepted; send application/json, application/x-ndjson or a CloudEvent")
    body = await read_body(request, EVENT_LIMIT_BYTES, BATCH_LIMIT_BYTES)
    if body.lstrip()[:1] == b"[":
        return _list(body), True
    return [_item(body)], False


def _list(body: bytes) -> list[Item]:
    return [_item(item) for item in decode(body, _decode_list, nesting_is_checked=False)]


def _item(text: Text) -> Item:
    size_bytes = len(memoryview(text))
    if size_bytes > EVENT_LIMIT_BYTES:
        return too_large(size_bytes, EVENT_LIMIT_BYTES, "the event")
    return _attempt(_read_any, text)


def _read_any(text: Text) -> Event:
    """A plain object, or an object that calls itself a CloudEvent."""
    try:
        return read_submission(text)
    except InvalidInput:
        if cloud_event.is_cloud_event(text):
            return cloud_event.read_structured(text)
        raise


def _attempt(read: Callable[[Text], Event], text: Text) -> Item:
    try:
        return accepted(read(text))
    except (TouchlineError, Problem) as error:
        return error


def _assigned(item: Item, caller: Caller, signing_key: bytes) -> Item:
    """The event in its workspace, or why it may not be there, with the lineage it has."""
    if isinstance(item, Event):
        try:
            item.workspace = caller.workspace_of({"workspace": item.workspace} if item.workspace else {})
            return check_lineage(item, signing_key)
        except (TouchlineError, Problem) as error:
            return error
    return item


async def _accept(connections: Connections, items: list[Item]) -> list[str | Exception]:
    """Produce every event that could be read: its id once it is acknowledged, or why it is not accepted."""
    spread_sources = connections.rows.spread_sources
    records = [Record(EVENTS, event_key(item, spread_sources), encode_event(item)) for item in items if isinstance(item, Event)]
    produced = iter(await connections.producer.accept(records) if records else ())
    return [(next(produced) or item.id) if isinstance(item, Event) else item for item in items]


def _all_unavailable(outcomes: list[str | Exception]) -> bool:
    return all(isinstance(outcome, Unavailable) for outcome in outcomes)


def _result(outcome: str | Exception) -> dict[str, Any]:
    return {"event_id": outcome} if isinstance(outcome, str) else problem_of(outcome).marshal()
