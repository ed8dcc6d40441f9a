"""What waits: firings in a queue for a slot, firings gathered for quiet, and active executions for their time to be over."""

import msgspec
import structlog
from msgspec.structs import replace

from streams.engine.batch import Record
from streams.event import Event
from streams.execution import Firing, Status, Told, decode_firing, encode
from streams.gating.books import gathered_place, queued_place
from streams.gating.case import Case, Sitting, workspace_of
from streams.gating.decision import free_slot, has_room, take_slot, timed_out
from streams.gating.effects import Effects
from streams.gating.state import Gate, Waiting
from streams.language.policy import Policy
from streams.preparation import place_of
from streams.trigger import Trigger

log = structlog.get_logger()

GONE = "the trigger was deleted while this firing waited"
DISABLED = "the trigger was disabled while this firing waited"


def put_queued(case: Case, gate: Gate) -> None:
    """The firing waits for a slot, as the last one that this state counts."""
    case.sitting.books.put_waiting(queued_place(case.slot, gate.queue_tail - 1), _waiting(case))


def put_gathered(case: Case, gate: Gate) -> None:
    """The firing waits for quiet, as the last one that this state counts."""
    case.sitting.books.put_waiting(gathered_place(case.slot, gate.gathered_tail - 1), _waiting(case))


def take_gathered(sitting: Sitting, told: Told, gate: Gate) -> tuple[Gate, list[Firing]]:
    """All that was gathered, in order; the state counts none of it any more."""
    places = [gathered_place(told.slot, number) for number in range(gate.gathered_head, gate.gathered_tail)]
    sitting.care.outdated += places
    firings = [decode_firing(one.firing) for place in places if (one := sitting.books.waiting(place)) is not None]
    return replace(gate, gathered_head=gate.gathered_tail, gathered_bytes=0, gathered_due_ms=0), firings


def end_overdue(sitting: Sitting, record: Record, told: Told, gate: Gate, effects: Effects) -> Gate:
    """Executions of which nothing was heard for too long are timed out, and their hubs told."""
    for execution_id in timed_out(gate, record.timestamp):
        reason = "its time is over: nothing was heard of it for timeout_seconds"
        effects.time_out(sitting, told.trigger_id, execution_id, reason, record.timestamp)
        effects.cancel(sitting, told.trigger_id, execution_id, gate.active[execution_id].place, reason)
        gate = free_slot(gate, execution_id)
    return gate


def end(sitting: Sitting, told: Told, gate: Gate, effects: Effects) -> Gate:
    """An execution is over. One that was cancelled while it waited will not fire when its turn comes."""
    slot = gate.active.get(told.execution_id)
    if slot is not None:
        if told.status is Status.CANCELLED:
            effects.cancel(sitting, told.trigger_id, told.execution_id, slot.place, "it was cancelled")
        return free_slot(gate, told.execution_id)
    for number in range(gate.queue_head, gate.queue_tail):
        place = queued_place(told.slot, number)
        waiting = sitting.books.waiting(place)
        if waiting is not None and waiting.execution_id == told.execution_id:
            sitting.books.put_waiting(place, replace(waiting, cancelled=True))
            break
    return gate


def advance(
    sitting: Sitting, record: Record, told: Told, gate: Gate, trigger: Trigger | None, policy: Policy, effects: Effects
) -> Gate:
    """Whoever waits and finds a slot fires, in order."""
    while has_room(gate, policy):
        place = queued_place(told.slot, gate.queue_head)
        waiting = sitting.books.waiting(place)
        gate = replace(gate, queue_head=gate.queue_head + 1)
        sitting.care.outdated.append(place)
        if waiting is None:
            log.error("waiting_firing_lost", slot=told.slot, number=gate.queue_head - 1)
            continue
        firing = decode_firing(waiting.firing)
        workspace = workspace_of(trigger, firing)
        if waiting.cancelled:
            sitting.page.note(record, workspace, "withdrawn")
            continue
        if trigger is None or not (trigger.enabled or trigger.one_shot):
            reason = GONE if trigger is None else DISABLED
            effects.turn_away(sitting, firing, workspace, Status.SKIPPED, reason, record.timestamp)
            sitting.page.note(record, workspace, "withdrawn")
            continue
        events = [msgspec.json.decode(event, type=Event) for event in waiting.events]
        case = Case(sitting, record, trigger, policy, firing, told.slot, events)
        if effects.fire(case, began_ms=record.timestamp):
            gate = take_slot(gate, policy, firing.execution_id, place_of(trigger, firing))
            sitting.page.note(record, workspace, "taken")
        else:
            sitting.page.note(record, workspace, "withdrawn")
    return gate


def _waiting(case: Case) -> Waiting:
    events = [msgspec.Raw(encode(event)) for event in case.events]
    return Waiting(case.record.offset, case.firing.execution_id, msgspec.Raw(encode(case.firing)), events)
