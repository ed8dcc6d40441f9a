"""The triggers that match is measured with, as rows on the `triggers` topic, and what they must fire on."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
from aiokafka import AIOKafkaProducer

from streams.change import Change, Origin
from streams.settings import Settings
from streams.topics import SOURCES, TRIGGERS
from streams.trigger import Source, Trigger
from tests.benchmarks.feed import EVENT_TYPE, ORDER_EVERY, SEED, SOURCE, SYMBOLS, THRESHOLD, Truth, ticks
from tests.benchmarks.truth import Fired

UNIVERSE = 1_000_000
"""Symbols that triggers ask for; the feed carries the first 5,000. So with 100,000 triggers one price in twelve fires one."""
ORDERS = 5_000_000
"""Order numbers that triggers ask for, as many as the longest feed has prices."""


def crossing_triggers() -> Iterator[Trigger]:
    """One trigger a symbol that watches its price: the job of detect."""
    for number in range(SYMBOLS):
        chosen: dict[str, object] = {"symbol": f"S{number}", "price": {"gte": THRESHOLD}}
        yield _trigger(f"cross-{number}", f"{EVENT_TYPE}_cross_above", chosen)


def mixed_triggers(count: int) -> Iterator[Trigger]:
    """40 % one equality, 30 % equality and range, 20 % `in` and range, 10 % a rare id. A smaller count is a prefix."""
    chance = random.Random(SEED)
    for number in range(count):
        symbols = [f"S{chance.randrange(UNIVERSE)}" for _ in range(3)]
        price = {"gte": chance.randrange(THRESHOLD - 10, THRESHOLD + 10)}
        order = f"O{chance.randrange(ORDERS // ORDER_EVERY) * ORDER_EVERY}"
        asked: dict[str, object]
        match number % 10:
            case 0 | 1 | 2 | 3:
                asked = {"symbol": symbols[0] if number else "S0"}  # the first fires, also when it is the only one
            case 4 | 5 | 6:
                asked = {"symbol": symbols[0], "price": price}
            case 7 | 8:
                asked = {"symbol": {"in": symbols}, "price": price}
            case _:
                asked = {"order": order}
        yield _trigger(f"mixed-{number}", EVENT_TYPE, asked)


def _trigger(name: str, event_type: str, match_filter: dict[str, object]) -> Trigger:
    return Trigger(name, name, f"{SOURCE}:{event_type}", "agent", "hub", match_filter=match_filter)


def firings(records: int, truth: Truth, mixed: int) -> Fired:
    """What the crossing triggers and the first `mixed` others must fire on; a second reading of the filters, by hand."""
    fired: Fired = Counter()
    for symbol, prices in truth.items():
        fired.update((f"cross-{symbol.removeprefix('S')}", symbol, price) for price in prices)
    by_symbol: dict[str, list[tuple[str, float]]] = {}
    by_order: dict[str, list[str]] = {}
    for trigger in mixed_triggers(mixed):
        asked = trigger.match_filter or {}
        if "order" in asked:
            by_order.setdefault(asked["order"], []).append(trigger.id)
            continue
        symbols = asked["symbol"]["in"] if isinstance(asked["symbol"], dict) else [asked["symbol"]]
        for symbol in set(symbols):
            by_symbol.setdefault(symbol, []).append((trigger.id, asked.get("price", {"gte": 0})["gte"]))
    for symbol, price, order in ticks(records):
        for trigger_id, least in by_symbol.get(symbol, ()):
            if price >= least:
                fired[trigger_id, symbol, price] += 1
        for trigger_id in by_order.get(order, ()) if order else ():
            fired[trigger_id, symbol, price] += 1
    return fired


async def write_rows(settings: Settings, triggers: Iterable[Trigger]) -> None:
    """Put these rows on the `triggers` topic as the connector does, and the source, spread by subject, on `sources`."""
    producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", linger_ms=5, max_batch_size=256 * 1024)
    await producer.start()
    origin, at_ms = Origin(lsn=1), time.time_ns() // 1_000_000
    source = Change(None, Source(SOURCE, spread="subject"), "c", origin, at_ms)
    await producer.send(SOURCES.full_name(settings), msgspec.json.encode(source), key=SOURCE.encode())
    for trigger in triggers:
        row = msgspec.json.encode(Change(None, trigger, "c", origin, at_ms))
        await producer.send(TRIGGERS.full_name(settings), row, key=trigger.id.encode())
    await producer.stop()
