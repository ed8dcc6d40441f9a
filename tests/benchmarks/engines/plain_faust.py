"""Faust as its guide shows it: an agent, a record at a time, a table. Run with `faust -A …plain_faust worker`."""

import os
from typing import Any

import faust

THRESHOLD = 100

app = faust.App(
    os.environ["BENCH_GROUP"],
    broker=f"kafka://{os.environ['BENCH_KAFKA']}",
    store="memory://",
    topic_partitions=int(os.environ["BENCH_PARTITIONS"]),
    web_enabled=False,
)


class Payload(faust.Record):  # type: ignore[misc]  # faust ships no complete types
    symbol: str
    price: float


class Tick(faust.Record):  # type: ignore[misc]  # faust ships no complete types
    source: str
    type: str
    payload: Payload


events = app.topic(os.environ["BENCH_EVENTS"], key_type=bytes, value_type=Tick)
crossings = app.topic(os.environ["BENCH_CROSSINGS"], key_type=bytes)
sides = app.Table("sides")


@app.agent(events)  # type: ignore[untyped-decorator]  # faust ships no complete types
async def detect(stream: Any) -> None:
    """Compare each price with the side its symbol was on."""
    async for key, tick in stream.items():
        symbol, price = tick.payload.symbol, tick.payload.price
        across = price >= THRESHOLD
        before = sides.get(symbol)
        if before == across:
            continue
        sides[symbol] = across
        if across and before is not None:
            told = {"symbol": symbol, "threshold": THRESHOLD, "price": price}
            await crossings.send(key=key, value={"source": "stocks", "type": "price_cross_above", "payload": told})
