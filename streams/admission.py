"""Whether a firing really fires, and what it then asks a hub for. Pure: the rule beside the gate stage."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from streams.event import Event, Lineage
from streams.execution import Dispatch, Firing, Inject
from streams.state import State
from streams.trigger import PLACEHOLDERS, Trigger


class Gate(State, omit_defaults=True):
    """A trigger's state: the generation (how often the row had been enabled) in which its one shot was fired, 0 for none."""

    spent_generation: int = 0


class Seen(State, omit_defaults=True):
    """An execution id that went through, and when (the record's timestamp, Unix milliseconds)."""

    at_ms: int = 0


class Verdict(StrEnum):
    """What becomes of a firing: one outcome, always."""

    FIRED = "fired"
    REPEATED = "repeated"
    GONE = "gone"
    DISABLED = "disabled"
    SPENT = "spent"


def judge_firing(trigger: Trigger | None, gate: Gate | None, seen: Seen | None) -> Verdict:
    """Decide, from the row as it is now, the trigger's state, and whether this execution id went through before.

    A one-shot row is disabled through Postgres, which takes a moment; until then its spent generation holds the line.
    """
    if seen is not None:
        return Verdict.REPEATED
    if trigger is None:
        return Verdict.GONE
    if not trigger.enabled:
        return Verdict.DISABLED
    if trigger.one_shot and gate is not None and trigger.generation <= gate.spent_generation:
        return Verdict.SPENT
    return Verdict.FIRED


def prepare_dispatch(trigger: Trigger, firing: Firing, public_url: str) -> Dispatch:
    """The inject this firing asks for. Everything in it follows from the row and the event, so a replay gives the same."""
    event = firing.event
    instance, fresh = _agent_instance(trigger, firing)
    inject = Inject(
        execution_id=firing.execution_id,
        trigger_id=trigger.id,
        agent_id=trigger.agent_id,
        agent_instance_id=instance,
        message=trigger.supervisor_message,
        seed_parts=[_seed_part(part) for part in trigger.extra_seed_parts] + [{"literal": event.payload}],
        event=describe_event(event),
        lineage=_lineage(trigger, event),
        provider=trigger.provider,
        model=trigger.model,
        callback_url=f"{public_url}/api/v1/executions/{firing.execution_id}",
    )
    return Dispatch(
        hub_id=trigger.hub_id,
        fresh=fresh,
        inject=inject,
        recreate=trigger.fallback_to_new_hub,
        workspace=trigger.workspace,
        accepted_at_ms=event.accepted_at_ms,
    )


def describe_event(event: Event) -> dict[str, Any]:
    """The event as agents see it: what the feed said, without our own marks."""
    described: dict[str, Any] = {"id": event.id, "source": event.source, "type": event.type, "payload": event.payload}
    if event.subject is not None:
        described["subject"] = event.subject
    described["time"] = event.time or _instant(event.accepted_at_ms).isoformat()
    if event.caused_by:
        described["caused_by"] = event.caused_by
    return described


def _agent_instance(trigger: Trigger, firing: Firing) -> tuple[str, bool]:
    template = trigger.agent_instance_id or f"{trigger.agent_id}-{{run_id}}"
    fresh = any(placeholder in template for placeholder in PLACEHOLDERS)
    date = _instant(firing.event.accepted_at_ms).date().isoformat()
    return template.replace("{date}", date).replace("{run_id}", firing.execution_id), fresh


def _seed_part(part: object) -> dict[str, Any]:
    return part if isinstance(part, dict) and ("literal" in part or "request" in part) else {"literal": part}


def _lineage(trigger: Trigger, event: Event) -> Lineage:
    before = event.lineage or Lineage()
    root = before.root_event_id or event.caused_by or event.id
    return Lineage(root, [*before.trigger_chain, trigger.id], before.trigger_depth + 1)


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
