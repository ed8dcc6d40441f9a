"""detect on batches of records: no crossing lost, none twice, whatever happens to the process between them."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from streams.event import Event, Lineage, decode_event, derived_id
from streams.language.watch import ANY_CHANGE, Watch
from streams.lineage import is_genuine, signed
from tests.unit.streams.detecting import Process, Record, crossings, record, states, watch, watching

PRICE = {"field": "price", "direction": "above", "threshold": 100}


def spike(**crossing: Any) -> Watch:
    """A watch that a `crossing` object asks for."""
    return watch("stocks:spike", None, PRICE | crossing)


def prices(*given: Any) -> list[Record]:
    """One event a price."""
    return [record(offset, {"price": price}) for offset, price in enumerate(given)]


def told(events: list[Event]) -> list[Any]:
    """The prices at which there were crossings."""
    return [event.payload["price"] for event in events]


@pytest.mark.parametrize(
    ("asked", "walk", "expected"),
    [
        (watch("stocks:price_cross_above", {"price": {"gte": 100}}), [101, 99, 100, 101, 90, 100.3, 100], [100, 100.3]),
        (watch("stocks:price_cross_above", {"price": {"gt": 100}}), [99, 100, 101, 100, 100.1], [101, 100.1]),
        (watch("stocks:price_cross_below", {"price": {"lte": 100}}), [99, 101, 100, 90, 101, 99], [100, 99]),
        (watch("stocks:price_cross_above", {"price": {"gte": 2**53 + 1}}), [0, 2**53, 2**53 + 1], [2**53 + 1]),
        (watch("stocks:price_changed"), [1, 1.0, 2, 2, "2", None, None, [1], True, 1], [2, "2", None, True, 1]),
        (spike(), [99, "100", True, None, 100, 99.9, 100], [100, 100]),
        (spike(hysteresis=0.5), [99, 100, 99.5, 100, 99.4, 99.9, 100, 101], [100, 100]),
        (spike(hysteresis=0.5), [99.7, 100, 99.5, 100], [100]),
        (spike(hysteresis=0.5, direction="below"), [101, 100, 100.5, 100, 100.6, 100.1, 100], [100, 100]),
        (spike(direction="both"), [99, 100, 101, 99.9, 100], [100, 99.9, 100]),
        (spike(direction="both", hysteresis=0.5), [99, 100, 99.5, 100, 99.4, 99.9, 100], [100, 99.4, 100]),
        (watch("stocks:*", None, {"field": "price", "direction": "changed"}), [1, 2, 2, 1], [2, 1]),
    ],
)
def test_values_cross(asked: Watch, walk: list[Any], expected: list[Any]) -> None:
    """In one batch and in one batch a value; the first value sets the side, and what is no value changes nothing."""
    assert told(Process(watching(asked)).run(*prices(*walk))) == expected
    process = Process(watching(asked))
    assert told([crossing for one in prices(*walk) for crossing in process.run(one)]) == expected


def test_a_change_tells_what_was_before() -> None:
    """Null counts as a value."""
    process = Process(watching(watch("stocks:price_changed")))
    changes = process.run(*prices(None, 5, None))
    assert [change.payload for change in changes] == [{"previous": None, "price": 5}, {"previous": 5, "price": None}]


def test_each_combination_of_the_keys_values_is_a_value_of_its_own() -> None:
    """And an event that lacks one shows none."""
    process = Process(watching(spike(key=["symbol", "venue"])))
    payloads = [
        {"symbol": symbol, "venue": venue, "price": price}
        for price in (99, 100)
        for symbol, venue in (("AAPL", "X"), ("AAPL", "Y"), ("MSFT", "X"))
    ]
    events = process.run(*(record(n, payload) for n, payload in enumerate([*payloads, {"symbol": "AAPL", "price": 101}])))
    assert [(event.payload["symbol"], event.payload["venue"]) for event in events] == [
        ("AAPL", "X"),
        ("AAPL", "Y"),
        ("MSFT", "X"),
    ]


def test_a_watch_of_one_type_is_moved_by_no_other() -> None:
    """Trades between two quotes are not there."""
    process = Process(watching(spike(type="quote")))
    walk = [record(0, {"price": 99}), record(1, {"price": 101}, type="trade"), record(2, {"price": 100})]
    assert [event.caused_by for event in process.run(*walk)] == ["e2"]


def test_two_workspaces_never_share_a_value() -> None:
    """The same watch in each: an event moves its own workspace's, and one without a workspace moves that of default."""
    both = [watch("stocks:spike", None, PRICE, workspace=name) for name in ("ours", "default")]
    process = Process(watching(*both))
    walk = [
        record(0, {"price": 99}, workspace="ours"),
        record(1, {"price": 99}),
        record(2, {"price": 100}, workspace="ours"),
        record(3, {"price": 100}, workspace="theirs"),
        record(4, {"price": 101}),
    ]
    assert [(event.workspace, event.caused_by) for event in process.run(*walk)] == [("ours", "e2"), ("default", "e4")]


