"""Why an event did or did not fire a trigger: the whole judgement as a tree of checks, and one sentence. Pure.

The event is judged by the row as it was then, when that is known, and else by the row as it is now. A trigger on a crossing
may be asked about the crossing itself, or about the event whose value did or did not cross. What was recorded (a firing, an
execution) always outweighs what is worked out here.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from streams.check import Check, check_clauses, check_key, group, reason
from streams.check_watch import check_crossed, check_input, check_own, is_crossing
from streams.errors import InvalidTrigger
from streams.event import MANUAL, Event
from streams.execution import Status
from streams.language.scale import Scales
from streams.language.watch import Watch
from streams.trigger import Condition, Trigger, parse_condition
from streams.workspace import DEFAULT_WORKSPACE


class Outcome(StrEnum):
    """What happened, or would have. `why` exits with 0 for the first two."""

    FIRED = "fired"
    WOULD_FIRE = "would_fire"
    """Everything it asks for holds, but nothing fired: it was not there yet, or was not enabled then and is now."""
    DISABLED = "disabled"
    """Everything it asks for holds, but the trigger is disabled."""
    HELD_BACK = "held_back"
    """It matched, and the gate let nothing through, or not yet: its policy, its workspace's, or the row was changed since."""
    NO_MATCH = "no_match"
    UNKNOWN = "unknown"
    """What it asks for cannot be told any more: whether a value crossed that nobody watched then."""


class Facts(NamedTuple):
    """What is recorded. `None` for the booleans: not known.

    `existed` and `enabled` tell of the trigger when the event was accepted, `enabled_now` of now. `crossing` is what this event
    caused of the trigger's own watch. `fired` is whether a firing lies on its topic. `execution` is its row, `spent_by` the
    id of the last execution of a one-shot.
    """

    enabled_now: bool = True
    existed: bool | None = None
    enabled: bool | None = None
    crossing: Event | None = None
    crossings_searched: bool = False
    fired: bool | None = None
    execution: Mapping[str, Any] | None = None
    spent_by: str | None = None


class Verdict(msgspec.Struct):
    """The judgement: `checks` as asked, one after the other, and the `sentence` that sums them up."""

    outcome: Outcome
    sentence: str
    checks: list[Check]


def judge(event: Event, trigger: Trigger, facts: Facts, scales: Scales | None = None) -> Verdict:
    """Judge `event` by `trigger`. The row may be invalid: then that is the reason."""
    checks = check_condition(event, trigger, facts, scales)
    matches = group("condition", checks).holds
    alive = [_check_existed(facts, trigger), _check_enabled(facts, trigger)]
    outcome = _outcome(facts, matches=matches)
    gate = [_check_gate(trigger, facts)] if outcome is Outcome.HELD_BACK else []
    return Verdict(outcome, _sentence(outcome, trigger, facts, checks, alive), [*checks, *alive, *gate])


def check_condition(event: Event, trigger: Trigger, facts: Facts, scales: Scales | None = None) -> list[Check]:
    """What the row itself asks of an event: workspace, event key, filter, crossing."""
    workspace = event.workspace or DEFAULT_WORKSPACE
    checks = [Check("workspace", workspace == trigger.workspace, "eq", trigger.workspace, workspace)]
    if event.source == MANUAL:
        return [Check("by hand", event.type == trigger.id, "eq", trigger.id, event.type, _by_hand(event, trigger))]
    try:
        condition = parse_condition(trigger, scales)
    except InvalidTrigger as error:
        return [*checks, Check("row", False, note=f"the trigger cannot be understood: {error}")]
    if condition.watch is not None:
        return [*checks, *_check_watched(event, condition, condition.watch, facts)]
    key = check_key(condition.key, event.source, event.type)
    return [*checks, key, group("match_filter", check_clauses(condition.clauses, event.payload))]


def row_then(accepted_at: datetime, now: Trigger, before: Trigger | None) -> Trigger | None:
    """The row in force when an event was accepted; None when nobody can say.

    `before` is the row before its first change after the event, from the change records, which compaction thins out: it
    tells only when it is older than the event.
    """
    return next((row for row in (now, before) if row is not None and _is_older(row, accepted_at)), None)


def _is_older(row: Trigger, instant: datetime) -> bool:
    return row.updated_at is not None and datetime.fromisoformat(row.updated_at) <= instant


def _by_hand(event: Event, trigger: Trigger) -> str:
    return "" if event.type == trigger.id else f"the event fires trigger {event.type} by hand, and no other"


