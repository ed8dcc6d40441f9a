"""The data all engines get: prices of many symbols, in an order that is the same in every run, and the truth about them."""

import asyncio
import math
import random
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from streams.topics import partition_of

SOURCE, EVENT_TYPE = "stocks", "price"
SYMBOLS = 5_000
"""Values that are watched: as many keys of state."""
THRESHOLD = 100
FLIP_SHARE = 0.1
"""How many prices lie on the other side than the one before: half of them cross upward, 5 % of all."""
ORDER_EVERY = 1_000
"""Every so many prices one carries the number of an order, which no other does."""
PARTITIONS = 8
SOURCE_BATCH_BYTES = 64 * 1024
"""Record batches of the source are as large as a busy feed's."""
SEED = 2026

Truth = dict[str, list[float]]
"""Each symbol's upward crossings, by price, in order."""


class Tick(NamedTuple):
    """One price. `order` is set on a few."""

    symbol: str
    price: float
    order: str | None


def ticks(count: int) -> Iterator[Tick]:
    """The first `count` prices. Each symbol begins below the threshold."""
    random_number = random.Random(SEED).random
    symbols = [f"S{number}" for number in range(SYMBOLS)]
    above = [False] * SYMBOLS
    for number in range(count):
        symbol = int(random_number() * SYMBOLS)
        if random_number() < FLIP_SHARE:
            above[symbol] = not above[symbol]
        cents = int(random_number() * 1_000) + (10_000 if above[symbol] else 9_000)
        yield Tick(symbols[symbol], cents / 100, None if number % ORDER_EVERY else f"O{number}")


def crossings(count: int) -> Truth:
    """What must come of the first `count` prices. The first price of a symbol sets its side and crosses nothing."""
    truth: Truth = {}
    sides: dict[str, bool] = {}
    for symbol, price, _ in ticks(count):
        across = price >= THRESHOLD
        if across and sides.get(symbol) is False:
            truth.setdefault(symbol, []).append(price)
        sides[symbol] = across
    return truth


def value_of(tick: Tick) -> bytes:
    """The record's value, as touchline's `events` topic takes it."""
    order = f',"order":"{tick.order}"' if tick.order else ""
    return (
        f'{{"source":"{SOURCE}","type":"{EVENT_TYPE}","subject":"{tick.symbol}",'
        f'"payload":{{"symbol":"{tick.symbol}","price":{tick.price:.2f}{order}}}}}'
    ).encode()


async def fill(bootstrap_servers: str, topic: str, count: int, per_second: float = math.inf) -> None:
    """Write the first `count` prices to a topic, keyed source/symbol, where Kafka's own partitioner puts that key.

    Not faster than `per_second`; by default as fast as it goes.
    """
    began = time.monotonic()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", max_batch_size=SOURCE_BATCH_BYTES)
    await producer.start()
    places: dict[str, tuple[bytes, int]] = {}
    batches: list[Any] = [producer.create_batch() for _ in range(PARTITIONS)]
    for number, tick in enumerate(ticks(count)):
        place = places.get(tick.symbol)
        if place is None:
            key = f"{SOURCE}/{tick.symbol}".encode()
            place = places[tick.symbol] = key, partition_of(key, PARTITIONS)
        key, partition = place
        value = value_of(tick)
        if batches[partition].append(timestamp=None, key=key, value=value) is None:
            await producer.send_batch(batches[partition], topic, partition=partition)
            await asyncio.sleep(began + number / per_second - time.monotonic())  # at once when that is past
            batches[partition] = producer.create_batch()
            batches[partition].append(timestamp=None, key=key, value=value)
    for partition, batch in enumerate(batches):
        await producer.send_batch(batch, topic, partition=partition)
    await producer.stop()