def test_an_event_that_is_sent_again_is_no_news() -> None:
    """Behind newer ones its value would jump back and cross again; the record itself, read again, is judged as before."""
    process = Process(watching(spike()))
    walk = prices(99, 100)
    assert told(process.run(*walk)) == [100]
    assert told(process.run(record(2, {"price": 99}, id="e0"), record(3, {"price": 101}))) == []
    assert told(process.run(*walk)) == []


@pytest.mark.parametrize("held_for", [None, "30s"])
def test_a_crossing_carries_on_the_lineage_of_the_event_that_crossed(held_for: str | None) -> None:
    """Signature and all, so that a cascade keeps its depth through it; also one that was held while the process was killed."""
    lineage = signed(Lineage("root", ["t"], 1, "x"), "default", b"key")
    other = signed(Lineage("another", ["t", "t"], 2, "y"), "default", b"key")
    process = Process(watching(spike(held_for=held_for) if held_for else spike()))
    crossings = process.run(record(0, {"price": 99}), record(1, {"price": 100}, lineage=lineage))
    process = Process(watching(spike(held_for=held_for) if held_for else spike()), process.changelog)
    crossings += process.run(record(40, {"price": 101}, lineage=other))
    assert [(event.caused_by, event.lineage) for event in crossings] == [("e1", lineage)]
    assert is_genuine(lineage, crossings[0].workspace, b"key")


# --- held_for: an event's own time, unless a test says otherwise, is when it was recorded: offset * 1 s


def moments(process: Process, *events: tuple[int, Any]) -> list[tuple[int, Any]]:
    """Judge these prices, each at its second, under the next offset; the crossings, by the second at which they were told."""
    found = []
    for number, (second, price) in enumerate(events):
        payload = {"other": 1} if price is None else {"price": price}
        found += [(second, event.payload["price"]) for event in process.run(record(number, payload, second * 1_000))]
    return found


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(0, 99), (10, 100), (39, 101), (40, 102), (90, 103)], [(40, 100)]),
        ([(0, 99), (10, 100), (39, 99), (41, 99)], []),
        ([(0, 99), (10, 100), (20, 99), (30, 100.5), (50, 101), (60, 101)], [(60, 100.5)]),
        ([(0, 99), (10, 100), (50, 99)], [(50, 100)]),
        ([(0, 99), (10, 100), (39, None), (40, None), (41, None)], [(40, 100)]),
        ([(0, 99), (10, 100), (20, 99), (40, None)], []),
        ([(0, 100), (90, 101)], []),
        ([(0, 99), (10, 100), (40, None), (50, 99), (60, 100), (90, None)], [(40, 100), (90, 100)]),
        ([(0, 99), (10, 100), (9, 99), (40, None)], [(40, 100)]),
        ([(0, 99), (10, 100), (10, 99), (40, None)], []),
    ],
)
def test_a_crossing_is_told_once_it_has_been_held(events: list[tuple[int, Any]], expected: list[tuple[int, Any]]) -> None:
    """By the value's own next event, or by any event of the partition; never by one that comes late."""
    assert moments(Process(watching(spike(held_for="30s"))), *events) == expected


def test_both_ways_each_has_to_be_held() -> None:
    """A dip that is too short is no crossing, and neither is the return from it."""
    process = Process(watching(spike(held_for="30s", direction="both")))
    walk = [(0, 99), (10, 100), (40, None), (50, 99), (60, 100), (100, None), (110, 98), (150, None)]
    assert moments(process, *walk) == [(40, 100), (150, 98)]


