"""A trigger: one row of `scheduler.jobs`, the same in Postgres, on the `triggers` topic and in the API."""

import re
from typing import Any, NamedTuple

import msgspec

from streams.errors import InvalidEvent, InvalidTrigger
from streams.event import check_name
from streams.language.bounds import check_bounds
from streams.language.dialect import is_plain, translate_condition
from streams.language.event_key import EventKey, parse_event_key
from streams.language.filter import Clause, parse_filter
from streams.language.policy import parse_policy
from streams.language.scale import Scales
from streams.language.watch import Watch, find_watch

SCHEDULE_TYPES = ("event",)
"""What `schedule_type` accepts today."""


class Trigger(msgspec.Struct, omit_defaults=False):
    """One row, as JSON. Times are RFC 3339 texts. `generation` counts how often the row has been enabled. `spent_by` is the
    execution that disabled a one-shot row, None when somebody else did."""

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
    pattern: str | None = None
    match_filter: dict[str, Any] | None = None
    crossing: dict[str, Any] | None = None
    extra_seed_parts: list[Any] = []
    dedup: str = "allow"
    max_concurrent: int | None = None
    timeout_seconds: float | None = None
    rate_limit: str | None = None
    count_threshold: int | None = None
    window: str | None = None
    debounce: str | None = None
    per: str | None = None
    input: Any = None
    input_template: Any = None
    input_mapping: dict[str, Any] | None = None
    intent_template: str | None = None
    payload_transform: Any = None
    generation: int = 1
    spent_by: str | None = None
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
    """What a trigger asks for, understood: the event key, the clauses (ANDed), the watch it asks for or implies, if any."""

    key: EventKey
    clauses: tuple[Clause, ...]
    watch: Watch | None


def parse_condition(trigger: Trigger, scales: Scales | None = None) -> Condition:
    """Understand a row, in the one model or in a condition form (SQL writes those too; `scales` are its workspace's own).

    Its policy is judged too, its templates are not: every process does this for every row. Raises InvalidTrigger naming the
    field and what would be accepted.
    """
    if trigger.schedule_type not in SCHEDULE_TYPES:
        raise InvalidTrigger("schedule_type", f"accepted: {', '.join(SCHEDULE_TYPES)}")
    _check_names(trigger)
    parse_policy(trigger)
    expression, match_filter = trigger.schedule_expression, trigger.match_filter
    if match_filter and not is_plain(match_filter):
        check_bounds(match_filter, "match_filter")
        expression, match_filter = translate_condition(expression, match_filter, scales)
    key = parse_event_key(expression, trigger.pattern)
    clauses = parse_filter(match_filter)
    return Condition(key, clauses, find_watch(trigger.workspace, key, clauses, trigger.crossing))


HUB_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
"""A hub's id stands in the path of every inject."""
REMEMBERED_NAMES = 100_000
"""Workspaces, agents and hubs remembered as valid: a million rows share a few."""
_checked: set[tuple[str, str, str]] = set()


def _check_names(trigger: Trigger) -> None:
    _check_name("name", trigger.name)
    if trigger.agent_instance_id is not None:
        _check_agent_instance(trigger.agent_instance_id)
    shared = trigger.workspace, trigger.agent_id, trigger.hub_id
    if shared in _checked:
        return
    _check_name("workspace", trigger.workspace)
    _check_name("agent_id", trigger.agent_id)
    if not HUB_ID.fullmatch(trigger.hub_id):
        raise InvalidTrigger("hub_id", "must be 1 to 128 letters, digits, dots, dashes or underscores, the first one no dot")
    if len(_checked) < REMEMBERED_NAMES:
        _checked.add(shared)


def _check_name(path: str, value: str) -> None:
    try:
        check_name(path, value)
    except InvalidEvent as error:
        raise InvalidTrigger(path, error.message) from error


PLACEHOLDERS = ("{date}", "{run_id}")
"""What `agent_instance_id` may hold; one that does names a fresh instance at every firing."""


def _check_agent_instance(template: str) -> None:
    _check_name("agent_instance_id", template)
    rest = template
    for placeholder in PLACEHOLDERS:
        rest = rest.replace(placeholder, "")
    if "{" in rest or "}" in rest:
        raise InvalidTrigger("agent_instance_id", f"may hold {' and '.join(PLACEHOLDERS)}, and no other braces")
