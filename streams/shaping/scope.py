"""What a template sees while it runs, and which names it may use. Pure."""

from collections.abc import Callable
from typing import Any

from streams.errors import InvalidTrigger
from streams.shaping.budget import Budget


class Scope:
    """Values by name, and the budget that evaluating uses up."""

    __slots__ = ("budget", "names")

    def __init__(self, names: dict[str, Any], budget: Budget) -> None:
        self.names = names
        self.budget = budget


Evaluate = Callable[[Scope], Any]
"""Gives a JSON value, or MISSING. Raises Refused."""

FIELDS: dict[str, tuple[str, ...] | None] = {
    "event": ("id", "source", "type", "subject", "time", "payload", "caused_by"),
    "payload": None,
    "events": None,
    "trigger": ("id", "name", "agent_id", "workspace"),
    "lineage": ("root_event_id", "trigger_chain", "trigger_depth", "execution_id"),
}
"""The names of every template and query, with the members that each has; None for any."""


def check_member(name: str, field: Any) -> None:
    """Refuse a member that never is: event.playload. Raises InvalidTrigger, its path empty."""
    fields = FIELDS.get(name)
    if fields is not None and field not in fields:
        raise InvalidTrigger("", f"{name} has no {str(field)[:100]}; it has {', '.join(fields)}")