def test_a_held_crossing_tells_since_when() -> None:
    """It is the event that crossed which is told of, and the id follows from it."""
    held = spike(held_for="30s")
    (crossing,) = Process(watching(held)).run(*(record(n, {"price": 99 + n}, n * 20_000) for n in range(4)))
    assert crossing.caused_by == "e1"
    assert crossing.id == derived_id("crossing", held.id, "e1")
    assert crossing.payload == {
        "threshold": 100,
        "price": 100,
        "direction": "above",
        "held_for_seconds": 30,
        "since": "1970-01-01T00:00:20.000Z",
    }


def test_time_is_what_events_say() -> None:
    """A feed that tells its own time is judged by that, whenever its events arrive."""
    process = Process(watching(spike(held_for="30s")))
    times = [("12:00:00", 99), ("12:00:10", 100), ("12:00:41", 101)]
    walk = [record(n, {"price": price}, time=f"2026-06-11T{time}Z") for n, (time, price) in enumerate(times)]
    assert [event.payload["since"] for event in process.run(*walk)] == ["2026-06-11T12:00:10.000Z"]


def test_an_event_of_the_future_passes_nobody_elses_time() -> None:
    """It counts with the time at which it was recorded."""
    process = Process(watching(spike(held_for="30s")))
    walk = [
        record(0, {"price": 99}, 0),
        record(1, {"price": 100}, 10_000),
        record(2, {}, 20_000, time="2099-01-01T00:00:00Z", source="elsewhere", partitionkey="stocks"),
        record(3, {"price": 99}, 30_000),
        record(4, {}, 99_000),
    ]
    assert process.run(*walk) == []


def test_a_feed_that_is_behind_is_not_hurried_by_one_that_is_not() -> None:
    """Silence is counted from when the value crossed here; its own events count as they say."""
    process = Process(watching(spike(held_for="30s")))

    def behind(offset: int, second: int, price: int) -> Record:
        return record(offset, {"price": price}, (second + 900) * 1_000, time=f"1970-01-01T00:00:{second:02}Z")

    assert process.run(record(0, {}, 900_000), behind(1, 0, 99), behind(2, 1, 100), record(3, {}, 902_000)) == []
    assert process.run(behind(4, 30, 100)) == []
    assert [event.caused_by for event in process.run(behind(5, 31, 100))] == ["e2"]


@pytest.mark.parametrize("seconds_until_killed", [0, 1, 2])
def test_what_waits_outlives_the_process(seconds_until_killed: int) -> None:
    """Killed while a crossing waits, with any part of the last batch's state written: its silence is still told, once."""
    watches = watching(spike(held_for="30s"))
    walk = [record(0, {"price": 99}, 0), record(1, {"price": 100}, 1_000), record(2, {}, 2_000), record(3, {}, 31_000)]
    process = Process(watches)
    for one in walk[:seconds_until_killed]:
        process.run(one)
    written = states(process.judge(walk[seconds_until_killed : seconds_until_killed + 1]))
    for part in range(len(written) + 1):
        successor = Process(watches, [*process.changelog, *written[:part]])
        assert [event.caused_by for one in walk[seconds_until_killed:] for event in successor.run(one)] == ["e1"]


# --- the property: against the plain definition, over random walks, with kills


class Told(NamedTuple):
    """A crossing as the definition has it."""

    watch_id: str
    caused_by: str


def defined(one: Watch, walk: list[Record]) -> Iterator[Told]:
    """What must be told of a watch, slowly and straight from its definition; `walk` holds events in order a value."""
    by_value: dict[Any, list[int]] = {}
    events = [decode_event(record.value or b"") for record in walk]
    for number, event in enumerate(events):
        if "price" in event.payload:
            by_value.setdefault(event.payload["symbol"] if one.terms and one.terms.key else None, []).append(number)
    for numbers in by_value.values():
        for number in _defined_of(one, walk, [(number, events[number].payload["price"]) for number in numbers]):
            yield Told(one.id, events[number].id)


def _defined_of(one: Watch, walk: list[Record], values: list[tuple[int, Any]]) -> Iterator[int]:
    if one.operator == ANY_CHANGE:
        yield from (number for (_, last), (number, value) in pairwise(values) if value != last)
        return
    threshold, terms = one.threshold or 0, one.terms
    hysteresis = terms.hysteresis if terms else 0
    is_below = one.operator == "lte"
    across = False
    runs: list[tuple[bool, int]] = []  # side, and the number of the event with which it began
    for number, value in values:
        distance = threshold - value if is_below else value - threshold
        across = distance >= 0 or (across and distance >= -hysteresis)
        if not runs or runs[-1][0] != across:
            runs.append((across, number))
    both_ways = terms is not None and terms.direction == "both"
    confirmed = runs[0][0]
    for position, (side, began) in enumerate(runs[1:], 1):
        ended = runs[position + 1][1] if position + 1 < len(runs) else len(walk) - 1
        if side == confirmed:
            continue
        if not side and not both_ways:
            confirmed = False
        elif terms is None or not terms.held_for_ms or _is_held(walk, began, ended, terms.held_for_ms, values):
            confirmed = side
            yield began


