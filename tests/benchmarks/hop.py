"""A yardstick for latency: from a producer through a bare loop to a consumer, on the same broker and in the same run.

What touchline promises in milliseconds was promised beside a bare hop of 2.5 ms at p50; where that takes longer, the machine is
slower, or has less left.
"""

import asyncio
import sys
import time
import uuid
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.acceptance.installation import command_environment
from tests.benchmarks.broker import Broker
from tests.benchmarks.feed import PARTITIONS
from tests.benchmarks.whole import WARM_UP_SHARE, percentile
from tests.waiting import eventually
from touchline.stack.guardian import start_guarded

READY_SECONDS = 30.0
ARRIVED_SECONDS = 30.0


class Hop(msgspec.Struct):
    """Milliseconds from before a record is sent until it is read from the second topic."""

    events_per_second: int
    p50_ms: float
    p99_ms: float


async def measure_hop(bootstrap_servers: str, events_per_second: int, seconds: int, scratch: Path) -> Hop:
    """Each record at its time, whether or not those before it have come. Raises AssertionError when not all do."""
    come, go = (f"hop-{which}-{uuid.uuid4().hex[:8]}" for which in ("come", "go"))
    async with Broker(bootstrap_servers) as broker:
        await broker.make_topic(come)
        await broker.make_topic(go)
    environment = {"BENCH_KAFKA": bootstrap_servers, "BENCH_COME": come, "BENCH_GO": go}
    command = [sys.executable, "-m", "tests.benchmarks.engines.bare_hop"]
    process = start_guarded(command, environment=command_environment(environment), log_path=scratch / "hop.log")
    run = _Run(bootstrap_servers, come, go)
    try:
        return await run.measure(events_per_second, seconds)
    finally:
        await run.stop()
        await asyncio.to_thread(process.stop)


class _Run:
    """Both ends of the hop."""

    def __init__(self, bootstrap_servers: str, come: str, go: str) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
        self._consumer = AIOKafkaConsumer(go, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        self._topic = come
        self._arrived_at: dict[int, float] = {}
        self._reading: asyncio.Task[None] | None = None

    async def measure(self, events_per_second: int, seconds: int) -> Hop:
        await self._producer.start()
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())
        await self._answered()
        events, began = events_per_second * seconds, time.monotonic()
        sent_at = [0.0] * events
        for number in range(events):
            await asyncio.sleep(began + number / events_per_second - time.monotonic())  # at once when that is past
            sent_at[number] = time.monotonic()
            await self._send(number)
        await eventually(lambda: len(self._arrived_at) == PARTITIONS + events, ARRIVED_SECONDS, "all have come")
        took_ms = [(self._arrived_at[n] - sent_at[n]) * 1000 for n in range(int(events * WARM_UP_SHARE), events)]
        return Hop(events_per_second, percentile(took_ms, 0.5), percentile(took_ms, 0.99))

    async def stop(self) -> None:
        """Disconnect."""
        if self._reading is not None:
            self._reading.cancel()
        await self._consumer.stop()
        await self._producer.stop()

    async def _answered(self) -> None:
        """Return when the loop is at work in every partition."""
        for number in range(-PARTITIONS, 0):
            await self._send(number)
        await eventually(lambda: len(self._arrived_at) == PARTITIONS, READY_SECONDS, "the bare loop is at work")

    async def _send(self, number: int) -> None:
        await self._producer.send(self._topic, str(number).encode(), partition=number % PARTITIONS)

    async def _read(self) -> None:
        async for record in self._consumer:
            self._arrived_at[int(record.value)] = time.monotonic()
