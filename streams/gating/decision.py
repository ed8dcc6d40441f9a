"""Whether a firing fires now, waits, or does not: its key's state and its trigger's policy decide. Pure."""

from bisect import insort
from typing import NamedTuple

from msgspec.structs import replace

from streams.gating.rate import passed_after
from streams.gating.state import Gate, Slot
from streams.gating.verdict import Verdict
from streams.language.policy import Policy, Rate

LARGEST_GATHERING = 1_000
LARGEST_GATHERING_BYTES = 1024 * 1024
"""What a debounce gathers at most: a window that is fuller closes at once, so that one dispatch can carry it."""


class Arrival(NamedTuple):
    """A firing as it comes: when its event happened, when it came here (Unix milliseconds), what it weighs, where it goes."""

    execution_id: str
    event_ms: int
    now_ms: int
    size_bytes: int
    place: str
    queue_limit: int


class Decision(NamedTuple):
    """What becomes of it, the state after, and the reason when it does not fire."""

    verdict: Verdict
    gate: Gate
    reason: str | None = None


def decide(gate: Gate, policy: Policy, arrival: Arrival) -> Decision:
    """A firing arrives: it is counted, then gathered, then admitted, as far as its trigger asks for each."""
    if policy.threshold is not None:
        counted = _count(gate, policy.threshold, arrival)
        if counted.verdict is not Verdict.FIRED:
            return counted
        gate = counted.gate
    if policy.debounce_ms is not None:
        return Decision(Verdict.COALESCED, _gather(gate, policy.debounce_ms, arrival))
    return admit(gate, policy, arrival)


def admit(gate: Gate, policy: Policy, arrival: Arrival) -> Decision:
    """A firing that nothing keeps from firing but the others: it takes a slot, waits for one, or has none."""
    active, waiting = len(gate.active), gate.queue_tail - gate.queue_head
    full = policy.slots is not None and active >= policy.slots
    if full and not policy.queues:
        return Decision(Verdict.SKIPPED, gate, f"{active} of {policy.slots} executions are active")
    if (full or waiting) and waiting >= arrival.queue_limit:
        return Decision(Verdict.REFUSED, gate, f"{waiting} firings wait already, and {arrival.queue_limit} is the limit")
    if policy.rate is not None:
        passed = passed_after(gate.passed, policy.rate, arrival.now_ms)
        if passed is None:
            return Decision(Verdict.SKIPPED, gate, f"{policy.rate.limit} fired within {policy.rate.window_ms} ms")
        gate = replace(gate, passed=passed)
    if full or waiting:
        return Decision(Verdict.QUEUED, replace(gate, queue_tail=gate.queue_tail + 1))
    return Decision(Verdict.FIRED, take_slot(gate, policy, arrival.execution_id, arrival.place))


def take_slot(gate: Gate, policy: Policy, execution_id: str, place: str) -> Gate:
    """The state with this execution active, when somebody has to know when it ends."""
    if not policy.holds_slots:
        return gate
    return replace(gate, active=gate.active | {execution_id: Slot(place)})


def hear_of(gate: Gate, policy: Policy, execution_id: str, now_ms: int) -> Gate:
    """An active execution gave a sign of life: its time begins anew."""
    slot = gate.active.get(execution_id)
    if slot is None or policy.timeout_ms is None:
        return gate
    return replace(gate, active=gate.active | {execution_id: Slot(slot.place, now_ms + policy.timeout_ms)})


def free_slot(gate: Gate, execution_id: str) -> Gate:
    """The state without this execution."""
    return replace(gate, active={one: slot for one, slot in gate.active.items() if one != execution_id})


def timed_out(gate: Gate, now_ms: int) -> list[str]:
    """The active executions whose time is over."""
    return [execution_id for execution_id, slot in gate.active.items() if 0 < slot.deadline_ms <= now_ms]


def has_room(gate: Gate, policy: Policy) -> bool:
    """Whether the first of those that wait may fire."""
    return gate.queue_head < gate.queue_tail and (policy.slots is None or len(gate.active) < policy.slots)


def _count(gate: Gate, threshold: Rate, arrival: Arrival) -> Decision:
    """By event time: what is older than the window before the newest match is late, and counts for nothing."""
    newest_ms = max(gate.newest_match_ms, arrival.event_ms)
    horizon_ms = newest_ms - threshold.window_ms
    if arrival.event_ms <= horizon_ms:
        return Decision(Verdict.LATE, gate, f"is older than the window, which ends at {newest_ms}")
    matches = [match_ms for match_ms in gate.matches if match_ms > horizon_ms]
    insort(matches, arrival.event_ms)
    if len(matches) < threshold.limit:
        return Decision(Verdict.COUNTED, replace(gate, matches=matches, newest_match_ms=newest_ms))
    return Decision(Verdict.FIRED, replace(gate, matches=[], newest_match_ms=newest_ms))


def _gather(gate: Gate, debounce_ms: int, arrival: Arrival) -> Gate:
    tail = gate.gathered_tail + 1
    size_bytes = gate.gathered_bytes + arrival.size_bytes
    full = tail - gate.gathered_head >= LARGEST_GATHERING or size_bytes >= LARGEST_GATHERING_BYTES
    due_ms = arrival.now_ms + (0 if full else debounce_ms)
    return replace(gate, gathered_tail=tail, gathered_bytes=size_bytes, gathered_due_ms=due_ms)
