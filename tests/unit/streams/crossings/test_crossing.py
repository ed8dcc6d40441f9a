"""Crossings: which watches an event concerns, where their state lies, and what is told."""

from typing import Any

import pytest

from streams.crossings.crossing import Watches, crossing_event
from streams.crossings.watched import Watched
from streams.event import Event
from streams.language.watch import Watch
from tests.unit.streams.detecting import watch, watching


def implied(threshold: float = 100, **chosen: Any) -> Watch:
    """A watch as a trigger on stocks would imply it."""
    return watch("stocks:price_cross_above", {**chosen, "price": {"gte": threshold}})


def asked(chosen: Any = None, **crossing: Any) -> Watch:
    """A watch that a `crossing` object asks for."""
    return watch("stocks:spike", chosen, {"field": "price", "direction": "above", "threshold": 100, **crossing})


def found(watches: Watches, event: Event) -> list[Watched]:
    """The watches that the event concerns."""
    looks = watches.looks.get(event.source, ())
    return [one for look in looks for one in look.find(event.payload)[1] if one.concerns(event)]


def concerned(watches: Watches, payload: Any, **event: Any) -> set[str]:
    """The ids of the watches that an event with this payload concerns."""
    judged = Event(**{"source": "stocks", "type": "quote", "payload": payload, **event})
    return {one.watch.id for one in found(watches, judged)}


def test_an_event_concerns_exactly_the_watches_that_choose_its_value() -> None:
    """Equalities choose the value; another symbol, a text for a price and a crossing itself concern nobody."""
    apple = implied(symbol="AAPL")
    watches = watching(apple, implied(90, symbol="MSFT"))
    assert concerned(watches, {"symbol": "AAPL", "price": 3}) == {apple.id}
    assert concerned(watches, {"symbol": "AAPL", "price": "3"}) == set()
    assert concerned(watches, {"symbol": "IBM", "price": 3}) == set()
    assert concerned(watches, {"price": 3}) == set()
    assert concerned(watches, {"symbol": "AAPL", "price": 3}, source="bonds") == set()
    assert concerned(watches, {"symbol": "AAPL", "price": 3}, type="price_cross_above") == set()


def test_an_event_concerns_the_watches_of_its_own_workspace() -> None:
    """One without a workspace is of the workspace default, and of no other."""
    ours = watch("stocks:price_changed", workspace="ours")
    default = watch("stocks:price_changed")
    watches = watching(ours, default)
    assert concerned(watches, {"price": 3}) == concerned(watches, {"price": 3}, workspace="default") == {default.id}
    assert concerned(watches, {"price": 3}, workspace="ours") == {ours.id}


def test_any_change_looks_at_every_scalar_and_not_at_its_own_event() -> None:
    """A text is a value, and so is null; a list is none."""
    change = watch("stocks:price_changed")
    watches = watching(change)
    for value in (3, "3", None, True):
        assert concerned(watches, {"price": value}) == {change.id}
    assert concerned(watches, {"price": [3]}) == concerned(watches, {}) == set()
    assert concerned(watches, {"price": 3}, type="price_changed") == set()


def test_a_crossing_object_may_look_at_one_type_and_else_looks_at_all() -> None:
    """Also at the type that the crossing's own event has, and at those of other crossings: it says what it looks at."""
    every, quotes = asked(), asked(type="quote")
    watches = watching(every, quotes)
    assert concerned(watches, {"price": 3}) == {every.id, quotes.id}
    assert concerned(watches, {"price": 3}, type="price_cross_above") == {every.id}
    assert concerned(watches, {"price": 3}, type="spike") == {every.id}


def test_a_watch_is_gone_with_its_last_trigger() -> None:
    """Two triggers that ask the same share a watch; it goes with the second."""
    watches = watching(implied(symbol="AAPL"), implied(symbol="AAPL"))
    watches.remove(implied(symbol="AAPL"))
    assert concerned(watches, {"symbol": "AAPL", "price": 3})
    watches.remove(implied(symbol="AAPL"))
    assert watches.looks == {}
    assert len(watches) == 0


def place(one: Watch, payload: Any, subject: str | None = "s-1", key: bytes = b"stocks") -> bytes:
    """The state key of the value that an event shows."""
    event = Event("stocks", "quote", payload, subject=subject)
    (watched,) = found(watching(one), event)
    return watched.find_place(event, key)


