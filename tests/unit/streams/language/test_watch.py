"""What a row asks to be watched: implied by its event type, or by its `crossing`; understood fully, or refused clearly."""

from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.language.event_key import EventKey
from streams.language.filter import parse_filter
from streams.language.terms import Terms
from streams.language.watch import ANY_CHANGE, Watch, parse_watch
from streams.trigger import Trigger, parse_condition
from tests.unit.streams.detecting import watch

ABOVE_100 = {"field": "price", "direction": "above", "threshold": 100}


def test_a_crossing_is_implied_by_its_type_and_one_threshold() -> None:
    """The field comes from the type, the threshold from the filter, and the equalities choose the value."""
    found = watch("stocks:quote.price_cross_below", {"symbol": "AAPL", "quote.price": {"lt": 100.0}, "lit": True})
    assert found == Watch(
        found.id, "stocks", ("quote", "price"), ((("lit",), True), (("symbol",), "AAPL")), "lt", 100,
        "quote.price_cross_below", "default",
    )  # fmt: skip


@pytest.mark.parametrize("match_filter", [{"symbol": "AAPL"}, {"symbol": "AAPL", "price": {"exists": True}}])
def test_any_change_is_implied_by_its_type(match_filter: Any) -> None:
    """The field may be named, which says nothing more; both are one watch."""
    found = watch("stocks:price_changed", match_filter)
    assert found == watch("stocks:price_changed", {"symbol": "AAPL"})
    assert (found.field, found.operator, found.threshold) == (("price",), ANY_CHANGE, None)


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        ("agents:status_changed", None),
        ("*:status_changed", None),
        ("agents:*_changed", None),
        ("feed:lineup_changed", "feed:lineup_changed"),
        ("feed:_changed", None),
        ("feed:goal", None),
    ],
)
def test_events_of_their_own_are_not_watched(expression: str, pattern: str | None) -> None:
    """A standard event type, a wildcard in the type, and a type beside a pattern are what feeds send."""
    row = Trigger("t", "t", expression, "agent", "hub", pattern=pattern, match_filter={"minute": {"gte": 1}})
    assert parse_condition(row).watch is None


def test_a_crossing_object_says_everything() -> None:
    """Each of its terms is understood, and the row's equalities narrow what is watched."""
    asked = ABOVE_100 | {"hysteresis": 0.5, "held_for": "30s", "type": "quote", "key": ["symbol", "at.venue"]}
    found = watch("stocks:spike", {"currency": "USD"}, asked)
    assert found.terms == Terms(("price",), "above", 100, 0.5, 30_000, "quote", (("symbol",), ("at", "venue")))
    assert (found.event_type, found.operator, found.chosen_by) == ("spike", "gte", ((("currency",), "USD"),))


@pytest.mark.parametrize(
    ("direction", "name", "operator"),
    [
        ("above", "price_cross_above", "gte"),
        ("below", "price_cross_below", "lte"),
        ("both", "price_crossed", "gte"),
        ("changed", "price_changed", ANY_CHANGE),
    ],
)
def test_a_star_stands_for_the_crossings_own_name(direction: str, name: str, operator: str) -> None:
    """Whoever does not name the crossing's event gets the usual name."""
    asked = {"field": "price", "direction": direction} | ({} if direction == "changed" else {"threshold": 1})
    found = watch("stocks:*", None, asked)
    assert (found.event_type, found.operator) == (name, operator)


