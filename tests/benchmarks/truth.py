"""Whether an engine's output is the truth: each crossing once, in its symbol's order, and each firing once."""

from collections import Counter
from typing import Any

import msgspec

from tests.benchmarks.broker import Broker
from tests.benchmarks.feed import Truth


class _Payload(msgspec.Struct):
    symbol: str
    price: float


class _Event(msgspec.Struct):
    payload: _Payload


class _Firing(msgspec.Struct):
    trigger_id: str
    event: _Event


Fired = Counter[tuple[str, str, float]]
"""How often each trigger fired on a price: trigger id, symbol, price."""


async def check_crossings(truth: Truth, broker: Broker, topic: str, since: dict[Any, int]) -> None:
    """Raises AssertionError saying how many symbols are wrong, and how one of them is."""
    found: Truth = {}
    decode = msgspec.json.Decoder(_Event).decode
    async for record in broker.read(topic, since):
        payload = decode(record.value).payload
        found.setdefault(payload.symbol, []).append(payload.price)
    wrong = [symbol for symbol in truth.keys() | found.keys() if truth.get(symbol) != found.get(symbol)]
    if wrong:
        symbol = min(wrong)
        raise AssertionError(f"{len(wrong)} symbols are wrong; {symbol}: {found.get(symbol)}, not {truth.get(symbol)}")


async def check_firings(truth: Fired, broker: Broker, topic: str, since: dict[Any, int]) -> None:
    """Raises AssertionError saying how many firings are lost and how many nobody asked for."""
    found: Fired = Counter()
    decode = msgspec.json.Decoder(_Firing).decode
    async for record in broker.read(topic, since):
        firing = decode(record.value)
        found[firing.trigger_id, firing.event.payload.symbol, firing.event.payload.price] += 1
    lost, added = truth - found, found - truth
    if lost or added:
        raise AssertionError(
            f"{lost.total():,} firings are lost and {added.total():,} too many, such as {(lost + added).most_common(3)}"
        )
