"""A workspace: one row of `scheduler.workspaces`. A workspace without a row has the defaults."""

import msgspec

DEFAULT_WORKSPACE = "default"
"""Where rows and events belong that name none."""


class Workspace(msgspec.Struct):
    """`scales` are its ordered words, by field, from least to most; `max_triggers` null is the installation's own limit."""

    workspace: str
    scales: dict[str, list[str]] = {}
    max_triggers: int | None = None
    created_at: str | None = None
