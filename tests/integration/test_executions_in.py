"""Executions from a real Kafka into a real Postgres: one row an execution, forward only, whatever comes twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from msgspec.structs import replace

from connectors.postgres.connection import connected
from connectors.postgres.execution_positions import begin_positions
from connectors.postgres.execution_row import Told
from connectors.postgres.executions_in import ExecutionsIn
from connectors.postgres.projection import project
from connectors.postgres.retention import Retention, delete_finished
from streams.event import Lineage
from streams.execution import Execution, Status, encode
from streams.settings import Settings
from streams.topics import DEAD, EXECUTIONS, partition_of
from tests.integration.working import running
from tests.waiting import eventually

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(installation: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A plain SQL session, as anybody may have one."""
    connection = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})
    yield connection
    await connection.close()


@pytest.fixture
async def producer(installation: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Any client of the broker."""
    producer = AIOKafkaProducer(**installation.kafka_client(), acks="all")
    await producer.start()
    yield producer
    await producer.stop()


async def tell(producer: AIOKafkaProducer, settings: Settings, *executions: Execution) -> None:
    """Produce records as the gate and dispatch do: keyed by trigger, in order."""
    for execution in executions:
        await raw(producer, settings, execution.trigger_id, encode(execution))


async def raw(producer: AIOKafkaProducer, settings: Settings, trigger_id: str, value: bytes | None) -> None:
    """Produce any bytes under a trigger's key."""
    partition = partition_of(trigger_id.encode(), settings.partitions)
    await producer.send_and_wait(EXECUTIONS.full_name(settings), value, key=trigger_id.encode(), partition=partition)


async def settled(database: asyncpg.Connection, producer: AIOKafkaProducer, settings: Settings, trigger_id: str) -> None:
    """Wait until all that was told of this trigger has been projected: a record after it has been."""
    marker = Execution(f"marker of {trigger_id}", trigger_id, Status.SKIPPED, at_ms=1)
    marker.execution_id += f" {await database.fetchval('SELECT count(*) FROM executions')}"
    await tell(producer, settings, marker)

    async def arrived() -> bool:
        return bool(await database.fetchval("SELECT true FROM executions WHERE execution_id = $1", marker.execution_id))

    await eventually(arrived, 30, "the marker behind the records is projected")


async def row(database: asyncpg.Connection, execution_id: str) -> dict[str, Any]:
    """One execution's row."""
    return dict(await database.fetchrow("SELECT * FROM executions WHERE execution_id = $1", execution_id) or {})


def at(at_ms: int) -> datetime:
    """Unix milliseconds as Postgres gives them back."""
    return EPOCH + timedelta(milliseconds=at_ms)


def told(status: Status, at_ms: int, **fields: Any) -> Execution:
    """A record of the one execution most tests are about."""
    return Execution("e", "t", status, at_ms, **fields)


LIFE = (
    told(
        Status.PENDING,
        1_000,
        event_id="event",
        workspace="default",
        hub_id="local",
        agent_id="reporter",
        agent_instance_id="desk",
        slot="t/1",
        accepted_at_ms=900,
        input={"team": "México"},
        lineage=Lineage("event", ["t"], 1),
    ),
    told(Status.RUNNING, 2_000, attempts=1, error="503"),
    told(Status.RUNNING, 2_500, attempts=2),
    told(Status.COMPLETED, 3_003, attempts=2, output=["done"]),
)


async def test_an_execution_becomes_a_row_with_its_times(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """What each record tells ends up in its column; a whole life in one batch does as well as one record at a time."""
    await tell(producer, installation, *LIFE)
    async with running(ExecutionsIn(installation)):
        await settled(database, producer, installation, "t")
    found = await row(database, "e")
    assert (found.pop("topic_partition"), found.pop("topic_offset")) == (partition_of(b"t", installation.partitions), 3)
    assert found == {
        "execution_id": "e",
        "trigger_id": "t",
        "workspace": "default",
        "event_id": "event",
        "hub_id": "local",
        "agent_id": "reporter",
        "agent_instance_id": "desk",
        "slot": "t/1",
        "run": 0,
        "status": "COMPLETED",
        "input": '{"team": "México"}',
        "output": '["done"]',
        "error": None,
        "attempts": 2,
        "earlier_attempts": 0,
        "lineage": '{"root_event_id": "event", "trigger_chain": ["t"], "trigger_depth": 1}',
        "accepted_at": at(900),
        "created_at": at(1_000),
        "queued_at": None,
        "pending_at": at(1_000),
        "started_at": at(2_000),
        "heartbeat_at": at(2_500),
        "finished_at": at(3_003),
        "updated_at": at(3_003),
    }


async def test_replaying_the_whole_topic_changes_nothing(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """A group that lost its offsets reads all of it again, twice, and no row is even touched."""
    for number in range(40):
        for record in LIFE[: 1 + number % len(LIFE)]:
            trigger_id = f"t{number % 7}"
            await tell(producer, installation, replace(record, execution_id=f"e{number}", trigger_id=trigger_id))
    async with running(ExecutionsIn(installation)) as stage:
        for number in range(7):
            await settled(database, producer, installation, f"t{number}")
        records = stage.counts["projected"]
    before = await contents(database)
    for _ in range(2):
        await forget_offsets(installation)
        async with running(ExecutionsIn(installation)) as stage:
            await eventually(lambda stage=stage: stage.counts["projected"] == records, 30, "all is read again")  # type: ignore[misc]
    assert len(before["executions"]) == 47
    assert await contents(database) == before


async def contents(database: asyncpg.Connection) -> dict[str, list[asyncpg.Record]]:
    """All that the projection writes, with the transaction that wrote each row last."""
    keys = {
        "executions": "execution_id",
        "execution_counts": "topic_partition, workspace, status",
        "execution_positions": "topic_partition",
    }
    return {table: await database.fetch(f"SELECT *, xmin::text FROM {table} ORDER BY {key}") for table, key in keys.items()}


async def forget_offsets(settings: Settings) -> None:
    """Set the group back to the start of the topic."""
    consumer = AIOKafkaConsumer(**settings.kafka_client(), group_id=f"{settings.group}-executions", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(EXECUTIONS.full_name(settings), number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
    finally:
        await consumer.stop()


async def test_a_final_status_never_changes(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """The first final record stands, whatever is told later; late earlier records only fill in what nobody else told."""
    pending, running_record, _, completed = LIFE
    async with running(ExecutionsIn(installation)):
        await tell(producer, installation, completed)
        await settled(database, producer, installation, "t")
        outcome = await row(database, "e")
        await tell(producer, installation, told(Status.FAILED, 4_000, attempts=9, error="no"), running_record, pending)
        await settled(database, producer, installation, "t")
    found = await row(database, "e")
    assert (found["input"], found["event_id"], found["created_at"]) == ('{"team": "México"}', "event", at(1_000))
    assert (found["pending_at"], found["started_at"]) == (at(1_000), at(2_000))
    for column in ("status", "output", "error", "attempts", "finished_at", "updated_at", "topic_offset"):
        assert found[column] == outcome[column], column


async def test_a_status_moves_forward_only(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """A PENDING record told twice, or after RUNNING, takes nothing back."""
    pending, first_try, second_try, _ = LIFE
    async with running(ExecutionsIn(installation)):
        await tell(producer, installation, pending, first_try, second_try)
        await settled(database, producer, installation, "t")
        before = await row(database, "e")
        await tell(producer, installation, replace(pending, at_ms=5_000, input={"other": True}))
        await settled(database, producer, installation, "t")
    found = await row(database, "e")
    assert found == before
    assert (found["status"], found["attempts"]) == ("RUNNING", 2)


async def test_a_bad_record_goes_to_dead_and_the_good_ones_around_it_are_projected(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """Unreadable bytes, and what only Postgres refuses: each is on `dead` as it was, with where it lay and why."""
    bad = [
        None,
        b"{",
        b'{"execution_id": "x", "trigger_id": "t", "status": "DONE", "at_ms": 1}',
        b'{"execution_id": "", "trigger_id": "t", "status": "PENDING", "at_ms": 1}',
        b"[" * 100_000,
        encode(Execution("x", "t", Status.PENDING, at_ms=1, input={"text": "\0"})),
        encode(Execution("x\0", "t", Status.PENDING, at_ms=1)),
        encode(Execution("x", "t", Status.PENDING, at_ms=10**18)),
        encode(Execution("x", "t", Status.PENDING, at_ms=10**30)),
        encode(Execution("x", "t", Status.RUNNING, at_ms=1, attempts=2**40)),
    ]
    for number, value in enumerate(bad):
        await tell(producer, installation, Execution(f"good {number}", "t", Status.PENDING, at_ms=1))
        await raw(producer, installation, "t", value)
    async with running(ExecutionsIn(installation)) as stage:
        await settled(database, producer, installation, "t")
        assert stage.counts["dead"] == len(bad)
    assert await database.fetchval("SELECT count(*) FROM executions WHERE execution_id LIKE 'good%'") == len(bad)
    assert await database.fetchval("SELECT count(*) FROM executions WHERE execution_id LIKE 'x%'") == 0

    letters = {letter.value: dict(letter.headers) for letter in await dead_letters(installation, len(bad))}
    assert set(letters) == set(bad)
    partition = str(partition_of(b"t", installation.partitions)).encode()
    for headers in letters.values():
        assert headers["topic"] == EXECUTIONS.full_name(installation).encode()
        assert (headers["partition"], headers["stage"]) == (partition, b"executions_in")
        assert headers["error"]
    assert sorted(int(headers["offset"]) for headers in letters.values()) == list(range(1, 2 * len(bad), 2))


async def dead_letters(settings: Settings, count: int) -> list[Any]:
    """The first `count` records of `dead`."""
    consumer = AIOKafkaConsumer(DEAD.full_name(settings), **settings.kafka_client(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [await asyncio.wait_for(consumer.getone(), 30) for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_one_shot_firing_disables_the_row_it_spent_and_no_later_one(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """The row is disabled with its PENDING record, and says by which; enabled again by its owner, a replay or a late record
    leaves it alone."""
    await database.execute(
        "INSERT INTO jobs (id, name, schedule_expression, agent_id, hub_id, one_shot) VALUES ('t', 'n', 'a:b', 'a', 'h', true)"
    )

    async def state() -> tuple[bool, str | None]:
        found = await database.fetchrow("SELECT enabled, spent_by FROM jobs WHERE id = 't'")
        assert found is not None
        return found["enabled"], found["spent_by"]

    async with running(ExecutionsIn(installation)):
        await tell(producer, installation, told(Status.RUNNING, 1, one_shot_generation=1))
        await settled(database, producer, installation, "t")
        assert await state() == (True, None)
        await tell(producer, installation, told(Status.PENDING, 1, one_shot_generation=1))
        await settled(database, producer, installation, "t")
        assert await state() == (False, "e")
        await database.execute("UPDATE jobs SET enabled = true")
        await tell(producer, installation, told(Status.PENDING, 1, one_shot_generation=1))
        await settled(database, producer, installation, "t")
        assert await state() == (True, None)
        await tell(producer, installation, Execution("e2", "t", Status.PENDING, at_ms=2, one_shot_generation=2))
        await settled(database, producer, installation, "t")
        assert await state() == (False, "e2")


async def test_a_one_shot_that_waits_for_a_slot_is_spent_already(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """Its first record is QUEUED: the row is disabled then, and not when a slot is free."""
    await database.execute(
        "INSERT INTO jobs (id, name, schedule_expression, agent_id, hub_id, one_shot) VALUES ('t', 'n', 'a:b', 'a', 'h', true)"
    )
    async with running(ExecutionsIn(installation)):
        await tell(producer, installation, told(Status.QUEUED, 1, one_shot_generation=1))
        await settled(database, producer, installation, "t")
    assert not await database.fetchval("SELECT enabled FROM jobs WHERE id = 't'")


async def test_a_redriven_execution_goes_on_in_its_row(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """It is open again, and ends anew; its input, its start and the attempts before stay."""
    pending, _, second_try, completed = LIFE
    failed = told(Status.FAILED, 3_000, attempts=8, error="gave up")
    async with running(ExecutionsIn(installation)):
        await tell(producer, installation, pending, second_try, failed, told(Status.PENDING, 9_000, run=1))
        await settled(database, producer, installation, "t")
        found = await row(database, "e")
        assert (found["status"], found["run"], found["finished_at"], found["error"]) == ("PENDING", 1, None, None)
        await tell(producer, installation, told(Status.COMPLETED, 9_500, run=1, attempts=1, output=1), failed, completed)
        await settled(database, producer, installation, "t")
    found = await row(database, "e")
    assert (found["status"], found["attempts"], found["finished_at"]) == ("COMPLETED", 9, at(9_500))
    assert (found["created_at"], found["pending_at"], found["started_at"]) == (at(1_000), at(9_000), at(2_500))
    assert (found["input"], found["output"]) == ('{"team": "México"}', "1")


async def counts(database: asyncpg.Connection) -> dict[tuple[str, str], int]:
    """Executions by workspace and status, all partitions together, the marker of `settled` left out."""
    rows = await database.fetch(
        "SELECT workspace, status, sum(executions)::int AS executions FROM execution_counts WHERE workspace <> ''"
        " GROUP BY 1, 2 HAVING sum(executions) <> 0"
    )
    return {(row["workspace"], row["status"]): row["executions"] for row in rows}


async def test_counts_are_exact_whatever_comes_twice_or_late(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """They equal the rows, after late and repeated records, after the topic was read again, and after retention."""
    steps = (Status.QUEUED, Status.PENDING, Status.RUNNING, Status.COMPLETED, Status.FAILED)
    for number in range(60):
        workspace, trigger_id = f"w{number % 3}", f"t{number % 7}"
        for status in steps[number % 2 : 1 + number % len(steps)]:
            await tell(producer, installation, Execution(f"e{number}", trigger_id, status, 1_000, workspace=workspace))
    async with running(ExecutionsIn(installation)):
        for number in range(7):
            await settled(database, producer, installation, f"t{number}")
    rows = await database.fetch("SELECT workspace, status, count(*) FROM executions WHERE workspace <> '' GROUP BY 1, 2")
    expected = {(row["workspace"], row["status"]): row["count"] for row in rows}
    assert await counts(database) == expected
    assert sum(expected.values()) < 60  # some had a step that begins nothing
    assert await delete_finished(database, datetime.now(UTC)) > 10
    await forget_offsets(installation)
    async with running(ExecutionsIn(installation)) as stage:
        await eventually(lambda: stage.counts["projected"] > 100, 30, "all is read again")
    assert await counts(database) == expected
    assert await database.fetchval("SELECT count(*) FROM executions WHERE finished_at IS NOT NULL") == 0


async def test_retention_deletes_what_finished_long_ago_and_nothing_brings_it_back(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """What is young or has not finished stays; a late word makes no row; a redriven dead letter lives again, counted once."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    settings = installation.model_copy(update={"executions_kept_days": 1.0})
    old: dict[str, Any] = {"workspace": "w", "accepted_at_ms": 900}
    await tell(
        producer,
        installation,
        Execution("old", "t", Status.PENDING, 1_000, **old),
        Execution("old", "t", Status.FAILED, 1_001, **old),
        Execution("active", "t", Status.PENDING, 1_000, **old),
        Execution("active", "t", Status.RUNNING, 1_001, **old),
        Execution("young", "t", Status.FAILED, now_ms, workspace="w"),
    )
    async with running(ExecutionsIn(settings)):
        await settled(database, producer, installation, "t")
        async with running(Retention(settings, lambda: False)), running(Retention(settings, lambda: True)) as leading:
            await eventually(lambda: leading.counts["deleted"], 30, "the row is deleted")
        assert await ids(database) == ["active", "young"]

        await tell(producer, installation, Execution("old", "t", Status.TIMED_OUT, now_ms, **old))
        await settled(database, producer, installation, "t")
        assert await ids(database) == ["active", "young"]
        assert await counts(database) == {("w", "FAILED"): 2, ("w", "RUNNING"): 1}

        await tell(producer, installation, Execution("old", "t", Status.RUNNING, now_ms, run=1, **old))
        await settled(database, producer, installation, "t")
        assert await ids(database) == ["active", "old", "young"]
        assert await counts(database) == {("w", "FAILED"): 1, ("w", "RUNNING"): 2}


async def ids(database: asyncpg.Connection) -> list[str]:
    """The executions there are, the markers of `settled` left out."""
    rows = await database.fetch("SELECT execution_id FROM executions WHERE execution_id !~ 'marker' ORDER BY 1")
    return [row["execution_id"] for row in rows]


async def test_a_topic_made_anew_is_projected_from_its_start(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """Positions of a topic that is gone would hide the records of the one in its place."""
    await tell(producer, installation, *LIFE)
    async with running(ExecutionsIn(installation)):
        await settled(database, producer, installation, "t")
    await database.execute("UPDATE execution_positions SET next_offset = next_offset + 1000")
    await tell(producer, installation, Execution("e2", "t", Status.PENDING, at_ms=1))
    async with running(ExecutionsIn(installation)):
        await settled(database, producer, installation, "t")
    assert await row(database, "e2")
    await database.execute("UPDATE execution_positions SET kafka_cluster = 'another', next_offset = next_offset + 1")
    await tell(producer, installation, Execution("e3", "t", Status.PENDING, at_ms=1))
    async with running(ExecutionsIn(installation)):
        await settled(database, producer, installation, "t")
    assert await row(database, "e3")


async def test_rows_are_found_by_their_index_before_postgres_has_analysed_them(
    installation: Settings, database: asyncpg.Connection
) -> None:
    """A plan made while the table was empty would read all of it for every batch, for the minute until it is analysed."""
    few, many = 5, 5_000
    ends = accumulate([few] * 10 + [many] + [few] * 20)
    async with connected(installation) as connection:
        await connection.execute("ALTER TABLE executions SET (autovacuum_enabled = false)")
        await begin_positions(connection, {}, "cluster", {0: 0})
        for first, end in pairwise([0, *ends]):
            told = [Told(Execution(f"e{offset}", "t", Status.PENDING, 1), 0, offset) for offset in range(first, end)]
            await project(connection, told, {0: end}, kept_ms=10**15)
        await connection.execute("SELECT pg_stat_force_next_flush()")
    read = await database.fetchval("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = 'executions'::regclass")
    assert read < many


async def test_two_who_project_the_same_row_at_once_lose_nothing(installation: Settings) -> None:
    """When the number of partitions has changed, two connectors may meet at one row: each change is applied to the other's."""
    async with connected(installation) as one, connected(installation) as other:
        await begin_positions(one, {}, "cluster", {0: 1000, 1: 1000})
        for number in range(50):
            execution_id = f"e{number}"
            pending = Execution(execution_id, "t", Status.PENDING, 1, workspace="w", input={"number": number})
            completed = Execution(execution_id, "t", Status.COMPLETED, 2, workspace="w", output=number)
            await asyncio.gather(
                project(one, [Told(pending, 0, number)], {0: number + 1}, 10**15),
                project(other, [Told(completed, 1, number)], {1: number + 1}, 10**15),
            )
        found = await one.fetch("SELECT status, input IS NOT NULL AND output IS NOT NULL AS whole FROM executions")
        assert [tuple(row) for row in found] == [("COMPLETED", True)] * 50
        assert await counts(one) == {("w", "COMPLETED"): 50}


async def test_a_session_cut_off_by_postgres_goes_on_where_it_was(
    installation: Settings, database: asyncpg.Connection, producer: AIOKafkaProducer
) -> None:
    """Connections ended under it, again and again, lose no record; another instance shares the partitions."""
    executions = 3_000

    async def produce() -> None:
        for number in range(executions):
            trigger_id = f"t{number % 50}"
            value = encode(Execution(f"e{number}", trigger_id, Status.PENDING, at_ms=number + 1))
            partition = partition_of(trigger_id.encode(), installation.partitions)
            await producer.send(EXECUTIONS.full_name(installation), value, key=trigger_id.encode(), partition=partition)
        await producer.flush()

    async def projected() -> int:
        return int(await database.fetchval("SELECT count(*) FROM executions"))

    async with running(ExecutionsIn(installation)):
        producing = asyncio.create_task(produce())
        for share in range(1, 4):

            async def so_far(share: int = share) -> bool:
                return await projected() >= share * executions // 5

            await eventually(so_far, 60, "some are projected")
            await database.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'touchline-connect' AND pid <> pg_backend_pid()"
            )
        await producing
        async with running(ExecutionsIn(installation)):

            async def all_there() -> bool:
                return await projected() == executions

            await eventually(all_there, 60, "all are projected")
