"""Executions: how far Postgres lags behind their topic, what a record costs, and how long a page of a list takes.

A broker, a Postgres, `touchline connect` and `touchline ingest`, each a process; the records are written here, as gate and
dispatch write them.
"""

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil
from aiokafka import AIOKafkaProducer

import migrations
from connectors.kafka.topics import create_topics
from streams.event import Lineage, derived_id
from streams.execution import Execution, Status, encode
from streams.settings import Settings
from streams.topics import EXECUTIONS, partition_of
from tests.benchmarks.lean_http import LeanClient
from tests.benchmarks.whole import percentile
from tests.environment import installation_environment
from tests.waiting import eventually
from touchline.stack.kafka import EmbeddedKafka
from touchline.stack.ports import any_free_port
from touchline.stack.postgres import EmbeddedPostgres

EXECUTIONS_LISTED = 100_000
RECORDS_PER_SECOND = 2_000
TRIGGERS, HUBS, WORKSPACES = 50, 20, 3
TICK_SECONDS = 0.01
RUNNING_AFTER_TICKS, ENDED_AFTER_TICKS = 5, 25
"""A hub answers after 50 ms, an agent after 250: so a record's batch holds no other of its execution, and each is written."""
LOOK_SECONDS = 0.005
WARM_UP_SECONDS = 2
PAGES, WARM_UP = 300, 20
ENDS = {0: Status.FAILED, 1: Status.CANCELLED, 2: Status.TIMED_OUT}
"""Of each thousand executions; the rest are completed."""
CAUGHT_UP_SECONDS = 600.0


class Lag(msgspec.Struct):
    """Records written at a pace: milliseconds from a record's sending to the commit that projects it.

    CPU seconds are those of 10,000 records, by process.
    """

    records_per_second: float
    seconds: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    cpu_seconds: dict[str, float]


class CatchUp(msgspec.Struct):
    """Records that lay there already: how many a second, and CPU seconds of 10,000."""

    records: int
    records_per_second: float
    cpu_seconds: dict[str, float]


class Listed(msgspec.Struct):
    """A page of a list over HTTP, again and again."""

    asked: str
    rows: int
    p50_ms: float
    p99_ms: float


class ExecutionFigures(msgspec.Struct):
    """All of it."""

    executions: int
    lag: Lag
    catch_up: CatchUp
    lists: list[Listed]


class _Installation:
    """The processes, and how much of the processor each has used."""

    def __init__(self, settings: Settings, api: str, processes: dict[str, psutil.Process]) -> None:
        self.settings = settings
        self.api = api
        self._processes = processes

    def cpu_seconds(self) -> dict[str, float]:
        """By process, its children included."""
        return {name: sum(map(_used, [own, *own.children()])) for name, own in self._processes.items()}


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


async def measure_executions(
    scratch: Path, seconds: int, say: Callable[[str], None], executions: int = EXECUTIONS_LISTED
) -> ExecutionFigures:
    """The lag first, on tables that fill; then the rest at once; then the lists."""
    async with _installed(scratch) as installation:
        settings = installation.settings
        connection = await asyncpg.connect(settings.database_url, server_settings={"search_path": settings.database_schema})
        producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", linger_ms=1)
        await producer.start()
        try:
            lives = _lives(executions)
            lag = await _measure_lag(installation, connection, producer, lives, seconds)
            say(f"  {lag.records_per_second:,.0f} records/s: lag p50 {lag.p50_ms} ms, p99 {lag.p99_ms} ms, most {lag.most_ms}")
            catch_up = await _measure_catch_up(installation, connection, producer, lives)
            say(f"  {catch_up.records:,} records at once: {catch_up.records_per_second:,.0f}/s, CPU {catch_up.cpu_seconds}")
            await connection.execute("ANALYZE executions")  # as autovacuum does within a minute
            lists = await _measure_lists(installation, connection, say)
            return ExecutionFigures(executions, lag, catch_up, lists)
        finally:
            await producer.stop()
            await connection.close()


