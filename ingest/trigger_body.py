"""A trigger as a client writes it: the columns that are the client's, judged before the row is written."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ingest.validation import Body, HubId, Name, Text, validated
from streams.trigger import Trigger, parse_condition


class TriggerBody(Body):
    """Every column a client may set (SPEC 2)."""

    name: Name
    workspace: Name = "default"
    schedule_type: str = "event"
    schedule_expression: Text
    match_filter: dict[str, Any] | None = None
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


def read_trigger(given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a whole row, judged. Raises problem 422, or InvalidTrigger for a condition that is not understood."""
    columns = validated(TriggerBody, given).model_dump()
    parse_condition(Trigger(id="", **columns))
    return columns
