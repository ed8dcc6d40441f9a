"""why: the judgement says what the compiled filter says, and the sentence says which of its parts decided."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.check import Check, check_clauses, check_key, group, reason
from streams.check_watch import check_crossed, check_input, is_crossing
from streams.event import Event, derived_id
from streams.language.event_key import EventKey
from streams.language.filter import compile_filter
from streams.language.watch import find_watch
from streams.trigger import Trigger, parse_condition
from streams.why import Facts, Outcome, judge, row_then
from tests.unit.streams.filters import SOURCES, TYPES, random_payload, random_trigger, trigger


def goal(**payload: Any) -> Event:
    """An event that most triggers here ask for."""
    return Event(source="feed", type="goal", payload=payload, id="e-1")


def test_the_checks_hold_exactly_when_the_compiled_filter_does() -> None:
    """Random rows and events: the event key and the clauses agree with what the index is built from."""
    chance = random.Random(7)
    held = 0
    for number in range(20_000):
        row = random_trigger(chance, str(number))
        condition = parse_condition(row)
        payload, source, event_type = random_payload(chance), chance.choice(SOURCES), chance.choice(TYPES)
        checks = check_clauses(condition.clauses, payload)
        expected = compile_filter(condition.clauses)(payload)
        assert group("", checks).holds is bool(expected), (row.match_filter, payload)
        assert check_key(condition.key, source, event_type).holds is condition.key.matches(source, event_type), row
        event = Event(source=source, type=event_type, payload=payload, id="e", workspace=row.workspace)
        outcome = judge(event, row, Facts(existed=True, enabled=True, fired=False)).outcome
        matches = bool(expected) and condition.key.matches(source, event_type)
        assert (outcome is Outcome.WOULD_FIRE) is matches
        held += matches
    assert 100 < held < 19_000


@pytest.mark.parametrize(
    ("match_filter", "payload", "reason"),
    [
        ({"minute": {"gte": 90}}, {"minute": 12}, "minute is 12, wanted gte 90"),
        ({"team": "Mexico"}, {"team": "Peru"}, 'team is "Peru", not "Mexico"'),
        ({"team": "Mexico"}, {}, 'team is missing, not "Mexico"'),
        ({"team": "Mexico", "minute": 1}, {}, 'team is missing, not "Mexico"'),
        ({"any": [{"team": "Mexico"}, {"team": "Peru"}]}, {}, "none of the 2 filters under any holds"),
        ({"not": {"team": "Peru"}}, {"team": "Peru"}, "the filter under not holds"),
        ({"x": "y" * 200}, {}, "…"),
    ],
)
def test_the_sentence_names_the_first_clause_that_does_not_hold(
    match_filter: dict[str, Any], payload: dict[str, Any], reason: str
) -> None:
    """Both values are in it."""
    verdict = judge(goal(**payload), trigger("t", match_filter=match_filter), Facts(existed=True, enabled=True, fired=False))
    assert verdict.outcome is Outcome.NO_MATCH
    assert reason in verdict.sentence


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"expression": "stocks:goal"}, 'source is "feed", not "stocks"'),
        ({"expression": "feed:c*"}, 'type is "goal", wanted matches "c*"'),
        ({"expression": "[a, b]:goal"}, 'source is "feed", not one of ["a","b"]'),
        ({"pattern": "stocks:.*"}, 'pattern is "feed:goal", wanted matches "stocks:.*"'),
        ({"workspace": "theirs"}, 'workspace is "default", not "theirs"'),
        ({"match_filter": {"minute": {"about": 90}}}, "cannot be understood: match_filter.minute.about"),
    ],
)
def test_the_sentence_names_the_part_of_the_key(columns: dict[str, Any], sentence: str) -> None:
    """Source, type, pattern and workspace; a row that is wrong says so itself."""
    verdict = judge(goal(), trigger("t", **columns), Facts(existed=True, enabled=True, fired=False))
    assert verdict.outcome is Outcome.NO_MATCH
    assert sentence in verdict.sentence


RECORDED: list[tuple[Facts, dict[str, Any], Outcome, str]] = [
    (Facts(execution={"execution_id": "x", "status": "COMPLETED"}), {}, Outcome.FIRED, "It fired: execution x is COMPLETED."),
    (Facts(execution={"execution_id": "x", "status": "FAILED", "error": "no"}), {}, Outcome.FIRED, "is FAILED: no."),
    (Facts(existed=True, enabled=True, fired=False), {}, Outcome.WOULD_FIRE, "no firing is recorded"),
    (
        Facts(existed=False, fired=False),
        {"created_at": "2026-06-11T20:00:00Z"},
        Outcome.WOULD_FIRE,
        "created later: 2026-06-11",
    ),
    (Facts(existed=True, enabled=False, fired=False), {"enabled": False}, Outcome.WOULD_FIRE, "the trigger was disabled"),
    (Facts(existed=True, enabled=False, enabled_now=False), {}, Outcome.DISABLED, "had it been enabled, it would have"),
    (Facts(existed=True, enabled=True, fired=True, spent_by="x"), {"one_shot": True}, Outcome.HELD_BACK, "execution x was it"),
    (Facts(existed=True, enabled=True, fired=True), {}, Outcome.HELD_BACK, "disabled or deleted in between"),
    (Facts(fired=True), {"count_threshold": 5, "window": "5m"}, Outcome.HELD_BACK, "5 within 5m fire"),
    (Facts(fired=True), {"debounce": "30s"}, Outcome.HELD_BACK, "the last before 30s of quiet fires"),
    (Facts(execution={"status": "SKIPPED", "error": "1 is active"}), {}, Outcome.HELD_BACK, "it was skipped: 1 is active"),
    (Facts(execution={"status": "REFUSED", "error": "too deep"}), {}, Outcome.HELD_BACK, "it was refused: too deep"),
    (Facts(execution={"status": "QUEUED", "error": None}), {}, Outcome.HELD_BACK, "it waits for a slot"),
    (Facts(existed=True, enabled=None, fired=None), {}, Outcome.WOULD_FIRE, "whether it was enabled then is not known"),
]


@pytest.mark.parametrize(("facts", "columns", "outcome", "sentence"), RECORDED)
def test_what_is_recorded_decides(facts: Facts, columns: dict[str, Any], outcome: Outcome, sentence: str) -> None:
    """A firing and an execution outweigh what the row says now; what nobody knows is said to be unknown."""
    verdict = judge(goal(), trigger("t", **columns), facts)
    assert verdict.outcome is outcome
    assert sentence in verdict.sentence


ABOVE_100 = trigger("t", "stocks:price_cross_above", match_filter={"symbol": "AAPL", "price": {"gte": 100}})
WATCHED = Facts(existed=True, enabled=True, fired=False, crossings_searched=True)


def tick(price: Any, symbol: str = "AAPL", source: str = "stocks") -> Event:
    """A price."""
    return Event(source=source, type="price", payload={"symbol": symbol, "price": price}, id="e-1")


@pytest.mark.parametrize(
    ("event", "facts", "outcome", "sentence"),
    [
        (tick(99), WATCHED, Outcome.NO_MATCH, "price is 99, which does not lie across the threshold (gte 100)"),
        (tick(101), WATCHED, Outcome.NO_MATCH, "did not cross 100: it was on this side before, or was seen first"),
        (tick("101"), WATCHED, Outcome.NO_MATCH, "price is no number"),
        (tick(101, symbol="MSFT"), WATCHED, Outcome.NO_MATCH, 'symbol is "MSFT", not "AAPL"'),
        (tick(101, source="bonds"), WATCHED, Outcome.NO_MATCH, 'source is "bonds", not "stocks"'),
        (tick(101), Facts(existed=True, enabled=True), Outcome.UNKNOWN, "too many to search"),
        (tick(101), Facts(existed=False, crossings_searched=True), Outcome.UNKNOWN, "nobody watched the value"),
        (tick(101), WATCHED._replace(crossing=Event(id="c-1")), Outcome.WOULD_FIRE, "no firing is recorded"),
    ],
)
def test_an_event_that_could_cross_is_judged_by_its_side(event: Event, facts: Facts, outcome: Outcome, sentence: str) -> None:
    """The threshold, the value, and whether the crossing that it would cause is on its topic."""
    verdict = judge(event, ABOVE_100, facts)
    assert verdict.outcome is outcome
    assert sentence in verdict.sentence


CROSSINGS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"direction": "above", "threshold": 100}, {"price": 101}, "did not cross 100: it was on this side before"),
    ({"direction": "above", "threshold": 100}, {"price": 99}, "does not lie across the threshold (gte 100)"),
    ({"direction": "both", "threshold": 100}, {"price": 99}, "did not cross 100: it was on this side before"),
    ({"direction": "both", "threshold": 100, "hysteresis": 5}, {"price": 99}, "within its hysteresis of 5"),
    ({"direction": "both", "threshold": 100, "hysteresis": 5}, {"price": 94}, "did not cross 100"),
    ({"direction": "above", "threshold": 100, "held_for": "30s"}, {"price": 101}, "has not stayed there for 30 s"),
    ({"direction": "above", "threshold": 100, "type": "quote"}, {"price": 101}, 'type is "price", not "quote"'),
    ({"direction": "above", "threshold": 100, "key": ["venue"]}, {"price": 101}, "venue is part of the key"),
    ({"direction": "changed"}, {"price": "new"}, "price is what it was before, or was seen first"),
    ({"direction": "changed"}, {"price": [1]}, "price is missing or no single value"),
]


@pytest.mark.parametrize(("crossing", "payload", "reason_given"), CROSSINGS)
def test_a_crossing_that_was_asked_for_says_what_kept_it(
    crossing: dict[str, Any], payload: dict[str, Any], reason_given: str
) -> None:
    """Its direction, hysteresis, time to be held, input type and key."""
    watch = find_watch("default", EventKey(("stocks",), "*"), (), crossing | {"field": "price"})
    assert watch is not None
    event = Event(source="stocks", type="price", payload=payload, id="e-1")
    assert not is_crossing(event, watch)
    checks = group("crossing", check_input(event, watch))
    assert reason_given in reason(checks if not checks.holds else check_crossed(watch, None))


def test_a_crossing_concerns_its_own_watch_alone() -> None:
    """Another threshold's crossing, and one that a feed sent, are told apart from it."""
    watch = parse_condition(ABOVE_100).watch
    assert watch is not None
    payload = {"symbol": "AAPL", "price": 101, "threshold": 100}
    own = Event(source="stocks", type="price_cross_above", payload=payload, id="c", watch=watch.id, caused_by="e-1")
    assert judge(own, ABOVE_100, WATCHED).outcome is Outcome.WOULD_FIRE
    own.watch = derived_id("watch", "another")
    assert "another threshold or value" in judge(own, ABOVE_100, WATCHED).sentence
    own.watch = ""
    assert "a feed sent this crossing" in judge(own, ABOVE_100, WATCHED).sentence