@asynccontextmanager
async def _installed(scratch: Path) -> AsyncIterator[_Installation]:
    with EmbeddedKafka(scratch / "kafka") as kafka, EmbeddedPostgres(scratch / "postgres") as postgres, ExitStack() as running:
        settings = Settings(
            kafka_bootstrap_servers=kafka.bootstrap_servers, database_url=postgres.url, authentication="none", log_format="json"
        )
        await create_topics(settings)
        await migrations.apply(settings.database_url, settings.database_schema)
        port = any_free_port()
        (pid_file,) = (scratch / "postgres").rglob("postmaster.pid")
        processes = {"postgres": psutil.Process(int(pid_file.read_text().split()[0]))}
        for name, arguments in {"connect": ["connect"], "ingest": ["ingest", "--port", str(port)]}.items():
            process = _started(arguments, settings, scratch / f"{name}.log")
            running.callback(process.wait, 30)
            running.callback(process.terminate)
            processes[name] = psutil.Process(process.pid)
        yield _Installation(settings, f"http://127.0.0.1:{port}", processes)


def _started(arguments: list[str], settings: Settings, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "touchline.cli", *arguments],
            env=installation_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _lives(executions: int) -> Iterator[list[Execution]]:
    """Each execution's records, as gate and dispatch tell them."""
    for number in range(executions):
        trigger_id = _trigger_id(number % TRIGGERS)
        event_id = f"event-{number:08}"
        execution_id = derived_id("execution", trigger_id, event_id)
        known: dict[str, Any] = {
            "workspace": f"team-{number % TRIGGERS % WORKSPACES}",
            "hub_id": f"hub-{number % TRIGGERS % HUBS}",
            "agent_id": f"agent-{number % TRIGGERS}",
            "agent_instance_id": f"agent-{number % TRIGGERS}-{execution_id}",
        }
        payload = {"symbol": f"S{number % 500}", "price": 100.25, "venue": "XNAS", "note": "x" * 200}
        lineage = Lineage(event_id, [trigger_id], 1, execution_id, "s" * 44)
        end = ENDS.get(number % 1000, Status.COMPLETED)
        yield [
            Execution(execution_id, trigger_id, Status.PENDING, 0, event_id, input=payload, lineage=lineage, **known),
            Execution(execution_id, trigger_id, Status.RUNNING, 0, attempts=1, **known),
            Execution(execution_id, trigger_id, end, 0, attempts=1, output="The price is above 100 now: 100.25", **known),
        ]


def _trigger_id(number: int) -> str:
    return derived_id("benchmark", "executions", f"{number}")


async def _send(producer: AIOKafkaProducer, settings: Settings, execution: Execution) -> "tuple[int, asyncio.Future[Any]]":
    execution.at_ms = time.time_ns() // 1_000_000
    key = execution.trigger_id.encode()
    partition = partition_of(key, settings.partitions)
    topic = EXECUTIONS.full_name(settings)
    return partition, await producer.send(topic, encode(execution), key=key, partition=partition)


async def _measure_lag(
    installation: _Installation,
    connection: asyncpg.Connection,
    producer: AIOKafkaProducer,
    lives: Iterator[list[Execution]],
    seconds: int,
) -> Lag:
    """Write at the pace; beside it, look how far the table of positions says that the projection is."""
    projected_at: dict[int, list[tuple[int, float]]] = defaultdict(list)
    looking = asyncio.create_task(_look(connection, projected_at))
    warmed = _ends(await _write(installation.settings, producer, lives, WARM_UP_SECONDS))
    await eventually(lambda: _reached(projected_at, warmed), CAUGHT_UP_SECONDS, "the connector works")
    before, began = installation.cpu_seconds(), time.monotonic()
    sent = await _write(installation.settings, producer, lives, seconds)
    took_seconds = time.monotonic() - began
    ends = _ends(sent)
    await eventually(lambda: _reached(projected_at, ends), CAUGHT_UP_SECONDS, "all that was written is projected")
    after = installation.cpu_seconds()
    looking.cancel()
    lag_ms = []
    for partition, offset, sent_at in sent:
        seen_at = next(at for next_offset, at in projected_at[partition] if next_offset > offset)
        lag_ms.append((seen_at - sent_at) * 1000)
    return Lag(
        records_per_second=round(_pace(sent), 1),
        seconds=round(took_seconds, 1),
        p50_ms=percentile(lag_ms, 0.5),
        p99_ms=percentile(lag_ms, 0.99),
        most_ms=round(max(lag_ms), 1),
        cpu_seconds=_each_10_000(before, after, len(sent)),
    )


