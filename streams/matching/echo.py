"""An echo: a trigger that hears what a run of its own agent emits, so that one firing leads to the next. Pure.

Said when the row is written, never a reason to refuse it: which source an agent's events come under, and what they hold, no
row can tell. The cascade's depth stops what echoes all the same (SPEC 4).
"""

from collections.abc import Mapping

import msgspec

from streams.language.comparison import compile_comparison
from streams.language.filter import AnyOf, Clause, Negation, Predicate, compile_filter
from streams.trigger import PLACEHOLDERS, Condition, Trigger

EMITTED = (
    "intent_created",
    "status_changed",
    "state_patched",
    "intent_completed",
    "intent_abandoned",
    "agent_assigned",
    "lease_acquired",
    "lease_released",
    "task_completed",
    "task_failed",
    "cost_threshold",
)
"""What any agent's run emits: the standard event types (SPEC 1)."""
TOLD_TYPES = 3


def echo_of(trigger: Trigger, condition: Condition) -> str | None:
    """A warning for who wrote the row, None when nothing in it says that it hears its own agent.

    A row that names standard types is warned of unless its filter leaves out its own agent (by a payload field `agent_id`,
    `agent` or `agent_instance_id`), whatever else it asks; one that hears all types only when its filter asks for nothing
    that such an event must have. A one-shot never fires twice, and a crossing is the backbone's own event.
    """
    if trigger.one_shot or condition.watch is not None:
        return None
    key, own = condition.key, _named(trigger)
    everything = not key.type.strip("*") and all(key.matches(trigger.agent_id, emitted) for emitted in EMITTED)
    heard = EMITTED if everything else _heard(trigger, condition)
    if not heard or (everything and not compile_filter(condition.clauses)(own)):
        return None
    if any(_holds(clause, own) is False for clause in condition.clauses):
        return None
    told = "every event, those that a run of its own agent emits among them" if everything else _told(heard)
    leave_out = msgspec.json.encode({"not": {"agent_id": trigger.agent_id}}).decode()
    return (
        f"{'schedule_expression' if key.pattern is None else 'pattern'}: hears {told}, so one firing may lead to the next; "
        f"a match_filter of {leave_out} leaves those out"
    )


def _named(trigger: Trigger) -> dict[str, str]:
    """The payload fields by which an event of the trigger's own agent can be told."""
    instance_id = trigger.agent_instance_id
    named = {"agent_id": trigger.agent_id, "agent": trigger.agent_id}
    if instance_id is not None and not any(placeholder in instance_id for placeholder in PLACEHOLDERS):
        named["agent_instance_id"] = instance_id
    return named


def _heard(trigger: Trigger, condition: Condition) -> tuple[str, ...]:
    """The standard types that the key names. Under which source they come is only guessed where a pattern asks for one."""
    key = condition.key
    if key.pattern is not None:
        return tuple(emitted for emitted in EMITTED if key.matches(trigger.agent_id, emitted))
    if not key.type.strip("*"):
        return ()
    return tuple(emitted for emitted in EMITTED if key._replace(sources=("*",)).matches(trigger.agent_id, emitted))


def _told(heard: tuple[str, ...]) -> str:
    more = " and more" if len(heard) > TOLD_TYPES else ""
    return f"{', '.join(heard[:TOLD_TYPES])}{more}, which a run of its own agent emits too"


def _holds(clause: Clause, own: Mapping[str, str]) -> bool | None:
    """Whether a clause holds for an event of the trigger's own agent; None when that hangs on what else it says."""
    if isinstance(clause, Predicate):
        name = clause.path[-1]
        return compile_comparison(clause.operator, clause.value)(own[name]) if name in own else None
    if isinstance(clause, Negation):
        inner = _holds(clause.clause, own)
        return None if inner is None else not inner
    held = [_holds(inner, own) for inner in clause.clauses]
    decisive = isinstance(clause, AnyOf)
    return decisive if decisive in held else None if None in held else not decisive
