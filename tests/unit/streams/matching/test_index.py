"""The index: the same answer as asking every trigger, whatever was added and removed before."""

import random
from typing import Any

import pytest

from streams.event import RESERVED_SOURCES, Event
from streams.language.filter import Test, compile_filter
from streams.matching.index import Index
from streams.trigger import Condition, Trigger, parse_condition
from streams.workspace import DEFAULT_WORKSPACE
from tests.unit.streams.filters import EXPRESSIONS, SOURCES, TYPES, WORKSPACES, random_payload, random_trigger, trigger


class Naive:
    """Every row asked, one after the other; the index beside it."""

    def __init__(self) -> None:
        self.index = Index()
        self.rows: dict[str, tuple[Trigger, Condition, Test]] = {}

    def set(self, row: Trigger) -> None:
        """Add or replace a row."""
        self.remove(row.id)
        condition = parse_condition(row)
        self.rows[row.id] = row, condition, compile_filter(condition.clauses)
        self.index.add(row.id, row.workspace, condition)

    def remove(self, trigger_id: str) -> None:
        """Take a row out, if it is there."""
        if trigger_id in self.rows:
            row, condition, _ = self.rows.pop(trigger_id)
            self.index.remove(trigger_id, row.workspace, condition)

    def matches(self, event: Event) -> list[str]:
        """What the index must answer, sorted."""
        return sorted(
            row.id
            for row, condition, test in self.rows.values()
            if (event.workspace or DEFAULT_WORKSPACE) == row.workspace
            and condition.key.matches(event.source, event.type)
            and test(event.payload)
        )


@pytest.mark.parametrize("seed", range(4))
def test_the_index_agrees_with_asking_every_trigger(seed: int) -> None:
    """Every operator, nested filters, wildcards, lists and patterns, while rows come, change and go: 25,000 pairs a seed."""
    chance = random.Random(seed)
    both, pairs, matched, step = Naive(), 0, 0, 0
    while pairs < 25_000:
        step += 1
        for _ in range(chance.choice([0, 1, 2, 40 if step < 20 else 3])):
            trigger_id = f"t{chance.randrange(300)}"
            if chance.random() < 0.25:
                both.remove(trigger_id)
            else:
                both.set(random_trigger(chance, trigger_id))
        event = Event(chance.choice(SOURCES), chance.choice(TYPES), random_payload(chance))
        event.workspace = chance.choice(["", *WORKSPACES])
        expected = both.matches(event)
        assert sorted(both.index.matches(event)) == expected, f"at step {step}: {event}"
        pairs += len(both.rows)
        matched += len(expected)
    assert matched > pairs / 200, "too few matches to prove anything"
    for trigger_id in list(both.rows):
        both.remove(trigger_id)
    assert nothing_remains(both.index)


@pytest.mark.parametrize("expressions", [("feed:goal",), ("feed:goal", "feed:shot", "f*:go*"), EXPRESSIONS])
def test_what_is_sifted_out_matches_nothing(expressions: tuple[str, ...]) -> None:
    """Equalities on values of every type, events of one kind and of many, odd payloads; and most are sifted out."""
    chance = random.Random(7)
    both, kept, matched = Naive(), 0, 0
    for number in range(400):
        field = chance.choice(["x", "x", "y"])
        both.set(trigger(f"t{number}", chance.choice(expressions), match_filter={field: chance.choice([number, f"{number}"])}))
    for portion in range(60):
        if portion == 40:  # true is equal to 1 in Python, and in no filter
            both.set(trigger("true", "feed:goal", match_filter={"x": True}))
        odd = random_payload if portion % 10 == 9 else lambda _: {chance.choice("xy"): chance.choice([1, True, None, "7"])}
        payloads = [{"x": chance.randrange(4_000)} if chance.random() < 0.9 else odd(chance) for _ in range(128)]
        events = [Event("feed", chance.choice(["goal", "shot"]), payload) for payload in payloads]
        sifted = list(both.index.sift(events))
        assert sifted == sorted(set(sifted))
        may = set(sifted)
        for number, event in enumerate(events):
            expected = both.matches(event)
            matched += bool(expected)
            assert number in may or not expected, f"{event} matches {expected}"
        kept += len(may)
    assert 0 < matched < kept < 60 * 128 / 2


def test_what_touchline_itself_asks_is_never_sifted_out() -> None:
    """An event of a reserved source, and a crossing, concern rows that no event key names."""
    events = [Event(source, "t1", {}) for source in RESERVED_SOURCES] + [Event("feed", "goal", {}, watch="w")] * 2
    assert list(Index().sift(events * 8)) == list(range(8 * len(events)))


def nothing_remains(index: Index) -> bool:
    """Whether an index holds nothing at all."""
    return not any(vars(index).values())


