"""What is remembered goes with the last trigger that watches, and a watch that returns starts anew."""

from itertools import pairwise
from typing import Any

import pytest

from streams.crossings.crossing import Watches
from streams.crossings.sweep import KEYS_A_BATCH
from streams.language.watch import Watch
from streams.topics import partition_of
from tests.unit.streams.detecting import HOME, SETTINGS, Process, Record, record, watch, watching

KEYED = {"field": "price", "direction": "above", "threshold": 100, "key": ["symbol"]}
ASKED = watch("stocks:spike", None, KEYED)
HELD = watch("stocks:held", None, KEYED | {"held_for": "5s"})
IMPLIED = watch("stocks:price_cross_above", {"market": "x", "price": {"gte": 100}})
CHANGE = watch("stocks:price_changed", {"market": "x"})
AWAY = next(key for key in "abcd" if partition_of(key.encode(), SETTINGS.partitions) != HOME)
"""A partition key that lies elsewhere than the source's own events."""
MANY = 2 * KEYS_A_BATCH + 10
"""Values of which a sweep takes three batches."""


def price(offset: int, value: Any, symbol: str = "A") -> Record:
    """A price that all of the watches above look at."""
    return record(offset, {"symbol": symbol, "market": "x", "price": value})


def elsewhere(offset: int, value: Any, symbol: str = "A") -> Record:
    """The same, where another key lies."""
    return record(offset, {"symbol": symbol, "price": value}, partitionkey=AWAY)


def prices(offset: int, value: Any, symbols: int = MANY) -> list[Record]:
    """The same price of many symbols."""
    return [price(offset + number, value, f"S{number}") for number in range(symbols)]


def replaced(watches: Watches, before: Watch, after: Watch) -> None:
    """A row has changed."""
    watches.remove(before)
    watches.add(after)


def test_the_last_trigger_of_a_watch_takes_what_is_remembered_along() -> None:
    """Not the first of two. It goes a few keys a batch, with a tombstone each, and the changelog holds nothing of it then."""
    watches = watching(ASKED, ASKED, IMPLIED)
    process = Process(watches)
    process.run(*prices(0, 99))
    watches.remove(ASKED)
    process.run(price(MANY, 99))
    assert len(process.places()) == MANY + 2
    watches.remove(ASKED)
    left = []
    for number in range(4):
        process.run(price(MANY + 1 + number, 99))
        left.append(len(process.places()))
    assert left[0] >= MANY + 2 - KEYS_A_BATCH
    assert left[0] > left[1] > left[2] == left[3] == 1
    assert len(dict(entry for entry in process.changelog if entry[1] is not None)) > MANY
    compacted = dict(process.changelog)
    assert [key for key, value in compacted.items() if value is not None and not key.startswith(b"\x1f")] == process.places()


def test_what_a_predecessor_left_of_watches_that_are_gone_is_forgotten() -> None:
    """The watch went while no process was there, or while another one had the partition."""
    before = Process(watching(ASKED, IMPLIED))
    before.run(*prices(0, 99, symbols=10))
    process = Process(watching(IMPLIED), before.changelog)
    assert len(process.places()) == 11
    assert [event.type for event in process.run(price(10, 100))] == ["price_cross_above"]
    assert len(process.places()) == 1