def _pace(sent: list[tuple[int, int, float]]) -> float:
    """Records a second between the first and the last second: executions begin to run, and end, one after the other."""
    since, until = sent[0][2] + 1, sent[-1][2] - 1
    return sum(since <= at < until for _, _, at in sent) / (until - since)


def _ends(sent: list[tuple[int, int, float]]) -> dict[int, int]:
    return {partition: offset + 1 for partition, offset, _ in sent}


def _reached(projected_at: dict[int, list[tuple[int, float]]], ends: dict[int, int]) -> bool:
    return all(projected_at[partition] and projected_at[partition][-1][0] >= end for partition, end in ends.items())


async def _write(
    settings: Settings, producer: AIOKafkaProducer, lives: Iterator[list[Execution]], seconds: int
) -> list[tuple[int, int, float]]:
    """Records at the pace, each execution's a while apart: partition, offset and when it was sent."""
    ticks = round(seconds / TICK_SECONDS)
    due: dict[int, list[Execution]] = defaultdict(list)
    sent: list[tuple[int, float, asyncio.Future[Any]]] = []
    begun, began = 0, time.monotonic()
    for tick in range(ticks + ENDED_AFTER_TICKS + 1):
        wanted = round(min(tick + 1, ticks) * TICK_SECONDS * RECORDS_PER_SECOND / 3)
        for life in islice(lives, wanted - begun):
            for record, after in zip(life, (0, RUNNING_AFTER_TICKS, ENDED_AFTER_TICKS), strict=True):
                due[tick + after].append(record)
        begun = wanted
        for record in due.pop(tick, ()):
            now = time.monotonic()
            partition, acked = await _send(producer, settings, record)
            sent.append((partition, now, acked))
        await asyncio.sleep(max(0.0, began + (tick + 1) * TICK_SECONDS - time.monotonic()))
    return [(partition, (await acked).offset, at) for partition, at, acked in sent]


async def _look(connection: asyncpg.Connection, projected_at: dict[int, list[tuple[int, float]]]) -> None:
    while True:
        for partition, next_offset in await connection.fetch("SELECT topic_partition, next_offset FROM execution_positions"):
            seen = projected_at[partition]
            if not seen or seen[-1][0] < next_offset:
                seen.append((next_offset, time.monotonic()))
        await asyncio.sleep(LOOK_SECONDS)


async def _measure_catch_up(
    installation: _Installation, connection: asyncpg.Connection, producer: AIOKafkaProducer, lives: Iterator[list[Execution]]
) -> CatchUp:
    """Write what is left as fast as it goes; it is projected meanwhile and after."""
    before, began = installation.cpu_seconds(), time.monotonic()
    records, last = 0, {}
    for life in lives:
        for record in life:
            partition, last[partition] = await _send(producer, installation.settings, record)
            records += 1
    ends = {partition: (await acked).offset + 1 for partition, acked in last.items()}

    async def projected() -> bool:
        rows = await connection.fetch("SELECT topic_partition, next_offset FROM execution_positions")
        positions = {row["topic_partition"]: row["next_offset"] for row in rows}
        return all(positions.get(partition, 0) >= end for partition, end in ends.items())

    await eventually(projected, CAUGHT_UP_SECONDS, "all is projected")
    seconds = time.monotonic() - began
    return CatchUp(records, round(records / seconds, 1), _each_10_000(before, installation.cpu_seconds(), records))


def _each_10_000(before: dict[str, float], after: dict[str, float], records: int) -> dict[str, float]:
    return {name: round((after[name] - before[name]) / records * 10_000, 2) for name in after}


