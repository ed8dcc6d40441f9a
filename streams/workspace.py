"""A workspace: one row of `scheduler.workspaces`. A workspace without a row has the defaults."""

from functools import lru_cache

import msgspec

from streams.errors import InvalidTrigger
from streams.language.policy import Rate, parse_rate

DEFAULT_WORKSPACE = "default"
"""Where rows and events belong that name none."""
TOLD_AGENTS = 10
"""How many of the agents that are allowed a refusal names."""


class Workspace(msgspec.Struct):
    """`scales` are its ordered words, by field, from least to most. The rest are limits; null is the installation's, or none.

    `allowed_agents` may be fired, and no others; `max_depth` is a cascade's; `max_firings` (`1000/1h`) counts all its
    triggers together; `max_queue` is how many firings of one trigger may wait.
    """

    workspace: str
    scales: dict[str, list[str]] = {}
    max_triggers: int | None = None
    allowed_agents: list[str] | None = None
    max_depth: int | None = None
    max_firings: str | None = None
    max_queue: int | None = None
    created_at: str | None = None


def check_agent(workspace: Workspace, agent_id: str) -> None:
    """Raises InvalidTrigger for an agent that the workspace does not allow to be fired."""
    allowed = workspace.allowed_agents
    if allowed is None or agent_id in allowed:
        return
    more = f" and {len(allowed) - TOLD_AGENTS} more" if len(allowed) > TOLD_AGENTS else ""
    accepted = ", ".join(allowed[:TOLD_AGENTS]) or "none"
    raise InvalidTrigger("agent_id", f"may not be fired in workspace {workspace.workspace}; accepted: {accepted}{more}")


def firing_rate(workspace: Workspace | None) -> Rate | None:
    """How often all triggers of a workspace may fire together; None when nobody limits that.

    What the table lets in can be read (migrations/0007_policies).
    """
    return None if workspace is None or workspace.max_firings is None else _rate(workspace.max_firings)


@lru_cache(maxsize=10_000)  # asked for at every firing
def _rate(text: str) -> Rate | None:
    return parse_rate(text, "max_firings")
