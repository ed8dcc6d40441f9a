"""What a hub is sent of a firing."""

from typing import Any

from streams.event import Event, Lineage, derived_id
from streams.execution import Dispatch, Firing
from streams.preparation import lineage_of, place_of, prepare_cancel, prepare_dispatch
from streams.trigger import Trigger


def trigger(**fields: Any) -> Trigger:
    """A row."""
    return Trigger(**{"id": "t", "name": "t", "schedule_expression": "feed:goal", "agent_id": "a", "hub_id": "h", **fields})


def firing(event: Event) -> Firing:
    """Its firing by the trigger above."""
    return Firing(derived_id("execution", "t", event.id), "t", event)


def prepared(row: Trigger, event: Event, **arguments: Any) -> Dispatch:
    """What this row asks a hub for when that event fires it."""
    one = firing(event)
    return prepare_dispatch(row, one, lineage_of(row, one), "http://here", **arguments).dispatch


EVENT = Event(source="feed", type="goal", id="e1", payload={"team": "Mexico"}, accepted_at_ms=1_781_000_000_000)


def test_a_static_instance_is_injected_and_a_template_spawns_a_fresh_one() -> None:
    """`{date}` is the event's day and `{run_id}` the execution, so that a replay names the same instance."""
    static = prepared(trigger(agent_instance_id="desk"), EVENT)
    assert (static.fresh, static.inject.agent_instance_id) == (False, "desk")
    fresh = prepared(trigger(agent_instance_id="desk-{date}-{run_id}"), EVENT)
    assert (fresh.fresh, fresh.inject.agent_instance_id) == (True, f"desk-2026-06-09-{firing(EVENT).execution_id}")
    assert prepared(trigger(), EVENT).fresh is True


def test_the_inject_carries_what_the_contract_says() -> None:
    """SPEC 7: message, seed parts in order with the payload among them, event, lineage, callback."""
    row = trigger(supervisor_message="look", extra_seed_parts=["note", {"request": {"kind": "memory"}}], model="m")
    inject = prepared(row, EVENT).inject
    assert inject.message == "look"
    assert inject.seed_parts == [{"literal": "note"}, {"request": {"kind": "memory"}}, {"literal": {"team": "Mexico"}}]
    assert inject.event["id"] == "e1"
    assert inject.lineage == Lineage("e1", ["t"], 1, inject.execution_id)
    assert inject.callback_url == f"http://here/api/v1/executions/{inject.execution_id}"
    assert inject.model == "m"


def test_lineage_goes_on_from_the_event_that_caused_it() -> None:
    """The chain grows by this trigger, the root stays."""
    event = Event(source="feed", type="goal", id="e2", lineage=Lineage("e1", ["s"], 1))
    assert prepared(trigger(), event).inject.lineage.trigger_chain == ["s", "t"]


def test_what_was_coalesced_comes_as_one_more_seed_part() -> None:
    """In order, as agents see events."""
    earlier = Event(source="feed", type="goal", id="e0", payload={"team": "Peru"}, accepted_at_ms=EVENT.accepted_at_ms)
    *_, last = prepared(trigger(), EVENT, events=[earlier, EVENT]).inject.seed_parts
    assert [event["id"] for event in last["literal"]["events"]] == ["e0", "e1"]


def test_a_cancel_goes_where_the_inject_went() -> None:
    """Under the same key, so that it comes behind it."""
    row = trigger(agent_instance_id="desk/7")
    cancel = prepare_cancel("x", "t", place_of(row, firing(EVENT)), "enough")
    assert (cancel.hub_id, cancel.inject.agent_instance_id, cancel.inject.message, cancel.cancel) == (
        "h",
        "desk/7",
        "enough",
        True,
    )
