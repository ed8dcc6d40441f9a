"""How long a worker with restored state takes to work again, with each store, and what it then weighs.

The changelog of `edges` is filled with as many watched values as asked for, each once, as after a compaction. Then
`touchline worker`'s own `Worker` starts, in a process of its own, in each way there is to come back:

- with nothing to restore: what joining the group and Faust's own steps take;
- memory: all of the changelog is read;
- rocksdb, cold: the same, onto an empty disk;
- rocksdb, warm: the disk has it all.

A worker is ready when it holds its partitions and reads their events. Records/s are those since it asked to
join the group, which takes its own time.
"""

import asyncio
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop
from aiokafka import AIOKafkaProducer

from connectors.kafka.topics import create_topics
from streams.app import Worker
from streams.crossings.edge import Edge
from streams.settings import Settings
from tests.environment import installation_environment
from touchline.stack.kafka import EmbeddedKafka

PARTITIONS = 8
KEYS_A_BATCH = 10_000
"""Watched values in one record batch of the changelog: about 1 MB, the most a worker writes at once."""
READY_SECONDS = 300.0
LOOK_SECONDS = 0.005
MIB = 1024 * 1024

_encode = msgspec.json.Encoder().encode


class Restarted(msgspec.Struct):
    """What one worker tells: seconds from its first line until it was ready, and of these since it asked to join."""

    ready_seconds: float
    joined_seconds: float
    records: int
    memory_mib: float


async def measure_restart(keys: int) -> dict[str, Any]:
    """Figures by name, for this many watched values: seconds until ready, records restored a second, resident MiB."""
    figures: dict[str, Any] = {"watched values": keys}
    with tempfile.TemporaryDirectory(prefix="touchline-bench-") as scratch, EmbeddedKafka(Path(scratch) / "kafka") as kafka:
        settings = Settings(
            kafka_bootstrap_servers=kafka.bootstrap_servers, partitions=PARTITIONS, store_directory=Path(scratch) / "store"
        )
        await create_topics(settings)
        figures |= _told("nothing to restore", await _restart(settings))
        await _fill(settings, keys)
        figures |= _told("memory", await _restart(settings))
        on_disk = settings.model_copy(update={"store": "rocksdb"})
        figures |= _told("rocksdb, cold", await _restart(on_disk))
        figures |= _told("rocksdb, warm", await _restart(on_disk))
    return figures


def _told(name: str, restarted: Restarted) -> dict[str, float]:
    told = {f"{name}: seconds until ready": restarted.ready_seconds, f"{name}: MiB": restarted.memory_mib}
    if restarted.records > PARTITIONS:  # recovery reads the last record that is held again
        told[f"{name}: records/s"] = restarted.records / restarted.joined_seconds
    return told


async def _fill(settings: Settings, keys: int) -> None:
    """Write the changelog as a worker does, in record batches."""
    topic = f"{settings.group}-edges-changelog"
    client = settings.kafka_client()
    async with AIOKafkaProducer(**client, acks="all", max_batch_size=2 * MIB, max_request_size=2 * MIB) as producer:
        sent = []
        for start in range(0, keys, KEYS_A_BATCH):
            batch = producer.create_batch()
            for number in range(start, min(start + KEYS_A_BATCH, keys)):
                key = f"stocks\x1f{uuid.UUID(int=number)}".encode()
                batch.append(key=key, value=_encode(Edge(number, across=number % 2 == 0)), timestamp=None)
            sent.append(await producer.send_batch(batch, topic, partition=start // KEYS_A_BATCH % PARTITIONS))
        await asyncio.gather(*sent)


async def _restart(settings: Settings) -> Restarted:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.restart",
        env=installation_environment(settings),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"the worker ended with {process.returncode}:\n{output.decode(errors='replace')}"
    return msgspec.json.decode(output.splitlines()[-1], type=Restarted)


async def _work(began_at: float) -> None:
    """The process that is measured: a worker until it is ready, which then leaves in good order."""
    worker, stop = Worker(Settings()), asyncio.Event()
    joined_at: list[float] = []

    async def note(_app: Any, _revoked: Any, **_: Any) -> None:
        joined_at.append(time.monotonic())

    worker.app.on_partitions_revoked.connect(note, weak=False)  # before a worker joins, and for the first time of nothing
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(READY_SECONDS):
        while not joined_at or worker.app.rebalancing:
            await asyncio.sleep(LOOK_SECONDS)
    now = time.monotonic()
    records = sum(table.restored.total() for table in worker.app.tables.values())
    restarted = Restarted(now - began_at, now - joined_at[0], records, psutil.Process().memory_info().rss / MIB)
    stop.set()
    await running
    print(_encode(restarted).decode(), flush=True)
    os._exit(0)  # as any worker: Faust's threads do not end by themselves


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(_work(time.monotonic()))