@pytest.mark.parametrize(
    "asked",
    [
        lambda chance: {"n": {chance.choice(["gte", "lt"]): chance.randrange(4_000)}},
        lambda chance: {"n": {"gte": (low := chance.randrange(4_000)), "lt": low + chance.choice([0, 0.1, 3, 1_000])}},
        lambda chance: {"n": {"gt": chance.randrange(4_000)}, "m": {"lte": chance.randrange(50)}},
        lambda chance: {"text": {"contains": f"{chance.randrange(3_000)}"}, "n": {"gt": chance.randrange(9)}},
        lambda chance: {"text": {"prefix": f"{chance.randrange(3_000)}"[: chance.randrange(5)]}},
        lambda chance: {"n": {"ne": chance.randrange(20)}, "m": {"ne": chance.randrange(20)}, "text": {"exists": True}},
        lambda chance: {"m": chance.randrange(3), "n": {"in": chance.sample(range(4_000), 3)}, "text": {"prefix": "1"}},
        lambda chance: {"m": chance.randrange(50), chance.choice(["n", "k"]): {"gte": chance.randrange(4_000)}},
        lambda chance: {f"{chance.choice('abcdefghijklmn')}": {chance.choice(["lt", "ne", "eq"]): chance.randrange(50)}},
        lambda chance: {"any": [{"n": chance.randrange(4_000), "m": 1}, {"n": {"in": [chance.randrange(4_000), 7]}}]},
    ],
    ids=[
        "one bound",
        "band",
        "two bounds",
        "contains",
        "prefix",
        "ne",
        "shared equality",
        "bounds in one place",
        "many fields",
        "any",
    ],
)
def test_many_rows_of_one_key_agree_with_asking_each(asked: Any) -> None:
    """Shelves that are spread out and runs that are split, filled and emptied again, lose nobody."""
    chance = random.Random(5)
    both = Naive()
    for number in range(5_000):
        both.set(trigger(f"t{number}", match_filter=asked(chance)))
    for _ in range(24):
        for _ in range(200):
            both.remove(f"t{chance.randrange(5_000)}")
        n, text = (
            chance.choice([chance.randrange(4_000), chance.random() * 4_000]),
            f"{chance.randrange(10 ** chance.randint(1, 6))}",
        )
        parts = [text[:3], text[:4], text[:3]]
        payload = {"n": n, "k": 4_000 - n, "m": chance.randrange(50), "text": chance.choice([text, parts])}
        payload |= {field: chance.randrange(50) for field in "abcdefghij"}
        event = Event("feed", "goal", payload)
        assert sorted(both.index.matches(event)) == both.matches(event), f"{event}"
    for trigger_id in list(both.rows):
        both.remove(trigger_id)
    assert nothing_remains(both.index)


def test_a_shelf_of_many_fields_is_spread_out_whole() -> None:
    """Bounds of more fields than a shelf finds by looking at each, and then more different tests than it makes."""
    both = Naive()
    for number, field in enumerate("abcdefghijkl"):
        both.set(trigger(f"bound {field}", match_filter={field: {"gte": number}}))
    for number in range(12):
        both.set(trigger(f"test {number}", match_filter={"a": {"ne": number}}))
    for value in (0, 5, 20):
        event = Event("feed", "goal", dict.fromkeys("abcdefghijkl", value))
        assert sorted(both.index.matches(event)) == both.matches(event)
    for trigger_id in list(both.rows):
        both.remove(trigger_id)
    assert nothing_remains(both.index)


def test_thresholds_that_go_from_below_leave_the_others_in_place() -> None:
    """Runs that are emptied one after the other, and thresholds that two rows share."""
    both = Naive()
    for number in range(6_000):
        both.set(trigger(f"t{number}", match_filter={"n": {"gte": number // 2}}))
    for number in range(6_000):
        both.remove(f"t{number}")
        if number % 341 == 0:  # also when the first run has just been emptied
            event = Event("feed", "goal", {"n": number // 2 + 700})
            assert sorted(both.index.matches(event)) == both.matches(event)


def test_a_crossing_concerns_only_those_who_asked_for_it() -> None:
    """Crossing 100 does not fire the one who asked for 90, though 100.3 is above 90 too."""
    both, watches = Naive(), {}
    for threshold in (90, 100):
        row = trigger(f"t{threshold}", "stocks:price_cross_above", match_filter={"symbol": "AAPL", "price": {"gte": threshold}})
        both.set(row)
        watches[threshold] = both.rows[row.id][1].watch
    assert watches[100] is not None
    event = Event("stocks", "price_cross_above", {"symbol": "AAPL", "threshold": 100, "price": 100.3})
    assert list(both.index.matches(event)) == [], "an event of a feed is no crossing"
    event.watch = watches[100].id
    assert list(both.index.matches(event)) == ["t100"]


def test_an_event_reaches_its_own_workspace_only() -> None:
    """By name and by wildcard; an event that names no workspace belongs to the default one."""
    both = Naive()
    for workspace in ("ours", "theirs"):
        both.set(trigger(f"{workspace} exact", workspace=workspace))
        both.set(trigger(f"{workspace} wild", "*:goal", workspace=workspace))
    assert sorted(both.index.matches(Event("feed", "goal", workspace="ours"))) == ["ours exact", "ours wild"]
    assert both.index.matches(Event("feed", "goal")) == []


def test_a_wildcard_row_is_live_for_pairs_that_were_seen_before() -> None:
    """What is remembered of a source:type is asked again when a wildcard comes or goes."""
    both, event = Naive(), Event("error.disk", "full")
    assert list(both.index.matches(event)) == []
    for number in range(5):
        both.set(trigger("t", f"error.*:{'*' * (number + 1)}"))
        assert list(both.index.matches(event)) == ["t"], f"after change {number}"
        both.remove("t")
        assert list(both.index.matches(event)) == []


def test_a_row_that_is_not_there_cannot_be_removed() -> None:
    """The caller is told, and the others stay."""
    both = Naive()
    both.set(trigger("t1", match_filter={"x": 1, "y": {"gt": 1}}))
    for asked in ({}, {"x": 1}, {"x": 2, "y": {"gt": 1}}, {"y": {"gt": 1}}):
        with pytest.raises(KeyError):
            both.index.remove("t1", "default", parse_condition(trigger("t1", match_filter=asked)))
    assert list(both.index.matches(Event("feed", "goal", {"x": 1, "y": 2}))) == ["t1"]