def test_who_asks_the_same_shares_a_watch_and_nobody_else_does() -> None:
    """100 and 100.0 are the same; another workspace, name or term is another watch, and so is one that is implied."""
    asked: list[dict[str, Any]] = [
        {},
        {"threshold": 101},
        {"threshold": 2**53},
        {"threshold": 2**53 + 1},
        {"hysteresis": 1},
        {"held_for": "1s"},
        {"type": "quote"},
        {"key": ["symbol"]},
        {"direction": "both"},
    ]
    watches = [watch("stocks:price_cross_above", None, ABOVE_100 | one) for one in asked]
    watches += [
        watch("stocks:spike", None, ABOVE_100),
        watch("stocks:price_cross_above", {"price": {"gte": 100}}),
        watch("stocks:price_cross_above", {"symbol": "AAPL"}, ABOVE_100),
        watch("stocks:price_cross_above", None, ABOVE_100, workspace="theirs"),
    ]
    assert len({one.id for one in watches}) == len(watches)
    same = ABOVE_100 | {"threshold": 100.0, "hysteresis": 0, "held_for": None, "type": None, "key": None}
    assert watch("stocks:*", None, same) == watches[0]
    assert watch("stocks:*", None, ABOVE_100 | {"held_for": "1000ms"}).id == watches[5].id


@pytest.mark.parametrize(
    ("threshold", "hysteresis", "direction", "release"),
    [
        (100, 0.5, "above", 99.5),
        (100, 0.5, "below", 100.5),
        (1.1, 0.2, "both", 0.9),
        (100, 100, "above", 0),
        (2**70 + 1, 0.5, "above", 2**70 + 1),
        (2**70 + 1, 0.5, "below", 2**70 + 1),
        (2**70 + 1, 1, "above", 2**70),
        (1e308, 5e-324, "above", int(1e308)),
    ],
)
def test_where_a_value_is_back_is_computed_as_it_is_written(
    threshold: float, hysteresis: float, direction: str, release: float
) -> None:
    """1.1 less 0.2 is 0.9, not the double below it; and beyond 2**53 no whole number is passed over."""
    assert Terms(("price",), direction, threshold, hysteresis).release == release


