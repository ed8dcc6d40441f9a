"""A trigger as a client writes it: the columns that are the client's, judged before the row is written."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ingest.judgement import judge
from ingest.trigger_view import check_readable
from ingest.validation import Body, HubId, Name, Text, validated
from streams.language.dialect import translate
from streams.trigger import Trigger
from streams.workspace import DEFAULT_WORKSPACE, Workspace


class TriggerBody(Body):
    """Every column a client may set (SPEC 2, 4 and 5), its condition in the one model."""

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
    dedup: str = "allow"
    max_concurrent: int | None = None
    timeout_seconds: float | None = None
    rate_limit: str | None = None
    count_threshold: int | None = None
    window: str | None = None
    debounce: str | None = None
    per: Text | None = None
    input: Any = None
    input_template: Any = None
    input_mapping: dict[str, Any] | None = None
    intent_template: Text | None = None
    payload_transform: Any = None


COLUMNS = tuple(TriggerBody.model_fields)


def read_trigger(given: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """The columns of a whole row as a client wrote it, judged as its workspace has it.

    Raises problem 422, or InvalidTrigger for a condition that is not understood or an agent that is not allowed.
    """
    return _judged(translate(given, workspace.scales), workspace)


def read_changes(row: Mapping[str, Any], changes: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """The columns of a row with a client's changes, judged as a whole; only what is given is translated.

    `row` is as selected by SHOWN. Raises like `read_trigger`.
    """
    check_readable({column: value for column, value in row.items() if column not in changes})
    key = {column: row[column] for column in ("schedule_expression", "pattern")}  # what an event_type narrows
    columns = {column: row[column] for column in COLUMNS}
    return _judged(columns | translate(key | dict(changes), workspace.scales), workspace)


def _judged(given: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    columns = validated(TriggerBody, given).model_dump()
    judge(Trigger(id="", **columns), workspace)
    return columns