def _is_held(walk: list[Record], began: int, ended: int, held_for_ms: int, values: list[tuple[int, Any]]) -> bool:
    """Whether some event up to `ended` shows it; the events' times are those of their records."""
    own = {number for number, _ in values}
    due_ms = max(one.timestamp for one in walk[: began + 1]) + held_for_ms
    return any(
        walk[number].timestamp >= due_ms or (number in own and walk[number].timestamp >= walk[began].timestamp + held_for_ms)
        for number in range(began + 1, ended + 1)
    )


WATCHES = [
    watch("stocks:price_cross_above", {"symbol": "A", "price": {"gte": 100}}),
    watch("stocks:price_cross_below", {"symbol": "A", "price": {"lte": 99}}),
    watch("stocks:price_changed", {"symbol": "A"}),
    spike(key=["symbol"]),
    spike(key=["symbol"], direction="both", hysteresis=2),
    spike(key=["symbol"], direction="below", hysteresis=1),
    spike(key=["symbol"], held_for="5s"),
    spike(key=["symbol"], held_for="5s", hysteresis=1, direction="both"),
    spike(key=["symbol"], held_for="20s", direction="below"),
]


def random_walk(chance: random.Random, length: int) -> list[Record]:
    """Prices of three symbols around the threshold, each symbol's times in order, and events of no price between."""
    walk, behind_ms = [], {"A": 0, "B": 0, "C": 3_000}
    second = 0
    for offset in range(length):
        second += chance.choice((0, 1, 1, 2))
        symbol = chance.choice("ABC")
        payload = {"symbol": symbol, "price": chance.randrange(96, 104)} if chance.random() < 0.7 else {"symbol": symbol}
        walk.append(record(offset, payload, second * 1_000 + 10_000 - behind_ms[symbol]))
    return walk


def only(one: Watch, walk: list[Record]) -> list[Record]:
    """The walk without the prices that this watch does not choose."""
    chosen = dict(one.chosen_by).get(("symbol",))
    hidden = [decode_event(event.value or b"").payload["symbol"] not in (chosen, None) for event in walk]
    return [
        replace(event, value=(event.value or b"").replace(b'"price"', b'"hidden"')) if chosen and hide else event
        for event, hide in zip(walk, hidden, strict=True)
    ]


def run_with_kills(chance: random.Random, walk: list[Record]) -> list[Told]:
    """What is told when the process is killed now and then, in the order in which it was told first."""
    watches = watching(*WATCHES)
    process, epoch, position = Process(watches), 0, 0
    committed = 0
    heard: dict[Told, None] = {}
    while position < len(walk):
        batch = walk[position : position + chance.randint(1, 8)]
        work = process.judge(batch, epoch)
        fate = chance.random()
        if fate > 0.1:  # else it is killed before anything was sent
            heard |= dict.fromkeys(Told(event.watch, event.caused_by) for event in crossings(work))
            written = states(work)
            process.changelog += written if fate > 0.3 else written[: chance.randint(0, len(written))]
        if fate > 0.4:  # else it is killed before the offset was committed, or while the state was written
            position += len(batch)
            committed = position if chance.random() < 0.7 else committed
        else:
            process, position = Process(watches, process.changelog), committed
            epoch += chance.randint(0, 1)
    return list(heard)


@pytest.mark.parametrize("seed", range(40))
def test_no_crossing_is_lost_and_none_is_told_twice_whenever_the_process_is_killed(seed: int) -> None:
    """Random walks of several values, every kind of watch, and a definition that is too slow to be used."""
    chance = random.Random(seed)
    walk = random_walk(chance, 120)
    expected = sorted(told for one in WATCHES for told in defined(one, only(one, walk)))
    assert len(expected) > 50
    assert sorted(Told(event.watch, event.caused_by) for event in Process(watching(*WATCHES)).run(*walk)) == expected
    assert sorted(run_with_kills(chance, walk)) == expected