@pytest.mark.parametrize(
    ("columns", "path", "accepted"),
    [
        ({"schedule_expression": "stocks:price_changed", "match_filter": {"price": 1}}, "match_filter.price", "exists"),
        (
            {"schedule_expression": "stocks:price_changed", "match_filter": {"price": {"exists": False}}},
            "match_filter.price",
            "exists",
        ),
        ({"schedule_expression": "stocks:lineup_changed", "match_filter": {"x": {"gt": 1}}}, "match_filter.x", "pattern"),
        ({"schedule_expression": "stocks:lineup_changed", "match_filter": {"not": {"x": 1}}}, "match_filter", "pattern"),
        ({"schedule_expression": "[a,b]:price_changed"}, "schedule_expression", "one source"),
        ({"schedule_expression": "*:price_changed"}, "schedule_expression", "pattern"),
        ({"schedule_expression": "a:b..c_changed"}, "schedule_expression", "field"),
        ({"crossing": {}}, "crossing.direction", "above, below, both, changed"),
        ({"crossing": ABOVE_100 | {"direction": "up"}}, "crossing.direction", "above"),
        ({"crossing": ABOVE_100 | {"direction": ["above"]}}, "crossing.direction", "above"),
        ({"crossing": {"direction": "above", "threshold": 1}}, "crossing.field", "field"),
        ({"crossing": ABOVE_100 | {"field": "a..b"}}, "crossing.field", "dots"),
        ({"crossing": ABOVE_100 | {"field": ["price"]}}, "crossing.field", "field"),
        ({"crossing": {"field": "price", "direction": "above"}}, "crossing.threshold", "number"),
        ({"crossing": ABOVE_100 | {"threshold": "100"}}, "crossing.threshold", "number"),
        ({"crossing": ABOVE_100 | {"threshold": True}}, "crossing.threshold", "number"),
        ({"crossing": ABOVE_100 | {"threshold": float("nan")}}, "crossing.threshold", "finite"),
        ({"crossing": ABOVE_100 | {"threshold": 10**400}}, "crossing.threshold", "1.8e308"),
        ({"crossing": ABOVE_100 | {"hysteresis": -1}}, "crossing.hysteresis", "negative"),
        ({"crossing": ABOVE_100 | {"hysteresis": False}}, "crossing.hysteresis", "number"),
        ({"crossing": ABOVE_100 | {"held_for": 30}}, "crossing.held_for", "30s"),
        ({"crossing": ABOVE_100 | {"held_for": "30"}}, "crossing.held_for", "30s"),
        ({"crossing": ABOVE_100 | {"held_for": "0s"}}, "crossing.held_for", "7d"),
        ({"crossing": ABOVE_100 | {"held_for": "8d"}}, "crossing.held_for", "7d"),
        ({"crossing": ABOVE_100 | {"type": ""}}, "crossing.type", "1 to 256"),
        ({"crossing": ABOVE_100 | {"type": "quote*"}}, "crossing.type", "one event type"),
        ({"crossing": ABOVE_100 | {"key": []}}, "crossing.key", "1 to 8"),
        ({"crossing": ABOVE_100 | {"key": "symbol"}}, "crossing.key", "1 to 8"),
        ({"crossing": ABOVE_100 | {"key": ["symbol", ""]}}, "crossing.key.1", "field"),
        ({"crossing": ABOVE_100 | {"key": ["symbol", "symbol"]}}, "crossing.key", "twice"),
        ({"crossing": ABOVE_100 | {"near": 1}}, "crossing.near", "hysteresis"),
        ({"crossing": ABOVE_100 | {"direction": "changed"}}, "crossing.threshold", "above"),
        ({"crossing": {"field": "price", "direction": "changed", "held_for": "1s"}}, "crossing.held_for", "above"),
        ({"crossing": ABOVE_100, "schedule_expression": "*:spike"}, "schedule_expression", "one exact source"),
        ({"crossing": ABOVE_100, "schedule_expression": "[a,b]:spike"}, "schedule_expression", "one exact source"),
        ({"crossing": ABOVE_100, "schedule_expression": "a:sp*"}, "schedule_expression", "one exact source"),
        ({"crossing": ABOVE_100, "pattern": "a:b"}, "schedule_expression", "one exact source"),
        ({"crossing": ABOVE_100, "match_filter": {"price": 5}}, "match_filter.price", "crossing.threshold"),
        ({"crossing": ABOVE_100, "match_filter": {"x": {"gt": 5}}}, "match_filter.x", "equality"),
        ({"crossing": ABOVE_100, "match_filter": {"any": [{"x": 1}, {"y": 1}]}}, "match_filter", "equality"),
    ],
)
def test_what_nobody_can_watch_is_refused_by_its_place_in_the_row(columns: dict[str, Any], path: str, accepted: str) -> None:
    """The message says what would be accepted."""
    row = {"schedule_expression": "stocks:spike", **columns}
    with pytest.raises(InvalidTrigger) as refused:
        parse_condition(Trigger(id="t", name="t", agent_id="agent", hub_id="hub", **row))
    assert refused.value.path == path
    assert accepted in refused.value.message


@pytest.mark.parametrize(
    "match_filter",
    [{}, {"price": 100}, {"price": {"lte": 100}}, {"price": {"gte": 1, "gt": 2}}, {"price": {"gte": 1}, "symbol": {"ne": "A"}}],
)
def test_a_crossing_without_one_threshold_is_refused(match_filter: Any) -> None:
    """The detector must know one threshold to watch, and which value."""
    with pytest.raises(InvalidTrigger):
        parse_watch("default", "stocks", "price_cross_above", parse_filter(match_filter))


def test_the_condition_of_a_crossing_names_its_watch() -> None:
    """A row with a `*` stays as it was written; what it listens to is its watch."""
    condition = parse_condition(Trigger("t", "t", "stocks:*", "agent", "hub", crossing=ABOVE_100))
    assert condition.key == EventKey(("stocks",), "*")
    assert condition.watch == watch("stocks:price_cross_above", None, ABOVE_100)
