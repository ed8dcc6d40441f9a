"""The bare loop: one aiokafka consumer, a dictionary of sides, record batches out. What Python can do with nothing around it.

It cannot share the work, restore its state, or say what it did; it is the ceiling that others are compared with.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

EVENTS, CROSSINGS, SIDES = (os.environ[f"BENCH_{name}"] for name in ("EVENTS", "CROSSINGS", "SIDES"))
THRESHOLD = 100
COMMIT_SECONDS = 0.5
"""As often as touchline commits."""
BATCH_BYTES = 1024 * 1024


class Payload(msgspec.Struct):
    symbol: str
    price: float


class Tick(msgspec.Struct):
    payload: Payload


Pair = tuple[bytes, bytes]
decode, encode = msgspec.json.Decoder(Tick).decode, msgspec.json.Encoder().encode
sides: dict[str, bool] = {}


def judge(records: Sequence[Any]) -> tuple[list[Pair], dict[str, bool]]:
    """The crossings among these records, and the sides that changed."""
    crossed: list[Pair] = []
    changed: dict[str, bool] = {}
    for record in records:
        payload = decode(record.value).payload
        symbol, price = payload.symbol, payload.price
        across = price >= THRESHOLD
        before = sides.get(symbol)
        if before is across:
            continue
        sides[symbol] = changed[symbol] = across
        if across and before is not None:
            told = {"symbol": symbol, "threshold": THRESHOLD, "price": price}
            crossed.append((record.key, encode({"source": "stocks", "type": "price_cross_above", "payload": told})))
    return crossed, changed


async def send(producer: Any, topic: str, partition: int, pairs: list[Pair]) -> list[Any]:
    """Send these as record batches; one future a batch, done when it is acknowledged."""
    acks = []
    batch = producer.create_batch()
    for key, value in pairs:
        if batch.append(timestamp=None, key=key, value=value) is None:
            acks.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value)
    if pairs:
        acks.append(await producer.send_batch(batch, topic, partition=partition))
    return acks


async def main() -> None:
    """Run until killed. While one round is on its way to the broker, the next is judged."""
    servers = os.environ["BENCH_KAFKA"]
    consumer = AIOKafkaConsumer(
        EVENTS,
        bootstrap_servers=servers,
        group_id=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES)
    await producer.start()
    await consumer.start()
    landing: list[Any] = []
    reached: dict[Any, int] = {}
    done: dict[Any, int] = {}
    committed_at = time.monotonic()
    while True:
        fetched = await consumer.getmany(timeout_ms=100)
        acks: list[Any] = []
        for tp, records in fetched.items():
            crossed, changed = judge(records)
            acks += await send(producer, CROSSINGS, tp.partition, crossed)
            acks += await send(producer, SIDES, tp.partition, [(key.encode(), encode(side)) for key, side in changed.items()])
        await asyncio.gather(*landing)
        done |= reached
        landing, reached = acks, {tp: records[-1].offset + 1 for tp, records in fetched.items()}
        if done and time.monotonic() - committed_at > COMMIT_SECONDS:
            await consumer.commit(done)
            done, committed_at = {}, time.monotonic()


if __name__ == "__main__":
    uvloop.run(main())
