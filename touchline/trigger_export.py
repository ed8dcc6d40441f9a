"""Rows of the jobs table as a file that `touchline triggers apply` reads back without a change. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from streams.errors import InvalidTrigger
from streams.language.event_key import EVERYTHING, split_expression
from streams.workspace import DEFAULT_WORKSPACE
from touchline.trigger_files import AGENT, COLUMNS, DOORS, SCHEDULES, TIMES, event_key
from touchline.yaml_text import write_yaml

_KEY_OF = {kind: key for key, kind in SCHEDULES.items()}
_DEFAULTS: dict[str, Any] = {
    "workspace": DEFAULT_WORKSPACE,
    "enabled": True,
    "one_shot": False,
    "fallback_to_new_hub": False,
    "supervisor_message": "",
    "extra_seed_parts": [],
    "dedup": "allow",
}
"""Columns that are left out when they have these values; the others when they are null."""


def export(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as YAML, one document each, in the order of their workspaces and names."""
    ordered = sorted(rows, key=lambda row: (row["workspace"], row["name"]))
    return write_yaml([{"trigger": _trigger(row)} for row in ordered])


def _trigger(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = row["schedule_type"]
    written: dict[str, Any] = {"name": row["name"], "type": kind}
    if kind == "event":
        written["event"] = _event(row)
    elif kind == "webhook":
        written["webhook"] = {"endpoint": row["schedule_expression"]} | _told(row, DOORS) | _filter(row)
    else:
        written["schedule"] = {_KEY_OF[kind]: row["schedule_expression"]} | _told(row, TIMES)
    written["agent"] = _told(row, AGENT)
    return written | _told(row, {key: column for key, column in COLUMNS.items() if key != "template"})


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    expression, pattern = row["schedule_expression"], row.get("pattern")
    told = {} if pattern and expression == EVERYTHING else _event_names(expression)
    return told | _told(row, {"pattern": "pattern", "crossing": "crossing"}) | _filter(row)


def _event_names(expression: str) -> dict[str, Any]:
    try:
        sources, event_type = split_expression(expression)
    except InvalidTrigger:
        return {"key": expression}  # written by SQL; the server says what is wrong with it
    if event_key(sources, event_type) != expression:
        return {"key": expression}
    return ({"source": sources[0]} if len(sources) == 1 else {"sources": list(sources)}) | {"type": event_type}


def _filter(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"filter": row["match_filter"]} if row.get("match_filter") is not None else {}


def _told(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """What the row says in these columns, by the file's keys."""
    return {key: row[column] for key, column in columns.items() if row.get(column) != _DEFAULTS.get(column)}
