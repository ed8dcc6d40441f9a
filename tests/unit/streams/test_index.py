"""The index: the same answer as asking every trigger, whatever was added and removed before."""

import random
from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.event import Event
from streams.filter import compile_filter, parse_filter
from streams.index import Index
from streams.trigger import Trigger


def trigger(number: int, expression: str = "feed:goal", **fields: Any) -> Trigger:
    """A row with the fields that matter to the index."""
    return Trigger(id=f"t{number}", name=f"t{number}", schedule_expression=expression, agent_id="agent", hub_id="hub", **fields)


def test_the_index_agrees_with_asking_every_trigger() -> None:
    """Random rows, random events, rows replaced and removed on the way."""
    chance = random.Random(7)
    index = Index()
    rows: dict[str, Trigger] = {}
    values: list[Any] = ["a", "b", 1, 1.0, True, None, 2]
    for step in range(2000):
        number = chance.randrange(200)
        if chance.random() < 0.2:
            index.remove(f"t{number}")
            rows.pop(f"t{number}", None)
        else:
            match_filter: dict[str, Any] = {}
            for field in chance.sample(["x", "y", "z"], chance.randrange(3)):
                choice = chance.random()
                match_filter[field] = (
                    chance.choice(values)
                    if choice < 0.6
                    else {chance.choice(["gt", "lte"]): chance.randrange(3)}
                    if choice < 0.8
                    else {"in": chance.sample(values, 2)}
                )
            rows[f"t{number}"] = trigger(number, chance.choice(["feed:goal", "feed:card"]), match_filter=match_filter)
            index.add(rows[f"t{number}"])
        payload = {field: chance.choice(values) for field in ("x", "y", "z") if chance.random() < 0.8}
        event = Event(source="feed", type=chance.choice(["goal", "card"]), payload=payload)
        expected = {
            row.id
            for row in rows.values()
            if row.schedule_expression == f"feed:{event.type}" and compile_filter(parse_filter(row.match_filter))(payload)
        }
        assert set(index.matches(event)) == expected, f"at step {step}"


def test_a_crossing_concerns_only_those_who_asked_for_it() -> None:
    """Crossing 100 does not fire the one who asked for 90, though 100.3 is above 90 too."""
    index = Index()
    watches = {}
    for number, threshold in enumerate((90, 100)):
        row = trigger(number, "stocks:price_cross_above", match_filter={"symbol": "AAPL", "price": {"gte": threshold}})
        watches[threshold] = index.add(row).watch
    assert watches[100] is not None
    payload = {"symbol": "AAPL", "threshold": 100, "price": 100.3}
    event = Event(source="stocks", type="price_cross_above", payload=payload, watch=watches[100].id)
    assert list(index.matches(event)) == ["t1"]


def test_nothing_remains_of_removed_triggers() -> None:
    """Changing one row costs one row, and an empty index holds nothing."""
    index = Index()
    for number in range(10):
        index.add(trigger(number, match_filter={"x": number % 3}))
    for number in range(10):
        assert index.remove(f"t{number}") is not None
    assert (index.conditions, index._by_key, index._by_watch) == ({}, {}, {})


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"expression": "goal"}, "schedule_expression"),
        ({"expression": "feed:"}, "schedule_expression"),
        ({"expression": "feed:*"}, "schedule_expression"),
        ({"schedule_type": "cron"}, "schedule_type"),
        ({"agent_instance_id": "x-{when}"}, "agent_instance_id"),
        ({"match_filter": {"x": {"near": 1}}}, "match_filter.x.near"),
    ],
)
def test_an_invalid_trigger_is_refused_and_leaves_the_index_as_it_was(fields: dict[str, Any], path: str) -> None:
    """The error names the field; the row that was there before stays in force."""
    index = Index()
    index.add(trigger(1))
    with pytest.raises(InvalidTrigger) as refused:
        index.add(trigger(1, **fields))
    assert refused.value.path == path
    assert list(index.matches(Event(source="feed", type="goal"))) == ["t1"]


def test_a_bound_event_reaches_its_own_workspace_only() -> None:
    """An event that belongs to a workspace matches that workspace's triggers alone."""
    index = Index()
    index.add(trigger(1, workspace="ours"))
    index.add(trigger(2, workspace="theirs"))
    assert list(index.matches(Event(source="feed", type="goal", workspace="ours"))) == ["t1"]
    assert list(index.matches(Event(source="feed", type="goal"))) == ["t1", "t2"]
