"""A trigger as the API shows it: its row, what is wrong with it when SQL wrote it so, and what who wrote it should know."""

from collections.abc import Mapping
from typing import Any

from ingest.judgement import judge
from streams.errors import InvalidTrigger
from streams.matching.cost import cost_of
from streams.matching.echo import echo_of
from streams.trigger import Trigger
from streams.workspace import Workspace

JSON = ("match_filter", "crossing", "extra_seed_parts", "input", "input_template", "input_mapping", "payload_transform")
"""The columns that hold JSON."""
_HELD_BY_WORKSPACE = "(SELECT {} FROM workspaces WHERE workspaces.workspace = jobs.workspace)"
# A text is either one, or stands for what no reader of JSON takes (database.py): only Postgres can say which.
_TEXTS = ", ".join(f"CASE jsonb_typeof({column}) WHEN 'string' THEN '{column}' END" for column in JSON)
_BESIDES = {
    "hub_is_known": "EXISTS (SELECT FROM hubs WHERE hubs.hub_id = jobs.hub_id)",
    "scales": f"coalesce({_HELD_BY_WORKSPACE.format('scales')}, '{{}}')",
    "allowed_agents": _HELD_BY_WORKSPACE.format("allowed_agents"),
    "texts": f"ARRAY[{_TEXTS}]",
}
SHOWN = ", ".join(
    [f'"{column}"' for column in Trigger.__struct_fields__] + [f"{value} AS {name}" for name, value in _BESIDES.items()]
)
"""What to select of a row of `jobs` to show it."""

NO_HUB = "is not registered; register the hub with POST /api/v1/hubs first"


def shown(selected: Mapping[str, Any]) -> dict[str, Any]:
    """A row as selected by SHOWN, with `invalid`, null or `{"path", "message"}`, and `warnings`, a list of texts."""
    row = {column: selected[column] for column in Trigger.__struct_fields__}
    try:
        return row | {"invalid": None, "warnings": _warnings(row, selected)}
    except InvalidTrigger as error:
        return row | {"invalid": {"path": error.path, "message": error.message}, "warnings": []}


def check_readable(selected: Mapping[str, Any]) -> None:
    """Raises InvalidTrigger for a column of JSON that no reader takes: a number or a depth that only SQL can write."""
    for column in JSON:
        if isinstance(selected.get(column), str) and column not in selected["texts"]:
            raise InvalidTrigger(column, "holds a number or a depth that no reader of JSON takes")


def _warnings(row: dict[str, Any], selected: Mapping[str, Any]) -> list[str]:
    """What the row costs, and whether it hears its own agent. Raises InvalidTrigger when it is not understood."""
    check_readable(selected)
    trigger, workspace = (
        Trigger(**row),
        Workspace(row["workspace"], selected["scales"], allowed_agents=selected["allowed_agents"]),
    )
    condition = judge(trigger, workspace)
    if not selected["hub_is_known"]:
        raise InvalidTrigger("hub_id", NO_HUB)
    return [warning for warning in (cost_of(condition), echo_of(trigger, condition)) if warning]
