"""A trigger as a client writes it: the columns that are the client's, judged before the row is written."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ingest.validation import Body, HubId, Name, Text, validated
from streams.language.dialect import translate
from streams.language.scale import Scales
from streams.trigger import Trigger, parse_condition
from streams.workspace import DEFAULT_WORKSPACE


class TriggerBody(Body):
    """Every column a client may set (SPEC 2), its condition in the one model."""

    name: Name
    workspace: Name = DEFAULT_WORKSPACE
    schedule_type: str = "event"
    schedule_expression: Text
    pattern: Text | None = None
    match_filter: dict[str, Any] | None = None
    crossing: dict[str, Any] | None = None
    agent_id: Name
    agent_instance_id: Name | None = None
    hub_id: HubId
    supervisor_message: Text = ""
    extra_seed_parts: list[Any] = Field(default_factory=list)
    provider: Name | None = None
    model: Name | None = None
    enabled: bool = True
    one_shot: bool = False
    fallback_to_new_hub: bool = False
    owner_email: Name | None = None


COLUMNS = tuple(TriggerBody.model_fields)


def read_trigger(given: Mapping[str, Any], scales: Scales) -> dict[str, Any]:
    """The columns of a whole row as a client wrote it, judged; `scales` are its workspace's.

    Raises problem 422, or InvalidTrigger for a condition that is not understood.
    """
    return _judged(translate(given, scales), scales)


def read_changes(row: Mapping[str, Any], changes: Mapping[str, Any], scales: Scales) -> dict[str, Any]:
    """The columns of a row with a client's changes, judged as a whole; only what is given is translated.

    Raises like `read_trigger`.
    """
    key = {column: row[column] for column in ("schedule_expression", "pattern")}  # what an event_type narrows
    return _judged({column: row[column] for column in COLUMNS} | translate(key | dict(changes), scales), scales)


def _judged(given: Mapping[str, Any], scales: Scales) -> dict[str, Any]:
    columns = validated(TriggerBody, given).model_dump()
    parse_condition(Trigger(id="", **columns), scales)
    return columns
