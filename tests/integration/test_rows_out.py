"""Rows out of a real Postgres to a real Kafka: every committed change, in commit order, whatever dies."""

import asyncio
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.kafka.topics import create_topics, delete_topics
from connectors.postgres.rows_out import RowsOut
from streams.change import Change
from streams.heartbeat import Heartbeat
from streams.heartbeat import decode as decode_heartbeat
from streams.key import ApiKey
from streams.language.policy import Policy, Rate, parse_policy
from streams.settings import Settings
from streams.topics import DEAD, HEARTBEATS, HUBS, KEYS, SOURCES, TRIGGERS, WORKSPACES, Topic
from streams.trigger import Hub, Source, Trigger
from streams.workspace import Workspace, firing_rate
from tests.environment import installation_environment
from tests.integration.working import running
from tests.waiting import eventually

Record = tuple[str, Change[Trigger] | None]
"""A key, and the change under it; None is a tombstone."""

decode = msgspec.json.Decoder(Change[Trigger]).decode

INSERT = "INSERT INTO jobs (id, name, schedule_expression, agent_id, hub_id) VALUES ($1, $1, 'feed:goal', 'reporter', 'local')"
CONNECT = "import asyncio, streams.settings, connectors.connect as c; asyncio.run(c.run(streams.settings.settings()))"


