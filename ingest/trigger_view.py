"""A trigger as the API shows it: its row, what is wrong with it when SQL wrote it so, and what it costs."""

from typing import Any

from streams.errors import InvalidTrigger
from streams.matching.cost import cost_of
from streams.trigger import Condition, Trigger, parse_condition

ROW = ", ".join(Trigger.__struct_fields__)
_HUB_IS_KNOWN = "EXISTS (SELECT FROM hubs WHERE hubs.hub_id = jobs.hub_id)"
_SCALES = "coalesce((SELECT scales FROM workspaces WHERE workspaces.workspace = jobs.workspace), '{}')"
SHOWN = f"{ROW}, {_HUB_IS_KNOWN} AS hub_is_known, {_SCALES} AS scales"
"""What to select of a row of `jobs` to show it."""

NO_HUB = "is not registered; register the hub with POST /api/v1/hubs first"


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as selected by SHOWN, with `invalid`, null or `{"path", "message"}`, and `warnings` about its cost."""
    row = dict(row)
    hub_is_known, scales = row.pop("hub_is_known"), row.pop("scales")
    try:
        condition = _condition(row, scales, hub_is_known=hub_is_known)
    except InvalidTrigger as error:
        return row | {"invalid": {"path": error.path, "message": error.message}, "warnings": []}
    cost = cost_of(condition)
    return row | {"invalid": None, "warnings": [cost] if cost else []}


def _condition(row: dict[str, Any], scales: dict[str, list[str]], *, hub_is_known: bool) -> Condition:
    for column in ("match_filter", "extra_seed_parts"):
        if isinstance(row[column], str):  # its text: the table itself lets only objects and lists in
            raise InvalidTrigger(column, "holds a number or a depth that no reader of JSON takes")
    condition = parse_condition(Trigger(**row), scales)
    if not hub_is_known:
        raise InvalidTrigger("hub_id", NO_HUB)
    return condition
