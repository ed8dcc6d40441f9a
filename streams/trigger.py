"""A trigger: one row of `scheduler.jobs`, the same in Postgres, on the `triggers` topic and in the API."""

from typing import Any, NamedTuple

import msgspec

from streams.errors import InvalidEvent, InvalidTrigger
from streams.event import check_name
from streams.filter import Predicate, parse_filter
from streams.watch import Watch, parse_watch

SCHEDULE_TYPES = ("event",)
"""What `schedule_type` accepts today."""


class Trigger(msgspec.Struct, omit_defaults=False):
    """One row, as JSON. Times are RFC 3339 texts. `generation` counts how often the row has been enabled."""

    id: str
    name: str
    schedule_expression: str
    agent_id: str
    hub_id: str
    workspace: str = "default"
    schedule_type: str = "event"
    agent_instance_id: str | None = None
    supervisor_message: str = ""
    provider: str | None = None
    model: str | None = None
    enabled: bool = True
    fallback_to_new_hub: bool = False
    owner_email: str | None = None
    one_shot: bool = False
    match_filter: dict[str, Any] | None = None
    extra_seed_parts: list[Any] = []
    generation: int = 1
    created_at: str | None = None
    updated_at: str | None = None


class Hub(msgspec.Struct):
    """One row of `scheduler.hubs`: where dispatches go. `token` is sent as `Authorization: Bearer`."""

    hub_id: str
    base_url: str
    token: str | None = None
    created_at: str | None = None


class Source(msgspec.Struct):
    """One row of `scheduler.sources`. `spread` is `source` (the default for all) or `subject`."""

    source: str
    spread: str = "source"
    created_at: str | None = None


class Condition(NamedTuple):
    """What a trigger asks for, understood: the event key, the predicates, and the watch it implies, if any."""

    source: str
    type: str
    predicates: tuple[Predicate, ...]
    watch: Watch | None


def parse_condition(trigger: Trigger) -> Condition:
    """Understand a trigger's condition. Raises InvalidTrigger naming the field and what would be accepted."""
    if trigger.schedule_type not in SCHEDULE_TYPES:
        raise InvalidTrigger("schedule_type", f"accepted: {', '.join(SCHEDULE_TYPES)}")
    source, colon, event_type = trigger.schedule_expression.partition(":")
    if not colon:
        raise InvalidTrigger("schedule_expression", "must be source:type, such as sports_feed:goal")
    try:
        check_name("source", source)
        check_name("type", event_type)
    except InvalidEvent as error:
        raise InvalidTrigger("schedule_expression", f"the {error.path} {error.message}") from error
    if "*" in trigger.schedule_expression:
        raise InvalidTrigger("schedule_expression", "wildcards are not understood; an exact source:type is accepted")
    _check_agent_instance(trigger.agent_instance_id)
    predicates = parse_filter(trigger.match_filter)
    return Condition(source, event_type, predicates, parse_watch(trigger.workspace, source, event_type, predicates))


PLACEHOLDERS = ("{date}", "{run_id}")
"""What `agent_instance_id` may hold; one that does names a fresh instance at every firing."""


def _check_agent_instance(template: str | None) -> None:
    rest = template or ""
    for placeholder in PLACEHOLDERS:
        rest = rest.replace(placeholder, "")
    if "{" in rest or "}" in rest:
        raise InvalidTrigger("agent_instance_id", f"may hold {' and '.join(PLACEHOLDERS)}, and no other braces")