@pytest.fixture
async def database(installation: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A plain SQL session, as anybody may have one."""
    connection = await asyncpg.connect(
        installation.database_url, server_settings={"search_path": installation.database_schema, "TimeZone": "UTC"}
    )
    yield connection
    await connection.close()


@asynccontextmanager
async def at_work(settings: Settings) -> AsyncIterator[RowsOut]:
    """The stage, once it has done its first round."""
    async with running(RowsOut(settings)) as stage:
        await eventually(lambda: stage.live, 30, "the stage works")
        yield stage


class Reader:
    """Reads a topic from its start; `records` grows with every look."""

    def __init__(self, settings: Settings, topic: Topic) -> None:
        self.partition = TopicPartition(topic.full_name(settings), 0)
        self.records: list[Any] = []
        self._consumer = AIOKafkaConsumer(**settings.kafka_client(), fetch_max_wait_ms=10, auto_offset_reset="earliest")

    async def __aenter__(self) -> "Reader":
        await self._consumer.start()
        self._consumer.assign([self.partition])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def until(self, enough: Callable[[], bool], what: str, deadline_seconds: float = 60) -> None:
        """Read on until `enough`."""

        async def look() -> bool:
            for batch in (await self._consumer.getmany(self.partition, timeout_ms=100)).values():
                self.records += batch
            return enough()

        await eventually(look, deadline_seconds, what)

    def changes(self) -> list[Record]:
        """All records so far, as changes of triggers."""
        return [(record.key.decode(), decode(record.value) if record.value else None) for record in self.records]

    def state(self) -> dict[str, str]:
        """What a reader that keeps the last record of each key knows: id -> supervisor_message."""
        rows: dict[str, str] = {}
        for key, change in self.changes():
            rows.pop(key, None)
            if change is not None and change.after is not None:
                rows[key] = change.after.supervisor_message
        return rows

    def tombstoned(self, key: str) -> bool:
        """Whether the last record of the key is a tombstone."""
        return [record.value for record in self.records if record.key == key.encode()][-1:] == [None]


async def table_state(database: asyncpg.Connection) -> dict[str, str]:
    """What the table holds: id -> supervisor_message."""
    return {row["id"]: row["supervisor_message"] for row in await database.fetch("SELECT id, supervisor_message FROM jobs")}


async def test_a_row_changed_with_plain_sql_reaches_the_topic_in_debeziums_envelope(
    installation: Settings, database: asyncpg.Connection
) -> None:
    """Insert, update and delete arrive with before, after, op, position and transaction; a delete leaves a tombstone."""
    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        transactions = []
        for statement in (
            "INSERT INTO jobs (id, name, schedule_expression, agent_id, hub_id, match_filter)"
            " VALUES ('t', 'n', 'feed:goal', 'a', 'h', '{\"minute\": {\"gte\": 90}}')",
            "UPDATE jobs SET enabled = false WHERE id = 't'",
            "UPDATE jobs SET enabled = true WHERE id = 't'",
            "DELETE FROM jobs WHERE id = 't'",
        ):
            async with database.transaction():
                await database.execute(statement)
                transactions.append(await database.fetchval("SELECT pg_current_xact_id()::text::bigint & 4294967295"))
        await reader.until(lambda: len(reader.records) == 5, "four changes and a tombstone")

    keys, changes = zip(*reader.changes(), strict=True)
    assert keys == ("t",) * 5
    *told, tombstone = changes
    assert tombstone is None
    assert [change.op for change in told] == ["c", "u", "u", "d"]
    assert [change.before for change in told] == [None, told[0].after, told[1].after, told[2].after]
    assert told[3].after is None
    assert told[0].after.match_filter == {"minute": {"gte": 90}}
    assert [change.after.generation for change in told[:3]] == [1, 1, 2]
    assert told[0].after.created_at.endswith("Z")
    assert [change.source.txId for change in told] == transactions
    assert [change.source.lsn for change in told] == sorted({change.source.lsn for change in told})
    assert {(change.source.schema, change.source.table) for change in told} == {(installation.database_schema, "jobs")}
    assert all(abs(change.ts_ms - time.time() * 1000) < 60_000 for change in told)


async def test_hubs_and_sources_go_out_under_their_own_keys(installation: Settings, database: asyncpg.Connection) -> None:
    """Each table has its topic, its records decode into the vocabulary's structs."""
    async with at_work(installation), Reader(installation, HUBS) as hubs, Reader(installation, SOURCES) as sources:
        await database.execute("INSERT INTO hubs (hub_id, base_url, token) VALUES ('local', 'http://127.0.0.1:1', 'secret')")
        await database.execute("INSERT INTO sources (source, spread) VALUES ('sports_feed', 'subject')")
        await hubs.until(lambda: bool(hubs.records), "the hub")
        await sources.until(lambda: bool(sources.records), "the source")
    hub = msgspec.json.decode(hubs.records[0].value, type=Change[Hub]).after
    source = msgspec.json.decode(sources.records[0].value, type=Change[Source]).after
    assert (hubs.records[0].key, hub and (hub.base_url, hub.token)) == (b"local", ("http://127.0.0.1:1", "secret"))
    assert (sources.records[0].key, source and source.spread) == (b"sports_feed", "subject")


async def test_workspaces_and_keys_go_out_under_their_own_keys(installation: Settings, database: asyncpg.Connection) -> None:
    """With arrays as lists and times as instants, from a snapshot as from the log."""
    insert = "INSERT INTO api_keys (key_id, workspace, name, scopes, hash) VALUES ($1, $2, 'n', '{triggers,ingest}', $3)"
    await database.execute(insert, "before", "w", "a" * 64)
    async with at_work(installation), Reader(installation, KEYS) as keys, Reader(installation, WORKSPACES) as workspaces:
        await database.execute(insert, "after", None, "b" * 64)
        await database.execute("UPDATE api_keys SET revoked_at = now() WHERE key_id = 'before'")
        await database.execute("""INSERT INTO workspaces VALUES ('w', '{"severity": ["low", "high"]}', 7)""")
        await keys.until(lambda: len(keys.records) == 3, "both keys, and that one is revoked")
        await workspaces.until(lambda: bool(workspaces.records), "the workspace")
    told = [msgspec.json.decode(record.value, type=Change[ApiKey]).after for record in keys.records]
    assert [(key.key_id, key.workspace, key.scopes, key.revoked_at is None) for key in told if key] == [
        ("before", "w", ["triggers", "ingest"], True),
        ("after", None, ["triggers", "ingest"], True),
        ("before", "w", ["triggers", "ingest"], False),
    ]
    workspace = msgspec.json.decode(workspaces.records[0].value, type=Change[Workspace]).after
    assert workspace is not None
    assert (workspace.scales, workspace.max_triggers) == ({"severity": ["low", "high"]}, 7)


async def test_policies_go_out_as_they_lie_in_the_table(installation: Settings, database: asyncpg.Connection) -> None:
    """Of a trigger and of a workspace, from a snapshot as from the log."""
    trigger = """
        INSERT INTO jobs (id, name, schedule_expression, agent_id, hub_id, dedup, max_concurrent, timeout_seconds, rate_limit,
            count_threshold, "window", debounce, per, input, input_template, input_mapping, intent_template, payload_transform)
        VALUES ($1, $1, 'a:b', 'a', 'h', 'queue', 3, 0.1, '10/1m', 5, '5m', '30s', 'payload.game',
            '[1, null]', '"{{ payload }}"', '{"a": "$.b"}', 'write', 'null')
    """
    workspace = (
        "INSERT INTO workspaces (workspace, allowed_agents, max_depth, max_firings, max_queue) VALUES ($1, $2, 3, '9/1h', 0)"
    )
    agents = ["plain", "two words", 'a "quoted" one', "NULL", "{}", "back\\slash", ""]
    await database.execute(trigger, "before")
    await database.execute(workspace, "before", agents)
    async with at_work(installation), Reader(installation, TRIGGERS) as rows, Reader(installation, WORKSPACES) as workspaces:
        await database.execute(trigger, "after")
        await database.execute(workspace, "after", agents)
        await rows.until(lambda: len(rows.records) == 2, "both triggers")
        await workspaces.until(lambda: len(workspaces.records) == 2, "both workspaces")
    for row in (change.after for _, change in rows.changes() if change):
        assert row is not None
        assert parse_policy(row) == Policy(3, True, 100, Rate(10, 60_000), Rate(5, 300_000), 30_000, ("game",))
        told = (row.input, row.input_template, row.input_mapping, row.intent_template, row.payload_transform)
        assert told == ([1, None], "{{ payload }}", {"a": "$.b"}, "write", None)
    for record in workspaces.records:
        told_workspace = msgspec.json.decode(record.value, type=Change[Workspace]).after
        assert told_workspace is not None
        assert (told_workspace.allowed_agents, told_workspace.max_depth, told_workspace.max_queue) == (agents, 3, 0)
        assert firing_rate(told_workspace) == Rate(9, 3_600_000)


async def test_twenty_thousand_rows_of_one_transaction_arrive_in_order(
    installation: Settings, database: asyncpg.Connection
) -> None:
    """One transaction larger than a round goes through whole, in the order its statements wrote."""
    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        await database.execute(
            "INSERT INTO jobs (id, name, schedule_expression, agent_id, hub_id)"
            " SELECT n, n, 'feed:goal', 'a', 'h' FROM generate_series(1, 20000) AS n"
        )
        await reader.until(lambda: len(reader.records) >= 20_000, "all rows")
    assert [key for key, _ in reader.changes()] == [str(number) for number in range(1, 20_001)]
    assert len({change.source.lsn for _, change in reader.changes() if change}) == 1


async def test_killing_the_connector_at_any_moment_loses_nothing(installation: Settings, database: asyncpg.Connection) -> None:
    """Processes killed with SIGKILL while rows change: all changes arrive, first seen in commit order, last state right."""
    ids = [f"row-{number}" for number in range(20)]
    for row_id in ids:
        await database.execute(INSERT, row_id)
    written = 0

    async def write(count: int) -> None:
        nonlocal written
        for _ in range(count):
            written += 1
            row_id = ids[written % len(ids)]
            await database.execute("UPDATE jobs SET supervisor_message = $2 WHERE id = $1", row_id, str(written))

    async with Reader(installation, TRIGGERS) as reader:

        def numbers() -> list[int]:
            return [int(change.after.supervisor_message or 0) for _, change in reader.changes() if change and change.after]

        for _ in range(4):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CONNECT, env=installation_environment(installation)
            )
            try:
                await write(1)
                before = written
                await reader.until(lambda before=before: before in numbers(), "this process carries rows")  # type: ignore[misc]
                writing = asyncio.create_task(write(300))
                await reader.until(lambda before=before: before + 50 in numbers(), "it is at work")  # type: ignore[misc]
            finally:
                process.send_signal(signal.SIGKILL)
                await process.wait()
            await writing
        async with at_work(installation):
            await reader.until(lambda: written in numbers(), "the last change")

    sightings = [number for number in dict.fromkeys(numbers()) if number]
    assert sightings == list(range(1, written + 1))
    assert reader.state() == await table_state(database)


