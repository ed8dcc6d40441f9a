"""The gate's rules as tables: (row, state) to verdict; and what the hub is then sent."""

from typing import Any

import pytest

from streams.admission import Gate, Seen, Verdict, judge_firing, prepare_dispatch
from streams.event import Event, Lineage, derived_id
from streams.execution import Firing
from streams.trigger import Trigger


def trigger(**fields: Any) -> Trigger:
    """A row."""
    return Trigger(**{"id": "t", "name": "t", "schedule_expression": "feed:goal", "agent_id": "a", "hub_id": "h", **fields})


def firing(event: Event) -> Firing:
    """Its firing by the trigger above."""
    return Firing(derived_id("execution", "t", event.id), "t", event)


@pytest.mark.parametrize(
    ("row", "gate", "seen", "verdict"),
    [
        (trigger(), None, None, Verdict.FIRED),
        (trigger(), None, Seen(offset=3), Verdict.REPEATED),
        (None, None, None, Verdict.GONE),
        (trigger(enabled=False), None, None, Verdict.DISABLED),
        (trigger(one_shot=True), None, None, Verdict.FIRED),
        (trigger(one_shot=True), Gate(offset=1, spent_generation=1), None, Verdict.SPENT),
        (trigger(one_shot=True, generation=2), Gate(offset=1, spent_generation=1), None, Verdict.FIRED),
        (trigger(generation=1), Gate(offset=1, spent_generation=1), None, Verdict.FIRED),
    ],
)
def test_a_firing_gets_one_verdict(row: Trigger | None, gate: Gate | None, seen: Seen | None, verdict: Verdict) -> None:
    """A one-shot that was enabled again may fire again; an id that went through never does."""
    assert judge_firing(row, gate, seen) is verdict


EVENT = Event(source="feed", type="goal", id="e1", payload={"team": "Mexico"}, accepted_at_ms=1_781_000_000_000)


def test_a_static_instance_is_injected_and_a_template_spawns_a_fresh_one() -> None:
    """`{date}` is the event's day and `{run_id}` the execution, so that a replay names the same instance."""
    static = prepare_dispatch(trigger(agent_instance_id="desk"), firing(EVENT), "http://here")
    assert (static.fresh, static.inject.agent_instance_id) == (False, "desk")
    fresh = prepare_dispatch(trigger(agent_instance_id="desk-{date}-{run_id}"), firing(EVENT), "http://here")
    assert (fresh.fresh, fresh.inject.agent_instance_id) == (True, f"desk-2026-06-09-{firing(EVENT).execution_id}")
    assert prepare_dispatch(trigger(), firing(EVENT), "http://here").fresh is True


def test_the_inject_carries_what_the_contract_says() -> None:
    """SPEC 7: message, seed parts in order with the payload among them, event, lineage, callback."""
    row = trigger(supervisor_message="look", extra_seed_parts=["note", {"request": {"kind": "memory"}}], model="m")
    inject = prepare_dispatch(row, firing(EVENT), "http://here").inject
    assert inject.message == "look"
    assert inject.seed_parts == [{"literal": "note"}, {"request": {"kind": "memory"}}, {"literal": {"team": "Mexico"}}]
    assert inject.event["id"] == "e1"
    assert inject.lineage == Lineage("e1", ["t"], 1)
    assert inject.callback_url == f"http://here/api/v1/executions/{inject.execution_id}"
    assert inject.model == "m"


def test_lineage_goes_on_from_the_event_that_caused_it() -> None:
    """The chain grows by this trigger, the root stays."""
    event = Event(source="feed", type="goal", id="e2", lineage=Lineage("e1", ["s"], 1))
    assert prepare_dispatch(trigger(), firing(event), "").inject.lineage == Lineage("e1", ["s", "t"], 2)
