"""Crossings that wait, as whoever has the partition finds them."""

from streams.language.watch import Watch
from tests.unit.streams.detecting import HOME, Process, record, watch, watching


def held(**crossing: object) -> Watch:
    """A watch with `held_for`."""
    asked = {"field": "price", "direction": "above", "threshold": 100, "key": ["symbol"], "held_for": "30s"}
    return watch("stocks:spike", None, asked | crossing)


def test_a_thousand_that_wait_are_told_in_the_order_in_which_they_are_due() -> None:
    """By one event that shows the time to be over, in a process that has just taken over."""
    watches = watching(held())
    process = Process(watches)
    process.run(*(record(n, {"symbol": n, "price": 99}, 0) for n in range(1_000)))
    process.run(*(record(1_000 + n, {"symbol": n, "price": 100}, 1_000 + n) for n in range(1_000)))
    successor = Process(watches, process.changelog)
    assert [event.payload["symbol"] for event in successor.run(record(2_000, {}, 31_499))] == list(range(500))
    assert [event.payload["symbol"] for event in successor.run(record(2_001, {}, 40_000))] == list(range(500, 1_000))
    assert successor.run(record(2_002, {}, 90_000)) == []


def test_nothing_is_left_of_what_waited() -> None:
    """Told or not, no list names it any more."""
    process = Process(watching(held()))
    values = [(0, "A", 99), (0, "B", 99), (1, "A", 100), (2, "B", 100), (3, "B", 99), (31, "A", 101), (90, "A", 99)]
    for number, (second, symbol, price) in enumerate(values):
        process.run(record(number, {"symbol": symbol, "price": price}, second * 1_000))
    left = [place for place in process.table.partition(HOME) if place.startswith(b"\x1f")]
    assert left == [b"\x1fclock"]


def test_nothing_is_left_of_what_waited_for_a_watch_that_is_gone() -> None:
    """Its key is swept, and its name with it."""
    watches = watching(held())
    process = Process(watches)
    process.run(record(0, {"symbol": "A", "price": 99}, 0), record(1, {"symbol": "A", "price": 100}, 0))
    watches.remove(held())
    process.run(record(2, {}, 1_000))
    assert list(process.table.partition(HOME)) == [b"\x1fclock"]


def test_a_partition_that_was_elsewhere_meanwhile_is_looked_at_anew() -> None:
    """What another process let wait is found by the one that gets the partition back."""
    watches = watching(held())
    process = Process(watches)
    process.run(record(0, {"symbol": "A", "price": 99}, 0))
    other = Process(watches, process.changelog)
    other.run(record(1, {"symbol": "A", "price": 100}, 1_000))
    back = Process(watches, other.changelog)
    process.table.partition(HOME).clear()
    process.table.partition(HOME).update(back.table.partition(HOME))
    assert [event.caused_by for event in process.run(record(2, {}, 31_000), epoch=1)] == ["e1"]


def test_two_that_wait_for_different_times_share_a_value() -> None:
    """Each is told when it is due by itself."""
    process = Process(watching(held(), held(held_for="5s")))
    walk = [(0, 99), (1, 100), (6, 101), (31, 102)]
    told = [
        (second, event.payload["held_for_seconds"])
        for number, (second, price) in enumerate(walk)
        for event in process.run(record(number, {"symbol": "A", "price": price}, second * 1_000))
    ]
    assert told == [(6, 5), (31, 30)]


def test_nobody_who_waits_costs_nothing() -> None:
    """Where no watch has a `held_for`, no time is kept."""
    process = Process(watching(watch("stocks:price_changed")))
    process.run(record(0, {"price": 1}), record(1, {"price": 2}))
    assert [place for place in process.table.partition(HOME) if place.startswith(b"\x1f")] == []