def test_an_event_by_hand_fires_the_trigger_of_its_type_whatever_it_asks_for() -> None:
    """Its filter is not asked."""
    event = Event(source="manual", type="t", payload={}, id="e")
    row = trigger("t", match_filter={"minute": 90})
    assert judge(event, row, Facts(existed=True, enabled=True, fired=False)).outcome is Outcome.WOULD_FIRE
    event.type = "other"
    assert "fires trigger other by hand" in judge(event, row, Facts()).sentence


def test_the_row_then_is_told_only_when_it_is_certain() -> None:
    """A row that is older than the event was in force; one from between two changes that compaction took is not used."""
    accepted_at = datetime(2026, 6, 11, 19, tzinfo=UTC)
    old, late = trigger("t", updated_at="2026-06-11T18:00:00Z"), trigger("t", updated_at="2026-06-11T20:00:00+00:00")
    assert row_then(accepted_at, old, None) is old
    assert row_then(accepted_at, late, old) is old
    assert row_then(accepted_at, late, late) is None
    assert row_then(accepted_at, Trigger("t", "t", "feed:goal", "agent", "hub"), None) is None


def test_a_group_is_unknown_only_when_nothing_in_it_fails() -> None:
    """False outweighs unknown, and unknown outweighs true."""
    true, false, unknown = Check("a", True), Check("b", False), Check("c", None)
    assert group("", [true, unknown, false]).holds is False
    assert group("", [true, unknown]).holds is None
    assert group("", [true]).holds is True