async def test_a_slot_that_was_dropped_means_a_fresh_snapshot(installation: Settings, database: asyncpg.Connection) -> None:
    """What changed while there was no slot arrives all the same: inserts, updates, and deletes as tombstones."""
    for row_id in ("kept", "changed", "deleted"):
        await database.execute(INSERT, row_id)
    async with Reader(installation, TRIGGERS) as reader:
        async with at_work(installation):
            await reader.until(lambda: len(reader.records) >= 3, "the first snapshot")
        await database.execute("SELECT pg_drop_replication_slot($1)", f"{installation.database_schema}_touchline")
        await database.execute("DELETE FROM jobs WHERE id = 'deleted'")
        await database.execute("UPDATE jobs SET supervisor_message = 'anew' WHERE id = 'changed'")
        await database.execute(INSERT, "new")
        async with at_work(installation):
            await reader.until(lambda: "new" in reader.state() and reader.tombstoned("deleted"), "the second snapshot")
    assert reader.state() == await table_state(database) == {"kept": "", "changed": "anew", "new": ""}


async def test_a_slot_somebody_made_anew_is_not_believed(installation: Settings, database: asyncpg.Connection) -> None:
    """A slot of the right name that is past what we wrote down means a fresh snapshot, too."""
    slot = f"{installation.database_schema}_touchline"
    async with Reader(installation, TRIGGERS) as reader:
        async with at_work(installation):
            pass
        await database.execute("SELECT pg_drop_replication_slot($1)", slot)
        await database.execute(INSERT, "unseen")
        await database.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", slot)
        async with at_work(installation):
            await reader.until(lambda: "unseen" in reader.state(), "the row the new slot never saw")