async def _measure_lists(
    installation: _Installation, connection: asyncpg.Connection, say: Callable[[str], None]
) -> list[Listed]:
    """Every filter that matters, its most and its least frequent value, from the first page and from the middle."""
    trigger, middle = (
        _trigger_id(1),
        await connection.fetchval("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY created_at) FROM executions"),
    )
    event = await connection.fetchval("SELECT event_id FROM executions LIMIT 1")
    instance = await connection.fetchval("SELECT agent_instance_id FROM executions LIMIT 1")
    until = (middle or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    since = ((middle or datetime.now(UTC)) - timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    asked = [
        ("all", "/api/v1/executions?"),
        ("a trigger's", f"/v1/triggers/{trigger}/executions?"),
        ("a workspace's", "/api/v1/executions?workspace=team-1"),
        ("all, status FAILED", "/api/v1/executions?status=FAILED"),
        ("all, status RUNNING (none)", "/api/v1/executions?status=RUNNING"),
        ("all, status FAILED, TIMED_OUT or CANCELLED", "/api/v1/executions?status=FAILED&status=TIMED_OUT&status=CANCELLED"),
        ("a trigger's, status COMPLETED", f"/v1/triggers/{trigger}/executions?status=COMPLETED"),
        ("a trigger's, status FAILED (none)", f"/v1/triggers/{trigger}/executions?status=FAILED"),
        ("a workspace's, status FAILED", "/api/v1/executions?workspace=team-0&status=FAILED"),
        ("of an event", f"/api/v1/executions?event_id={event}"),
        ("of an instance", f"/api/v1/executions?agent_instance_id={instance}"),
        ("of a hub", "/api/v1/executions?hub_id=hub-3"),
        ("of a hub nobody has", "/api/v1/executions?hub_id=nobody"),
        ("of a hub, status FAILED", "/api/v1/executions?hub_id=hub-0&status=FAILED"),
        ("of an agent", "/api/v1/executions?agent_id=agent-7"),
        (
            "a workspace's, of an agent, status COMPLETED",
            "/api/v1/executions?workspace=team-1&agent_id=agent-7&status=COMPLETED",
        ),
        ("a second in the middle", f"/api/v1/executions?created_since={since}&created_until={until}"),
        ("a trigger's, before the middle", f"/v1/triggers/{trigger}/executions?created_until={until}"),
    ]
    client = LeanClient(installation.api)

    async def ready() -> bool:
        try:
            return (await client.get("/api/v1/executions?limit=1")).status_code == 200
        except OSError:
            return False

    await eventually(ready, 30, "ingest answers")
    found = [await _list(client, name, path) for name, path in asked]
    found.append(await _walk(client))
    client.close()
    for listed in found:
        say(f"  {listed.asked}: {listed.rows} rows, p50 {listed.p50_ms} ms, p99 {listed.p99_ms} ms")
    return found


async def _list(client: LeanClient, name: str, path: str) -> Listed:
    took_ms: list[float] = []
    rows = 0
    for _ in range(WARM_UP + PAGES):
        began = time.monotonic()
        rows = len((await _page(client, path))["executions"])
        took_ms.append((time.monotonic() - began) * 1000)
    return Listed(name, rows, percentile(took_ms[WARM_UP:], 0.5), percentile(took_ms[WARM_UP:], 0.99))


async def _walk(client: LeanClient) -> Listed:
    """From page to page by cursor."""
    took_ms, rows, cursor = [], 0, ""
    for _ in range(PAGES):
        began = time.monotonic()
        page = await _page(client, f"/api/v1/executions?{cursor}")
        took_ms.append((time.monotonic() - began) * 1000)
        rows = len(page["executions"])
        cursor = f"cursor={page['next_cursor']}" if page["next_cursor"] else ""
    return Listed(f"all, {PAGES} pages by cursor", rows, percentile(took_ms, 0.5), percentile(took_ms, 0.99))


async def _page(client: LeanClient, path: str) -> Any:
    reply = await client.get(path)
    assert reply.status_code == 200, f"GET {path}: {reply.status_code} {reply.body!r}"
    return msgspec.json.decode(reply.body or b"")
