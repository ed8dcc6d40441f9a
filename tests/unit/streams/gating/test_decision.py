"""Each policy as a table: (state, input) to (decision, state)."""

from typing import Any

import pytest
from msgspec.structs import replace

from streams.gating.decision import LARGEST_GATHERING, Arrival, decide, free_slot, has_room, hear_of, timed_out
from streams.gating.state import Gate, Slot
from streams.gating.verdict import Verdict
from streams.language.policy import PLAIN, Policy, Rate

NOW = 1_000_000
ARRIVAL = Arrival("x", event_ms=NOW, now_ms=NOW, size_bytes=100, place="h/desk", queue_limit=2)
TWO = {"p": Slot("h/desk"), "q": Slot("h/desk")}


def gate(**fields: Any) -> Gate:
    """A key's state."""
    return Gate(offset=1, **fields)


def policy(**asks: Any) -> Policy:
    """A policy that asks for this alone."""
    return PLAIN._replace(**asks)


@pytest.mark.parametrize(
    ("before", "asks", "verdict", "after"),
    [
        # slots: what finds one takes it
        (gate(), policy(slots=1), Verdict.FIRED, {"active": {"x": Slot("h/desk")}}),
        (gate(active=TWO), policy(slots=3), Verdict.FIRED, {"active": TWO | {"x": Slot("h/desk")}}),
        # and what finds none is skipped, or waits while there is room to wait
        (gate(active=TWO), policy(slots=2), Verdict.SKIPPED, {}),
        (gate(active=TWO), policy(slots=2, queues=True), Verdict.QUEUED, {"queue_tail": 1}),
        (gate(active=TWO, queue_head=4, queue_tail=6), policy(slots=2, queues=True), Verdict.REFUSED, {}),
        # nobody overtakes those that wait
        (gate(queue_tail=1), policy(slots=1, queues=True), Verdict.QUEUED, {"queue_tail": 2}),
        (gate(queue_tail=1), PLAIN, Verdict.QUEUED, {"queue_tail": 2}),
        # a time-out alone needs to know who is active, and holds nobody up
        (gate(active=TWO), policy(timeout_ms=5), Verdict.FIRED, {"active": TWO | {"x": Slot("h/desk")}}),
        # count: below the threshold, at it, too late, and counted by event time
        (gate(), policy(threshold=Rate(2, 100)), Verdict.COUNTED, {"matches": [NOW], "newest_match_ms": NOW}),
        (
            gate(matches=[NOW - 50], newest_match_ms=NOW - 50),
            policy(threshold=Rate(2, 100)),
            Verdict.FIRED,
            {"matches": [], "newest_match_ms": NOW},
        ),
        (
            gate(matches=[NOW - 100], newest_match_ms=NOW - 100),
            policy(threshold=Rate(2, 100)),
            Verdict.COUNTED,
            {"matches": [NOW], "newest_match_ms": NOW},
        ),
        (gate(newest_match_ms=NOW + 100), policy(threshold=Rate(2, 100)), Verdict.LATE, {}),
        (
            gate(matches=[NOW + 50], newest_match_ms=NOW + 50),
            policy(threshold=Rate(3, 100)),
            Verdict.COUNTED,
            {"matches": [NOW, NOW + 50], "newest_match_ms": NOW + 50},
        ),
        # debounce: each one puts the end off; a window that is full ends at once
        (
            gate(gathered_head=3, gathered_tail=4, gathered_bytes=7, gathered_due_ms=NOW + 1),
            policy(debounce_ms=30),
            Verdict.COALESCED,
            {"gathered_tail": 5, "gathered_bytes": 107, "gathered_due_ms": NOW + 30},
        ),
        (
            gate(gathered_tail=LARGEST_GATHERING - 1),
            policy(debounce_ms=30),
            Verdict.COALESCED,
            {"gathered_tail": LARGEST_GATHERING, "gathered_bytes": 100, "gathered_due_ms": NOW},
        ),
        # rate: what is skipped for want of a slot does not count
        (gate(passed=[(NOW, 1)]), policy(rate=Rate(1, 60)), Verdict.SKIPPED, {}),
        (gate(active=TWO), policy(slots=2, rate=Rate(1, 60)), Verdict.SKIPPED, {}),
        (gate(), policy(rate=Rate(1, 60)), Verdict.FIRED, {"passed": [(NOW, 1)]}),
        # threshold first, then debounce
        (gate(), policy(threshold=Rate(2, 100), debounce_ms=30), Verdict.COUNTED, {"matches": [NOW], "newest_match_ms": NOW}),
    ],
)
def test_a_firing_is_decided_by_state_and_policy(before: Gate, asks: Policy, verdict: Verdict, after: dict[str, Any]) -> None:
    """The state after is the state before, but for what is named."""
    decision = decide(before, asks, ARRIVAL)
    assert (decision.verdict, decision.gate) == (verdict, replace(before, **after))
    assert (decision.reason is None) == (verdict not in (Verdict.SKIPPED, Verdict.REFUSED, Verdict.LATE))


def test_a_sign_of_life_begins_the_time_anew_and_silence_ends_it() -> None:
    """Before the first sign, while the inject is under way, no time runs; and who is over is not heard."""
    timed = policy(timeout_ms=50)
    before = gate(active=TWO)
    assert timed_out(before, NOW) == []
    heard = hear_of(before, timed, "p", NOW)
    assert (timed_out(heard, NOW + 49), timed_out(heard, NOW + 50)) == ([], ["p"])
    assert heard.due_ms == NOW + 50
    assert timed_out(hear_of(heard, timed, "p", NOW + 10), NOW + 50) == []
    assert hear_of(before, timed, "nobody", NOW) is before
    assert free_slot(heard, "p").active == {"q": TWO["q"]}


def test_who_waits_has_room_when_a_slot_is_free() -> None:
    """Or when the trigger asks for none any more."""
    waits = gate(active=TWO, queue_tail=1)
    assert not has_room(waits, policy(slots=2, queues=True))
    assert has_room(waits, policy(slots=3, queues=True))
    assert has_room(waits, PLAIN)
    assert not has_room(gate(), PLAIN)