def _check_watched(event: Event, condition: Condition, watch: Watch, facts: Facts) -> list[Check]:
    if is_crossing(event, watch):
        key = check_key(condition.key, event.source, event.type)
        return [key, group("match_filter", check_clauses(condition.clauses, event.payload)), check_own(event, watch)]
    checks = check_input(event, watch)
    if group("", checks).holds:
        checks.append(_check_caused(watch, facts))
    return [group("crossing", checks)]


def _check_caused(watch: Watch, facts: Facts) -> Check:
    if facts.crossing is None and (facts.existed is False or facts.enabled is False):
        return Check("crossed", None, note="nobody watched the value for this trigger then, so whether it crossed is not known")
    if facts.crossing is None and not facts.crossings_searched:
        return Check("crossed", None, note="the crossings since then are too many to search: whether it crossed is not known")
    return check_crossed(watch, facts.crossing)


def _check_existed(facts: Facts, trigger: Trigger) -> Check:
    notes = {None: "whether the trigger was there is not known", False: f"the trigger was created later: {trigger.created_at}"}
    return Check("created", facts.existed, note=notes.get(facts.existed, ""))


def _check_enabled(facts: Facts, trigger: Trigger) -> Check:
    now = "enabled" if facts.enabled_now else "disabled"
    if facts.existed is False:
        return Check("enabled", None, note=f"it is {now} now")
    if facts.enabled is None:
        return Check("enabled", None, note=f"whether it was enabled then is not known; changed {trigger.updated_at}, {now} now")
    return Check("enabled", facts.enabled, note="" if facts.enabled else "the trigger was disabled")


HELD_BACK = {
    Status.SKIPPED: "it was skipped: ",
    Status.REFUSED: "it was refused: ",
    Status.QUEUED: "it waits for a slot",
}
"""An execution that stands so has not fired."""


def _check_gate(trigger: Trigger, facts: Facts) -> Check:
    if facts.execution is not None:
        return Check("gate", False, note=HELD_BACK[facts.execution["status"]] + (facts.execution.get("error") or ""))
    if trigger.one_shot and facts.spent_by:
        return Check("one_shot", False, note=f"the trigger fires once, and execution {facts.spent_by} was it")
    if trigger.count_threshold is not None:
        wanted = f"{trigger.count_threshold} within {trigger.window}"
        return Check("count_threshold", False, note=f"it was counted, or came too late to be: {wanted} fire, the last of them")
    if trigger.debounce is not None:
        note = f"it was gathered with others: the last before {trigger.debounce} of quiet fires, and carries them all"
        return Check("debounce", False, note=note)
    return Check("gate", False, note="the trigger was disabled or deleted in between, or the gate has not come to it yet")


def _outcome(facts: Facts, *, matches: bool | None) -> Outcome:
    if facts.execution is not None:
        return Outcome.HELD_BACK if facts.execution["status"] in HELD_BACK else Outcome.FIRED
    if facts.fired:
        return Outcome.HELD_BACK
    if matches is None:
        return Outcome.UNKNOWN
    if not matches:
        return Outcome.NO_MATCH
    return Outcome.WOULD_FIRE if facts.enabled_now else Outcome.DISABLED


def _sentence(outcome: Outcome, trigger: Trigger, facts: Facts, checks: list[Check], alive: list[Check]) -> str:
    if facts.execution is not None and outcome is Outcome.FIRED:
        error = f": {facts.execution['error']}" if facts.execution.get("error") else ""
        return f"It fired: execution {facts.execution['execution_id']} is {facts.execution['status']}{error}."
    if outcome is Outcome.HELD_BACK:
        return f"It matched, but the gate let nothing through: {_check_gate(trigger, facts).note}."
    if outcome is Outcome.NO_MATCH:
        failed = [check for check in checks if check.holds is False]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return f"It did not fire: {reason(failed[0])}{more}."
    missing = [check for check in (*checks, *alive) if check.holds is not True]
    if outcome is Outcome.UNKNOWN:
        return f"It is not recorded to have fired: {reason(missing[0])}."
    if outcome is Outcome.DISABLED:
        return "It did not fire: the trigger is disabled; had it been enabled, it would have."
    if missing:
        return f"It would fire as the trigger is now, and is not recorded to have fired then: {reason(missing[0])}."
    return "Everything it asks for holds, but no firing is recorded: the workers have not come to it, or its record expired."