@pytest.mark.parametrize("one", [ASKED, IMPLIED, CHANGE, HELD])
@pytest.mark.parametrize("batches_between", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("others", [0, MANY])
def test_a_watch_that_returns_starts_anew(one: Watch, batches_between: int, others: int) -> None:
    """Before, while and after its keys are swept, its first value sets the side; what crosses after that is told."""
    bystander = watch("stocks:bystander", None, KEYED)
    watches = watching(one, bystander)
    process = Process(watches)
    process.run(*prices(0, 99, symbols=others), price(others, 99))
    watches.remove(one)
    offset = others + 1
    for _ in range(batches_between):
        process.run(price(offset, 99, "other"))
        offset += 1
    watches.add(one)
    events = [process.run(price(offset + number, value)) for number, value in enumerate((101, 102, 99, 100))]
    events += [process.run(price(offset + 4 + number, 103)) for number in range(8)]
    told = [event.caused_by for batch in events for event in batch if event.watch == one.id]
    first_value_set_the_side = [f"e{offset + n}" for n in ((1, 2, 3, 4) if one is CHANGE else (3,))]
    assert told == first_value_set_the_side
    assert [event.caused_by for batch in events for event in batch if event.watch == bystander.id] == [
        f"e{offset}",
        f"e{offset + 3}",
    ]


def test_a_watch_that_leaves_and_returns_behind_a_sweep_starts_anew() -> None:
    """Its key was looked at while it was still there: the sweep that is under way does not find it, and the next one does."""
    watches = watching(IMPLIED, ASKED, HELD)
    process = Process(watches)
    process.run(price(0, 99), *prices(1, 99))
    watches.remove(ASKED)
    process.run(price(MANY + 1, 99))
    replaced(watches, IMPLIED, IMPLIED)
    for number in range(5):
        process.run(record(MANY + 2 + number, {}))
    assert process.run(price(MANY + 10, 101)) == []
    assert [event.watch for event in process.run(price(MANY + 11, 99), price(MANY + 12, 100))] == [IMPLIED.id]


def test_what_waited_in_an_earlier_life_is_never_told() -> None:
    """Neither while the watch is away nor after its return."""
    watches = watching(HELD, IMPLIED)
    process = Process(watches)
    process.run(*prices(0, 99), price(MANY, 99, "B"))
    process.run(price(MANY + 1, 100, "B"))
    watches.remove(HELD)
    watches.add(HELD)
    assert [event.type for event in process.run(price(MANY + 20, 50))] == []
    watches.remove(HELD)
    for number in range(6):
        assert process.run(price(MANY + 40 + number, 50)) == []
    assert Process(watching(HELD), process.changelog).run(price(MANY + 60, 50)) == []
    assert not [place for place in process.table.partition(0) if place.startswith(b"\x1fpending")]


def test_a_watch_that_others_replace_in_turn_never_loses_a_crossing() -> None:
    """While rows come and go all the time, a watch that stays is told of every crossing."""
    watches = watching(IMPLIED, ASKED)
    process = Process(watches)
    crossed = []
    rounds = [watch("stocks:w", None, KEYED | {"threshold": 200 + number}) for number in range(12)]
    watches.add(rounds[0])
    offset = 0
    for before, after in pairwise(rounds):
        for value in (99, 100):
            crossed += process.run(*prices(offset, value, symbols=300))
            offset += 300
        replaced(watches, before, after)
    assert len([event for event in crossed if event.watch == ASKED.id]) == 300 * 11
    assert len([event for event in crossed if event.watch == IMPLIED.id]) == 11
    for number in range(5):
        process.run(price(offset + number, 99))
    assert len(process.places()) == 300 + 1 + 1 + 1


def test_a_watch_starts_anew_in_every_partition() -> None:
    """Also where its first value comes late, when another partition has long been swept."""
    watches = watching(ASKED)
    process = Process(watches)
    process.run(price(0, 1))
    process.judge([elsewhere(number, 1, f"S{number}") for number in range(MANY)], partition=1 - HOME)
    process.judge([elsewhere(MANY, 99)], partition=1 - HOME)
    replaced(watches, ASKED, ASKED)
    process.judge([elsewhere(MANY + 1, 1, "other")], partition=1 - HOME)
    for number in range(6):
        process.run(price(1 + number, 1))
    late = process.judge([elsewhere(MANY + 2, 101)], partition=1 - HOME)
    assert not late.outputs.records


def test_a_watch_looks_no_closer_than_it_must_once_all_is_swept() -> None:
    """A watch that has returned is as fast as ever when nothing of its earlier life can be left."""
    watches = watching(IMPLIED)
    process = Process(watches)
    process.run(price(0, 99))
    replaced(watches, IMPLIED, IMPLIED)
    for number in range(4):
        process.run(price(1 + number, 99))
    (look,) = watches.looks["stocks"]
    _, (watched,) = look.find({"market": "x", "price": 1})
    assert watched.compare(100, 100) is True
