"""Crossings: the edge of each watch, and nobody else's."""

from typing import Any

import pytest

from streams.crossing import Edge, Watches, crossing_event, judge_edge, judge_origin
from streams.errors import InvalidTrigger
from streams.event import Event
from streams.filter import RANGES, parse_filter
from streams.watch import Watch, parse_watch


def watch(threshold: float = 100, event_type: str = "price_cross_above", **chosen: Any) -> Watch:
    """A watch as a trigger on stocks would imply it."""
    operator = "gte" if event_type.endswith("above") else "lte"
    predicates = parse_filter({**chosen, "price": {operator: threshold}})
    found = parse_watch("default", "stocks", event_type, predicates)
    assert found is not None
    return found


def crossings(watched: Watch, prices: list[float]) -> list[float]:
    """The prices at which the watch crosses."""
    edge: Edge | None = None
    crossed_at = []
    for offset, price in enumerate(prices):
        across = RANGES[watched.operator](price, watched.threshold)
        changed, crossed = judge_edge(edge, across, offset)
        edge = changed or edge
        if crossed:
            crossed_at.append(price)
    return crossed_at


def test_a_crossing_is_an_edge_and_not_a_level() -> None:
    """Only the step from below to at-or-above crosses; the first value ever seen sets the side."""
    assert crossings(watch(), [101, 99, 100, 101, 90, 100.3, 100]) == [100, 100.3]


def test_crossing_below_is_the_mirror() -> None:
    """From above to at-or-below."""
    assert crossings(watch(event_type="price_cross_below"), [99, 101, 100, 90, 101, 99]) == [100, 99]


def test_a_record_judged_before_changes_nothing() -> None:
    """A replayed record, at or below the offset that last changed the edge, is skipped."""
    edge = Edge(offset=7, across=False)
    assert judge_edge(edge, True, 7) == (None, False)
    assert judge_edge(edge, True, 8) == (Edge(offset=8, across=True), True)


def test_a_forward_that_is_repeated_is_history() -> None:
    """A copy of a misplaced record that comes again, behind later ones, must not set the value back."""
    first = judge_origin(None, 5, 100)
    assert first == Edge(offset=100, origin_offset=5)
    assert judge_origin(first, 6, 101) == Edge(offset=101, origin_offset=6)
    assert judge_origin(first, 5, 130) is None
    assert judge_origin(first, 4, 131) is None


def test_an_event_concerns_exactly_the_watches_that_choose_its_value() -> None:
    """Equalities choose the value; another symbol, a text for a price and a crossing itself concern nobody."""
    watches = Watches()
    apple, other = watch(symbol="AAPL"), watch(90, symbol="MSFT")
    watches.add(apple)
    watches.add(other)

    def concerned(**event: Any) -> list[str]:
        judged = Event(**{"source": "stocks", "type": "price", **event})
        found = [look.find(judged.payload)[1] for look in watches.looks.get(judged.source, ())]
        return [one.watch.id for chosen in found for one in chosen if one.concerns(judged)]

    assert concerned(payload={"symbol": "AAPL", "price": 3}) == [apple.id]
    assert concerned(payload={"symbol": "AAPL", "price": "3"}) == []
    assert concerned(payload={"symbol": "IBM", "price": 3}) == []
    assert concerned(payload={"price": 3}) == []
    assert concerned(source="bonds", payload={"symbol": "AAPL", "price": 3}) == []
    assert concerned(type="price_cross_above", payload={"symbol": "AAPL", "price": 3}) == []


def test_a_watch_is_gone_with_its_last_trigger() -> None:
    """Two triggers that ask the same share a watch; it goes with the second."""
    watches = Watches()
    for _ in range(2):
        watches.add(watch(symbol="AAPL"))
    watches.remove(watch(symbol="AAPL"))
    assert len(watches.looks["stocks"][0].find({"symbol": "AAPL", "price": 3})[1]) == 1
    watches.remove(watch(symbol="AAPL"))
    assert watches.looks == {}
    assert len(watches) == 0


def test_a_crossing_says_what_was_crossed_and_by_which_event() -> None:
    """SPEC 3's payload, an id that follows from watch and event, and the cause."""
    watched = watch(symbol="AAPL")
    cause = Event(source="stocks", type="price", id="e1", payload={"symbol": "AAPL", "price": 100.3})
    crossing = crossing_event(watched, cause, 100.3)
    assert (crossing.source, crossing.type) == ("stocks", "price_cross_above")
    assert crossing.payload == {"symbol": "AAPL", "threshold": 100, "price": 100.3}
    assert (crossing.watch, crossing.caused_by) == (watched.id, "e1")
    assert crossing.id == crossing_event(watched, cause, 100.3).id


def test_state_lives_with_its_event() -> None:
    """An edge's key begins with the event's key; without an equality each subject is a value of its own."""

    def place(watched: Watch) -> bytes:
        watches = Watches()
        watches.add(watched)
        event = Event(source="stocks", type="price", subject="s-1", payload={"symbol": "AAPL", "price": 3})
        (look,) = watches.looks["stocks"]
        _, (found,) = look.find(event.payload)
        return found.find_place(event, b"stocks")

    assert place(watch()).startswith(b"stocks\x1f")
    assert place(watch()).endswith(b"\x1fs-1")
    assert place(watch(symbol="AAPL")).endswith(watch(symbol="AAPL").id.encode())


def test_workspaces_and_thresholds_never_share_a_watch() -> None:
    """The same words in another workspace, or another threshold, are another watch."""
    predicates = parse_filter({"price": {"gte": 100}})
    ours = parse_watch("ours", "stocks", "price_cross_above", predicates)
    theirs = parse_watch("theirs", "stocks", "price_cross_above", predicates)
    assert ours is not None
    assert theirs is not None
    assert len({ours.id, theirs.id, watch(90).id, watch(100.0).id, watch(100).id}) == 4


@pytest.mark.parametrize(
    "match_filter",
    [{}, {"price": 100}, {"price": {"lte": 100}}, {"price": {"gte": 1, "gt": 2}}, {"price": {"gte": 1}, "symbol": {"ne": "A"}}],
)
def test_a_crossing_without_one_threshold_is_refused(match_filter: Any) -> None:
    """The detector must know one threshold to watch, and which value."""
    with pytest.raises(InvalidTrigger):
        parse_watch("default", "stocks", "price_cross_above", parse_filter(match_filter))
