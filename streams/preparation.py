"""What a firing asks a hub for, once it fires. Pure: beside the gate stage."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from streams.event import Event, Lineage
from streams.execution import Dispatch, Firing, Inject
from streams.lineage import extend
from streams.shaping.shape import shape
from streams.trigger import PLACEHOLDERS, Trigger


class Prepared(NamedTuple):
    """A dispatch, and the input that it carries among its seed parts."""

    dispatch: Dispatch
    input: Any


def prepare_dispatch(
    trigger: Trigger, firing: Firing, lineage: Lineage, public_url: str, *, slot: str = "", events: Sequence[Event] = ()
) -> Prepared:
    """The inject this firing asks for. Everything in it follows from the row and the event, so a replay gives the same.

    `events` are those that were coalesced into it, its own the last: agents get them as one more seed part,
    `{"literal": {"events": [...]}}`. Raises ShapingFailed when the row's templates cannot make an input of this event.
    """
    event = firing.event
    instance, fresh = agent_instance(trigger, firing)
    described = describe_event(event)
    coalesced = [describe_event(one) for one in events]
    shaped = shape(trigger, described, lineage, coalesced)
    seed_parts = [_seed_part(part) for part in trigger.extra_seed_parts] + [{"literal": shaped.input}]
    if coalesced:
        seed_parts.append({"literal": {"events": coalesced}})
    inject = Inject(
        execution_id=firing.execution_id,
        trigger_id=trigger.id,
        agent_id=trigger.agent_id,
        agent_instance_id=instance,
        message=shaped.message,
        seed_parts=seed_parts,
        event=described,
        lineage=lineage,
        provider=trigger.provider,
        model=trigger.model,
        callback_url=f"{public_url}/api/v1/executions/{firing.execution_id}",
    )
    dispatch = Dispatch(
        hub_id=trigger.hub_id,
        fresh=fresh,
        inject=inject,
        fallback=trigger.fallback_to_new_hub,
        workspace=trigger.workspace,
        accepted_at_ms=event.accepted_at_ms,
        slot=slot,
    )
    return Prepared(dispatch, shaped.input)


def prepare_cancel(execution_id: str, trigger_id: str, place: str, reason: str) -> Dispatch:
    """Tells the hub of `place` (`hub_id/agent_instance_id`) that this execution is over, and why."""
    hub_id, _, instance = place.partition("/")
    inject = Inject(execution_id, trigger_id, "", instance, reason, [], {}, Lineage(), None, None, "")
    return Dispatch(hub_id=hub_id, fresh=False, inject=inject, cancel=True)


def place_of(trigger: Trigger, firing: Firing) -> str:
    """Where its dispatch goes, and the key it goes under: `hub_id/agent_instance_id`."""
    return f"{trigger.hub_id}/{agent_instance(trigger, firing)[0]}"


def describe_event(event: Event) -> dict[str, Any]:
    """The event as agents see it: what the feed said, without our own marks."""
    described: dict[str, Any] = {"id": event.id, "source": event.source, "type": event.type, "payload": event.payload}
    if event.subject is not None:
        described["subject"] = event.subject
    described["time"] = event.time or _instant(event.accepted_at_ms).isoformat()
    if event.caused_by:
        described["caused_by"] = event.caused_by
    return described


def agent_instance(trigger: Trigger, firing: Firing) -> tuple[str, bool]:
    """Whom it is for, and whether that is a fresh instance."""
    template = trigger.agent_instance_id or f"{trigger.agent_id}-{{run_id}}"
    fresh = any(placeholder in template for placeholder in PLACEHOLDERS)
    date = _instant(firing.event.accepted_at_ms).date().isoformat()
    return template.replace("{date}", date).replace("{run_id}", firing.execution_id), fresh


def _seed_part(part: object) -> dict[str, Any]:
    return part if isinstance(part, dict) and ("literal" in part or "request" in part) else {"literal": part}


def lineage_of(trigger: Trigger, firing: Firing, events: Sequence[Event] = ()) -> Lineage:
    """Where this firing comes from, unsigned: of `events` that were coalesced into it, from the one deepest in a cascade."""
    deepest = max(events, key=lambda event: event.lineage.trigger_depth if event.lineage else 0, default=firing.event)
    return extend(deepest.lineage, trigger.id, deepest, firing.execution_id)


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