def test_state_lives_with_its_event_and_names_its_watch() -> None:
    """A state key begins with the event's key and ends with the watch's id."""
    for one in (implied(), implied(symbol="AAPL"), asked(key=["symbol"])):
        where = place(one, {"symbol": "AAPL", "price": 3})
        assert where.startswith(b"stocks\x1f")
        assert where.endswith(b"\x1f" + one.id.encode())


def test_what_makes_a_value_of_its_own() -> None:
    """The fields of the key; else the equalities; else the subject. 1 and 1.0 are one value of a key, 1 and true are two."""

    def places(one: Watch, *payloads: Any) -> int:
        return len({place(one, {"price": 3, **payload}, subject) for subject in ("s-1", "s-2", None) for payload in payloads})

    assert places(implied(), {}) == 3
    assert places(implied(symbol="AAPL"), {"symbol": "AAPL"}) == 1
    assert places(asked(key=["symbol"]), {"symbol": "AAPL"}, {"symbol": "MSFT"}) == 2
    assert places(asked(key=["symbol"]), {"symbol": 1}, {"symbol": 1.0}) == 1
    assert places(asked(key=["symbol"]), {"symbol": 1}, {"symbol": True}, {"symbol": "1"}, {"symbol": None}) == 4
    assert places(asked(key=["a", "b"]), {"a": "x", "b": "yz"}, {"a": "xy", "b": "z"}) == 2
    assert places(asked(key=["a"]), {"a": "x" * 10_000}, {"a": "x" * 10_001}) == 2
    assert len(place(asked(key=["a"]), {"price": 3, "a": "x" * 10_000})) < 200


@pytest.mark.parametrize("payload", [{}, {"symbol": ["AAPL"]}, {"symbol": {}}])
def test_an_event_without_a_field_of_the_key_shows_no_value(payload: Any) -> None:
    """There is nothing to tell it from others by."""
    assert place(asked(key=["symbol"]), {"price": 3, **payload}) == b""


CAUSE = Event("stocks", "quote", {"symbol": "AAPL", "at": {"venue": "X"}, "price": 100.3}, id="e1", subject="s", time="t")


def test_an_implied_crossing_says_what_was_crossed_and_by_which_event() -> None:
    """SPEC 3's payload, an id that follows from watch and event, and the cause."""
    watched = implied(symbol="AAPL")
    crossing = crossing_event(watched, CAUSE, 100.3)
    assert (crossing.source, crossing.type) == ("stocks", "price_cross_above")
    assert crossing.payload == {"symbol": "AAPL", "threshold": 100, "price": 100.3}
    assert (crossing.watch, crossing.caused_by, crossing.subject, crossing.time) == (watched.id, "e1", "s", "t")
    assert crossing.id == crossing_event(watched, CAUSE, 100.3).id


def test_a_change_says_from_what_to_what() -> None:
    """SPEC 3 gives no threshold to a change; null is a value that may have been before."""
    change = watch("stocks:price_changed", {"symbol": "AAPL"})
    assert crossing_event(change, CAUSE, 100.3, previous=None).payload == {"symbol": "AAPL", "previous": None, "price": 100.3}


def test_a_crossing_that_was_asked_for_says_more() -> None:
    """Its key, its direction, and how long it was held, since when."""
    held = asked({"symbol": "AAPL"}, key=["at.venue"], held_for="1500ms", direction="both")
    crossing = crossing_event(held, CAUSE, 99, across=False, since_ms=1_781_204_400_250)
    assert crossing.payload == {
        "symbol": "AAPL",
        "at": {"venue": "X"},
        "threshold": 100,
        "price": 99,
        "direction": "below",
        "held_for_seconds": 1.5,
        "since": "2026-06-11T19:00:00.250Z",
    }


@pytest.mark.parametrize(
    ("direction", "across", "told"),
    [("above", True, "above"), ("below", True, "below"), ("both", True, "above"), ("both", False, "below")],
)
def test_a_direction_is_where_the_value_went(direction: str, across: bool, told: str) -> None:
    """A watch both ways says which."""
    assert crossing_event(asked(direction=direction), CAUSE, 1, across=across).payload["direction"] == told


def test_a_field_of_the_payload_may_have_a_name_of_ours() -> None:
    """The watched value wins over what would be told under its name."""
    odd = watch("stocks:threshold.value_cross_above", {"threshold.value": {"gte": 1}})
    assert crossing_event(odd, CAUSE, 2).payload == {"threshold": {"value": 2}}