async def test_a_slot_dropped_under_a_working_connector_is_noticed(
    installation: Settings, database: asyncpg.Connection
) -> None:
    """The connector goes on by itself: slot anew, snapshot, changes."""
    slot = f"{installation.database_schema}_touchline"

    async def dropped() -> bool:
        try:
            await database.execute("SELECT pg_drop_replication_slot($1)", slot)
        except asyncpg.ObjectInUseError:
            return False
        return True

    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        await eventually(dropped, 30, "the slot is not in use")
        await database.execute(INSERT, "first")
        await reader.until(lambda: "first" in reader.state(), "the row is found by a snapshot")
        await database.execute(INSERT, "second")
        await reader.until(lambda: "second" in reader.state(), "the row comes from the new slot")


async def test_an_emptied_table_leaves_tombstones(installation: Settings, database: asyncpg.Connection) -> None:
    """TRUNCATE names no rows in the log; the topic's keys are compared with the table's, and go."""
    await database.execute(INSERT, "one")
    await database.execute(INSERT, "two")
    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        await reader.until(lambda: len(reader.state()) == 2, "both rows")
        await database.execute("TRUNCATE jobs")
        await database.execute(INSERT, "three")
        await reader.until(lambda: list(reader.state()) == ["three"], "only the new row is left")
        assert reader.tombstoned("one")
        assert reader.tombstoned("two")


async def test_topics_that_were_lost_are_filled_again(installation: Settings, database: asyncpg.Connection) -> None:
    """A broker that lost the topics gets a fresh snapshot, although the slot is whole."""
    await database.execute(INSERT, "row")
    async with at_work(installation):
        pass
    await delete_topics(installation)
    await create_topics(installation)
    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        await reader.until(lambda: "row" in reader.state(), "the row is on the new topic")


