"""Firing a trigger by hand: an event of the reserved source `manual`, its type the trigger's id, signed as ours."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ingest.acceptance import check_lineage, given_id, stamped
from ingest.answers import answer
from ingest.authentication import TriggersCaller
from ingest.body import read_object
from ingest.connections import Connected
from ingest.problems import problem
from ingest.producer import Record
from ingest.trigger_rows import no_trigger
from ingest.validation import Body, validated
from streams.errors import InvalidEvent
from streams.event import MANUAL, SIGNATURE_HEADER, Event, Lineage, derived_id, encode_event, event_key, sign
from streams.settings import Settings
from streams.topics import EVENTS
from streams.trigger import Trigger

router = APIRouter(prefix="/api/v1/triggers", tags=["triggers"])


class FireBody(Body):
    """`payload` is any JSON; `id` makes a repeated call fire once. An agent that fires gives the `lineage` it was given."""

    payload: Any = Field(default_factory=dict)
    id: str | None = None
    lineage: dict[str, Any] | None = None


@router.post("/{trigger_id}/fire", status_code=202)
async def fire(trigger_id: str, request: Request, connections: Connected, caller: TriggersCaller) -> Response:
    """Fire with `{"payload": ...}`: 202 with the execution's id once the broker has the event."""
    trigger = connections.rows.triggers.get(trigger_id)
    if trigger is None or not caller.sees(trigger.workspace):
        raise no_trigger(trigger_id)
    if not trigger.enabled:
        raise problem(HTTPStatus.CONFLICT, "the trigger is disabled and would not fire; enable it first", "trigger-disabled")
    event = manual_event(trigger, await read_object(request))
    check_lineage(event, connections.settings.signing_key.get_secret_value().encode())
    (outcome,) = await connections.producer.accept([signed_record(event, connections.settings)])
    if outcome is not None:
        raise outcome
    return answer({"execution_id": derived_id("execution", trigger_id, event.id), "event_id": event.id}, 202)


def manual_event(trigger: Trigger, given: Mapping[str, Any]) -> Event:
    """The event that fires this trigger by hand, in its workspace. Raises problem 422 for a body that is not understood."""
    body = validated(FireBody, given)
    event = Event(source=MANUAL, type=trigger.id, payload=body.payload, id=given_id(body.id), workspace=trigger.workspace)
    event.lineage = _read_lineage(body.lineage)
    return stamped(event)


def _read_lineage(given: dict[str, Any] | None) -> Lineage | None:
    try:
        return None if given is None else msgspec.convert(given, Lineage)
    except msgspec.ValidationError as error:
        raise InvalidEvent("lineage", str(error)) from error


def signed_record(event: Event, settings: Settings) -> Record:
    """The record of an event of a reserved source, with the signature that proves it touchline's own."""
    value = encode_event(event)
    signature = sign(value, settings.signing_key.get_secret_value().encode())
    return Record(EVENTS, event_key(event, frozenset()), value, [(SIGNATURE_HEADER, signature)])
