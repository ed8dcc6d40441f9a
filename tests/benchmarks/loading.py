"""How long a worker takes to load its rows from the compacted topic, and what they then weigh."""

import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import msgspec
import psutil
import uvloop

from connectors.kafka.topics import create_topics
from streams.app import Worker
from streams.settings import Settings
from tests.benchmarks.rowsets import MIX, triggers
from tests.benchmarks.triggers import write_rows
from touchline.stack.kafka import EmbeddedKafka

MIB = 1024 * 1024


class Loading(msgspec.Struct):
    """Seconds until all rows are filed, those of the processor, and the process's resident memory then and at most."""

    rows: int
    seconds: float
    cpu_seconds: float
    memory_mib: float
    peak_mib: float


def measure_loading(rows: int) -> Loading:
    """Write so many rows of the mix to an embedded broker, and load them in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="touchline-bench-") as scratch, EmbeddedKafka(Path(scratch) / "kafka") as kafka:
        settings = Settings(kafka_bootstrap_servers=kafka.bootstrap_servers)
        uvloop.run(_write(settings, rows))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(_load, kafka.bootstrap_servers).result()


async def _write(settings: Settings, rows: int) -> None:
    await create_topics(settings)
    await write_rows(settings, triggers(MIX, rows))


def _load(bootstrap_servers: str) -> Loading:
    return uvloop.run(_load_rows(Settings(kafka_bootstrap_servers=bootstrap_servers)))


async def _load_rows(settings: Settings) -> Loading:
    worker = Worker(settings)  # everything a worker is, of which only the rows are started
    begun, begun_cpu = time.perf_counter(), time.process_time()
    await worker.rows.start()
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - begun_cpu
    memory_mib = psutil.Process().memory_info().rss / MIB
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    await worker.rows.stop()
    return Loading(len(worker.rows.triggers), seconds, cpu_seconds, memory_mib, peak_mib)
