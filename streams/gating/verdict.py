"""What becomes of a firing: one outcome, always. And who is refused before any policy is asked. Pure."""

from enum import StrEnum

from streams.event import Lineage
from streams.gating.state import Gate, Seen
from streams.trigger import Trigger
from streams.workspace import Workspace


class Verdict(StrEnum):
    """The outcomes. QUEUED and COALESCED ones wait, and are TAKEN when their time comes; all others are final here."""

    FIRED = "fired"
    QUEUED = "queued"
    COALESCED = "coalesced"
    COUNTED = "counted"
    """Below the threshold."""
    LATE = "late"
    """Older than the window that is counted."""
    SKIPPED = "skipped"
    REFUSED = "refused"
    REPEATED = "repeated"
    GONE = "gone"
    DISABLED = "disabled"
    SPENT = "spent"
    PASSED = "passed"
    """Within the workspace's quota: on its way to its trigger's own partition."""
    DEAD = "dead"


def judge_row(trigger: Trigger | None, spent: Gate | None, seen: Seen | None, offset: int) -> Verdict | None:
    """Decide what needs no policy: from the row as it is now, its one shot, and whether this execution id came before.

    None when the firing may go on. A one-shot row is disabled through Postgres, which takes a moment; until then its spent
    generation holds the line. What was noted at this `offset`, or behind it, means that this record is read again: it says
    nothing yet. So does a row that its own shot disabled, when nothing is noted: whoever decided that was killed, and it is
    decided again (`may_fire` knows which firing it was).
    """
    if seen is not None and seen.offset < offset:
        return Verdict.REPEATED
    if trigger is None:
        return Verdict.GONE
    if not trigger.enabled and not (trigger.one_shot and trigger.spent_by):
        return Verdict.DISABLED
    if trigger.one_shot and spent is not None and spent.offset < offset and trigger.generation <= spent.spent_generation:
        return Verdict.SPENT
    return None


def may_fire(trigger: Trigger, execution_id: str) -> bool:
    """Whether this firing may be the one that fires: of those that find a one-shot row spent, only the one that spent it."""
    return trigger.enabled or trigger.spent_by == execution_id


def refusal(trigger: Trigger, lineage: Lineage, workspace: Workspace | None, max_depth: int) -> str | None:
    """Why this workspace's policy does not let the trigger fire; None when it does. `max_depth` is the installation's."""
    allowed = workspace.allowed_agents if workspace is not None else None
    if allowed is not None and trigger.agent_id not in allowed:
        return f"agent {trigger.agent_id} may not be fired in workspace {trigger.workspace}; its allowed_agents say who may"
    limit = max_depth if workspace is None or workspace.max_depth is None else workspace.max_depth
    if lineage.trigger_depth > limit:
        chain = " > ".join(lineage.trigger_chain)
        return f"the cascade is {lineage.trigger_depth} triggers deep, and {limit} is the limit: {chain}"
    return None
