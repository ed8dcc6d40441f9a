"""What an agent is given for one event: the payload, the input and the message, as its trigger's row shapes them. Pure.

payload_transform   a JSON value with templates, or one template: makes the payload that all below see, and the default input
input               a JSON value, as it is
input_template      a JSON value with templates, or one template
input_mapping       {name: JSONPath (RFC 9535)} over an object of the names below, such as $.payload.commits[*].id: a singular
                    query gives its value, and nothing when there is none; any other gives a list
intent_template     a text with templates: the message, instead of supervisor_message

Templates (streams/shaping/template.py) and queries name `event` (id, source, type, subject, time, payload, caused_by),
`payload` (the event's, or what payload_transform made of it), `events` (all that were coalesced, this one the last), `trigger`
(id, name, agent_id, workspace) and `lineage` (root_event_id, trigger_chain, trigger_depth, execution_id).
Where there are several, `input`, `input_template` and `input_mapping` are merged in this order: a later member replaces an
earlier one of its name, whole. Without any of them the input is the payload.

    payload_transform  {"repo": "{{ payload.repository.name }}", "files": "{{ payload.commits | map(attribute='file') }}"}
    input              {"branch": "main"}
    input_mapping      {"branch": "$.event.payload.ref", "authors": "$.event.payload.commits[*].author.name"}
    intent_template    Review {{ payload.repo }}{% if payload.files %}: {{ payload.files | join(", ") }}{% endif %}

The author of a trigger is not trusted: see streams/shaping/budget.py for the limits of steps and bytes.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from streams.errors import InvalidTrigger, ShapingFailed
from streams.event import Lineage
from streams.language.comparison import MISSING
from streams.shaping.budget import Budget
from streams.shaping.scope import Scope

if TYPE_CHECKING:
    from streams.shaping.recipe import Columns, Recipe, Recipes

UNSHAPED = (None, None, None, None, None)


class Row(Protocol):
    """The columns of a trigger that shaping reads."""

    id: str
    name: str
    agent_id: str
    workspace: str
    supervisor_message: str
    payload_transform: Any
    input: Any
    input_template: Any
    input_mapping: dict[str, Any] | None
    intent_template: str | None


class Shaped(NamedTuple):
    """`input` and `payload` are JSON values, at most 132 levels deep; each has at most 1 MiB beside the row's own text."""

    input: Any
    message: str
    payload: Any


def check_shaping(trigger: Row) -> None:
    """Judge a row when it is written. Raises InvalidTrigger naming the path inside the row and what is accepted."""
    columns = _columns(trigger)
    if columns != UNSHAPED:
        from streams.shaping.recipe import compile_recipe  # a million rows need no template library

        compile_recipe(columns)


def shape(trigger: Row, event: dict[str, Any], lineage: Lineage, events: Sequence[dict[str, Any]] = ()) -> Shaped:
    """What this row makes of this event, the event as agents see it; the same again on a replay.

    `events` are those that were coalesced into it, itself the last, when there are several.
    Raises ShapingFailed naming the column, with a reason that its author can act on.
    """
    columns = _columns(trigger)
    if columns == UNSHAPED:
        return Shaped(event["payload"], trigger.supervisor_message, event["payload"])
    names = {
        "event": event,
        "payload": event["payload"],
        "events": list(events) or [event],
        "trigger": _describe(trigger),
        "lineage": _describe_lineage(lineage),
    }
    try:
        return _follow(_recipes().find(columns), Scope(names, Budget()), trigger.supervisor_message)
    except InvalidTrigger as error:  # a row that was written by hand, and never judged
        raise ShapingFailed(error.path, error.message) from error


def _follow(recipe: "Recipe", scope: Scope, supervisor_message: str) -> Shaped:
    if recipe.payload is not None:
        scope.names["payload"] = _present(recipe.payload(scope))
    payload = scope.names["payload"]
    scope.budget.refill()
    made = _input(recipe, scope)
    scope.budget.refill()
    message = supervisor_message if recipe.message is None else recipe.message(scope)
    return Shaped(made, message, payload)


def _input(recipe: "Recipe", scope: Scope) -> Any:
    parts: list[Any] = [] if recipe.literal is None else [recipe.literal]
    if recipe.template is not None:
        parts.append(_present(recipe.template(scope)))
    if recipe.mapping is not None:
        found = [(name, find(scope.names, scope.budget)) for name, find in recipe.mapping]
        parts.append({name: value for name, value in found if value is not MISSING})
    if len(parts) < 2:
        return parts[0] if parts else scope.names["payload"]
    merged: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, dict):
            raise ShapingFailed("input_template", "must make an object, since it is merged with input or input_mapping")
        merged |= part
    return merged


def _present(value: Any) -> Any:
    """What is missing where there must be something is null."""
    return None if value is MISSING else value


def _describe(trigger: Row) -> dict[str, Any]:
    return {"id": trigger.id, "name": trigger.name, "agent_id": trigger.agent_id, "workspace": trigger.workspace}


def _describe_lineage(lineage: Lineage) -> dict[str, Any]:
    return {
        "root_event_id": lineage.root_event_id,
        "trigger_chain": lineage.trigger_chain,
        "trigger_depth": lineage.trigger_depth,
        "execution_id": lineage.execution_id,
    }


def _columns(row: Row) -> "Columns":
    return row.payload_transform, row.input, row.input_template, row.input_mapping, row.intent_template


@cache
def _recipes() -> "Recipes":
    from streams.shaping.recipe import Recipes  # a million rows need no template library

    return Recipes()