async def test_a_second_instance_stands_by_and_takes_over(installation: Settings, database: asyncpg.Connection) -> None:
    """One works, the other waits; when the first stops, the second carries what comes then."""
    async with Reader(installation, TRIGGERS) as reader, AsyncExitStack() as stack:
        first = await stack.enter_async_context(at_work(installation))
        async with running(RowsOut(installation)) as second:
            await database.execute(INSERT, "by the first")
            await reader.until(lambda: "by the first" in reader.state(), "the first carries")
            assert (first.live, second.live) == (True, False)
            await stack.aclose()
            await database.execute(INSERT, "by the second")
            await reader.until(lambda: "by the second" in reader.state(), "the second carries")
            await eventually(lambda: second.live, 10, "the second works")
            assert not first.live


async def test_one_that_loses_its_lock_stops_at_once(installation: Settings, database: asyncpg.Connection) -> None:
    """Postgres may give the lock to another the moment the connection ends; afterwards one of the two works."""
    async with (
        at_work(installation) as first,
        running(RowsOut(installation)) as second,
        Reader(installation, TRIGGERS) as reader,
    ):
        await database.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)",
            f"{installation.database_schema}_touchline",
        )
        await eventually(lambda: not first.live, 10, "the first has stopped")
        await eventually(lambda: first.live != second.live, 30, "one of the two works")
        await database.execute(INSERT, "row")
        await reader.until(lambda: "row" in reader.state(), "the row")


async def test_the_first_snapshot_is_consistent_while_rows_change(installation: Settings, database: asyncpg.Connection) -> None:
    """Rows written before, during and after it: none is missing, none goes back in time."""
    await database.execute(
        "INSERT INTO jobs (id, name, schedule_expression, agent_id, hub_id, supervisor_message)"
        " SELECT n, n, 'feed:goal', 'a', 'h', '0' FROM generate_series(1, 5000) AS n"
    )
    stop = asyncio.Event()
    other = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})

    async def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await other.execute(
                "UPDATE jobs SET supervisor_message = $1 WHERE right(id, 1) = $2", str(number), str(number % 10)
            )
            await other.execute("DELETE FROM jobs WHERE id = $1", str(number))
            await other.execute(INSERT, f"new {number}")

    writing = asyncio.create_task(write())
    async with Reader(installation, TRIGGERS) as reader, at_work(installation):
        stop.set()
        await writing
        await other.close()
        await database.execute(INSERT, "last")
        await reader.until(lambda: bool(reader.records) and reader.records[-1].key == b"last", "the last row")
    assert reader.state() == await table_state(database)
    messages: dict[str, int] = {}
    for key, change in reader.changes():
        if change and change.after:
            number = int(change.after.supervisor_message or 0)
            assert number >= messages.get(key, 0)
            messages[key] = number


async def test_a_changed_key_is_a_delete_and_a_new_row(installation: Settings, database: asyncpg.Connection) -> None:
    """The old key gets its tombstone, so that no reader keeps a row that is no more."""
    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        await database.execute(INSERT, "old")
        await database.execute("UPDATE jobs SET id = 'new' WHERE id = 'old'")
        await reader.until(lambda: len(reader.records) == 4, "insert, delete, tombstone, insert")
    assert [(key, change and change.op) for key, change in reader.changes()] == [
        ("old", "c"),
        ("old", "d"),
        ("old", None),
        ("new", "c"),
    ]


async def test_a_large_value_that_an_update_left_alone_is_whole_in_the_record(
    installation: Settings, database: asyncpg.Connection
) -> None:
    """Postgres does not log such a value again; it comes from the old row."""
    text = "".join(chr(ord("a") + number * number % 26) + str(number) for number in range(20_000))
    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        await database.execute("ALTER TABLE jobs ALTER supervisor_message SET STORAGE EXTERNAL")
        await database.execute(INSERT, "row")
        await database.execute("UPDATE jobs SET supervisor_message = $1", text)
        await database.execute("UPDATE jobs SET enabled = false")
        await reader.until(lambda: len(reader.records) == 3, "three changes")
    assert [change.after.supervisor_message for _, change in reader.changes() if change and change.after] == ["", text, text]


