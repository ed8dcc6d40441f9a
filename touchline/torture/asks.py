"""The triggers of a run, and what must come of each: computed from the feed alone. Pure."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from touchline.torture.feed import ARENA, EXCHANGES, LINES, MARKET, MARKET_SYMBOLS, Fact
from touchline.torture.price_walk import ABOVE, BELOW, Price, crossings

HUB_ID = "torture"
AGENT_ID = "victim"
FRESH_INSTANCE = "victim-{run_id}"
MIDDLE = 100
"""The threshold of the one trigger that watches every symbol of the market."""


class Ask(NamedTuple):
    """One trigger: a name of our own for it, its row, and the ids of the facts that must fire it, once each."""

    label: str
    row: dict[str, Any]
    expected: list[str]


def is_ordered(row: dict[str, Any]) -> bool:
    """Whether a trigger delivers to one static instance, and so in the order of each key."""
    return bool(row["agent_instance_id"] != FRESH_INSTANCE)


def trigger_row(label: str, expression: str, match_filter: dict[str, Any] | None = None, **columns: Any) -> dict[str, Any]:
    """A row that delivers to a static instance of its own."""
    return {
        "name": label,
        "schedule_type": "event",
        "schedule_expression": expression,
        "match_filter": match_filter,
        "agent_id": AGENT_ID,
        "agent_instance_id": f"desk {label}",
        "hub_id": HUB_ID,
        "supervisor_message": label,
    } | columns


def plan_asks(seed: int, facts: Sequence[Fact]) -> list[Ask]:
    """All triggers that live for the whole run."""
    chance = random.Random(f"{seed}/asks")  # noqa: S311 -- a seed must replay
    by_source: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_source[fact.source].append(fact)
    asks = [ask for source in (*LINES, ARENA) for ask in _plain(source, by_source[source])]
    for source, symbols in {MARKET: MARKET_SYMBOLS, **EXCHANGES}.items():
        asks += _of_prices(source, symbols, by_source[source], chance)
    return [*asks, _any_of_market(by_source[MARKET])]


def _plain(source: str, facts: Sequence[Fact]) -> Iterator[Ask]:
    """An exact one (but for the arena, whose every move would be too much for one instance), and three with a filter."""
    expression = f"{source}:move"
    if source != ARENA:
        yield Ask(f"{source} all", trigger_row(f"{source} all", expression), [fact.id for fact in facts])
    filters: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], bool], dict[str, Any]]] = {
        "red": ({"colour": "red"}, lambda payload: payload["colour"] == "red", {}),
        "high": ({"level": {"gte": 8}}, lambda payload: payload["level"] >= 8, {}),
        "low blue": (
            {"colour": "blue", "level": {"lt": 3}},
            lambda payload: payload["colour"] == "blue" and payload["level"] < 3,
            {"agent_instance_id": FRESH_INSTANCE},
        ),
    }
    for name, (match_filter, wants, columns) in filters.items():
        label = f"{source} {name}"
        expected = [fact.id for fact in facts if wants(fact.payload)]
        yield Ask(label, trigger_row(label, expression, match_filter, **columns), expected)


def _of_prices(source: str, symbols: Iterable[str], facts: Sequence[Fact], chance: random.Random) -> Iterator[Ask]:
    """One trigger a symbol, up or down, and for every fourth symbol the other way round too."""
    prices: dict[str, list[Price]] = defaultdict(list)
    for fact in facts:
        prices[fact.payload["symbol"]].append(Price(fact.id, fact.payload["price"]))
    for symbol in symbols:
        threshold = chance.randint(97, 103)
        directions = [ABOVE, BELOW] if chance.random() < 0.25 else [chance.choice([ABOVE, BELOW])]
        for direction in directions:
            label = f"{source} {symbol} {direction} {threshold}"
            bound = {"gte" if direction == ABOVE else "lte": threshold}
            row = trigger_row(label, f"{source}:{direction}", {"symbol": symbol, "price": bound})
            yield Ask(label, row, crossings(direction, threshold, prices[symbol]))


def _any_of_market(facts: Sequence[Fact]) -> Ask:
    """One trigger without an equality: every subject is a watched value of its own."""
    prices: dict[str | None, list[Price]] = defaultdict(list)
    for fact in facts:
        prices[fact.subject].append(Price(fact.id, fact.payload["price"]))
    label = f"market any {ABOVE} {MIDDLE}"
    expected = [fact_id for walked in prices.values() for fact_id in crossings(ABOVE, MIDDLE, walked)]
    return Ask(label, trigger_row(label, f"{MARKET}:{ABOVE}", {"price": {"gte": MIDDLE}}), expected)