async def test_a_row_too_large_for_a_record_does_not_stop_the_others(
    installation: Settings, database: asyncpg.Connection
) -> None:
    """It is named on `dead`; what comes after it arrives; one that fits without its `before` goes without."""
    async with at_work(installation) as stage, Reader(installation, TRIGGERS) as reader:
        await database.execute(INSERT, "row")
        for megabytes in (1.5, 1.6, 3):
            await database.execute("UPDATE jobs SET supervisor_message = repeat('x', $1)", int(megabytes * 1_000_000))
        await database.execute(INSERT, "after it")
        await reader.until(lambda: "after it" in reader.state(), "the row after it")
        assert stage.counts["dead"] == 1
    sizes = [
        (len(change.after.supervisor_message), change.before is not None)
        for _, change in reader.changes()
        if change and change.after
    ]
    assert sizes == [(0, False), (1_500_000, True), (1_600_000, False), (0, False)]
    letters = AIOKafkaConsumer(DEAD.full_name(installation), **installation.kafka_client(), auto_offset_reset="earliest")
    await letters.start()
    try:
        letter = await asyncio.wait_for(letters.getone(), 30)
    finally:
        await letters.stop()
    headers = dict(letter.headers)
    assert (letter.key, headers["topic"], headers["stage"]) == (b"row", b"jobs", b"rows_out")
    assert b"make it smaller" in headers["error"]


async def test_a_change_is_on_the_topic_well_within_a_second(installation: Settings, database: asyncpg.Connection) -> None:
    """Nothing polls: NOTIFY wakes the connector at the commit."""
    latencies_ms = []
    async with at_work(installation), Reader(installation, TRIGGERS) as reader:
        await database.execute(INSERT, "row")
        for number in range(50):
            committed_at = time.time()
            await database.execute("UPDATE jobs SET supervisor_message = $1", str(number))
            committed_at = (committed_at + time.time()) / 2
            await reader.until(lambda number=number: len(reader.records) == number + 2, "the change")  # type: ignore[misc]
            latencies_ms.append(reader.records[-1].timestamp - committed_at * 1000)
    assert statistics.median(latencies_ms) < 500


async def test_an_idle_slot_lets_go_of_a_log_that_others_fill(installation: Settings, database: asyncpg.Connection) -> None:
    """Log that holds none of our rows does not pile up behind the slot."""
    async with at_work(installation) as stage:
        await database.execute("CREATE TABLE other AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
        before = await database.fetchval("SELECT pg_current_wal_lsn()")
        await database.execute(INSERT, "something to look for")

        async def passed() -> bool:
            slot = f"{installation.database_schema}_touchline"
            query = "SELECT confirmed_flush_lsn >= $2 FROM pg_replication_slots WHERE slot_name = $1"
            return bool(await database.fetchval(query, slot, before))

        await eventually(passed, 30, "the slot is past it")
        assert stage.lag_bytes is not None


async def test_each_process_says_which_of_its_stages_work_and_says_goodbye(installation: Settings) -> None:
    """One lists `rows_out`, both share the executions' partitions; SIGTERM ends them with exit code 0 and a tombstone."""
    environment = installation_environment(installation)
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", CONNECT, env=environment) for _ in range(2)]
    try:
        async with Reader(installation, HEARTBEATS) as reader:

            def last_words() -> dict[str, Heartbeat]:
                latest = {record.key.decode(): record.value for record in reader.records}
                return {process: decode_heartbeat(value) for process, value in latest.items() if value}

            def shared() -> bool:
                words = last_words().values()
                partitions = [number for word in words for number in word.stages.get("executions_in", [])]
                return sorted(partitions) == [0, 1, 2, 3] and ["rows_out" in word.stages for word in words].count(True) == 1

            await reader.until(lambda: len(last_words()) == 2 and shared(), "two processes share the work")
            assert {word.role for word in last_words().values()} == {"connect"}
            for process in processes:
                process.terminate()
            assert [await process.wait() for process in processes] == [0, 0]
            await reader.until(lambda: not last_words(), "both have said goodbye")
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
