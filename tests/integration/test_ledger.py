"""The ledger, through a real Kafka, a real Postgres, workers that are killed, and records that somebody takes away."""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.event import Event
from streams.execution import Firing, encode
from streams.settings import Settings
from streams.topics import EVENTS, FIRINGS, Topic, partition_of
from tests.environment import installation_environment
from tests.integration.api import make_key, serve, serve_connected, trigger
from tests.integration.working import worker
from tests.waiting import eventually

LEDGER = "/api/v1/ledger"
JUDGED_SECONDS = 60
"""A worker takes its partitions over once the one that was killed has been silent for ten seconds."""


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector that takes executions in."""
    async with serve_connected(installation) as client:
        yield client


async def create(client: httpx.AsyncClient, **columns: Any) -> str:
    """Create a trigger; its id."""
    answer = await client.post("/api/v1/triggers", json=trigger(**columns))
    assert answer.status_code in {201, 202}, answer.text
    return str(answer.json()["id"])


async def publish(client: httpx.AsyncClient, count: int, source: str, type_: str = "goal") -> None:
    """Publish this many events."""
    events = [{"source": source, "type": type_, "payload": {"number": number}} for number in range(count)]
    answer = await client.post("/api/events/ingest", json=events)
    assert answer.status_code == 202, answer.text


async def sums(client: httpx.AsyncClient, **asked: str) -> dict[str, Any]:
    """The ledger now."""
    answer = await client.get(LEDGER, params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def stage(found: dict[str, Any], name: str) -> dict[str, Any]:
    """One stage's sums."""
    return next(one for one in found["stages"] if one["stage"] == name)


async def at_rest(client: httpx.AsyncClient) -> dict[str, Any]:
    """The ledger once nothing is under way any more."""

    async def rested() -> dict[str, Any]:
        found = await sums(client)
        waits = [*(one["under_way"] for one in found["stages"]), found["executions"]["under_way"]]
        return found if not any(waits) else {}

    found: dict[str, Any] = await eventually(rested, JUDGED_SECONDS, "nothing is under way")
    return found


async def command(settings: Settings, client: httpx.AsyncClient, *arguments: str) -> tuple[int, str]:
    """`touchline ledger`: its exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "touchline.cli", "ledger", "--api", str(client.base_url), *arguments),
        env=installation_environment(settings) | {"COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and wait until it has left in good order."""
    process.send_signal(signal.SIGTERM)
    await process.wait()


async def delete_records(settings: Settings, topic: Topic, partition: int, before: int) -> None:
    """Take away what lies before this offset."""
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic.full_name(settings), partition): RecordsToDelete(before)})
    finally:
        await admin.close()


async def test_every_record_ends_in_one_outcome_and_the_sums_balance(installation: Settings, client: httpx.AsyncClient) -> None:
    """Fired, filtered, dead, forwarded, repeated, disabled; in the answer, the command, the metrics and by workspace."""
    await create(client, schedule_expression="sport:goal")
    await create(client, schedule_expression="sport:goal", workspace="other")
    home = partition_of(b"sport", installation.partitions)
    async with worker(installation):
        await publish(client, 7, "sport")
        await publish(client, 5, "sport", "corner")
        await client.post("/api/events/ingest", json={"source": "sport", "type": "goal", "id": "once"})
        await client.post("/api/events/ingest", json={"source": "sport", "type": "goal", "id": "once"})
        async with AIOKafkaProducer(**installation.kafka_client()) as feed:
            topic = EVENTS.full_name(installation)
            await feed.send_and_wait(topic, b"{", partition=home)
            misplaced = b'{"source": "sport", "type": "corner"}'
            await feed.send_and_wait(topic, misplaced, partition=(home + 1) % installation.partitions)

        async def judged() -> bool:
            return bool(stage(await sums(client), "match")["records"] == 7 + 5 + 2 + 1 + 2)

        await eventually(judged, JUDGED_SECONDS, "all events are judged")
        found = await at_rest(client)
    assert (found["balanced"], found["faults"]) == (True, [])
    match, gate = stage(found, "match"), stage(found, "gate")
    assert match["outcomes"] == {"fired": 9, "filtered": 6, "dead": 1, "forwarded": 1}
    assert match["notes"] == {"firings": 9}
    assert gate["outcomes"] == {"fired": 8, "repeated": 1}
    assert found["executions"]["told"] == sum(found["executions"]["statuses"].values()) == 8
    assert [part["records"] for part in match["partitions"] if part["partition"] == home] == [16]

    code, printed = await command(installation, client)
    assert code == 0, printed
    assert "The sums balance." in printed
    text = (await client.get("/metrics")).text
    assert 'touchline_ledger_records_total{outcome="fired",stage="match",workspace="default"} 9.0' in text
    assert 'touchline_ledger_difference{stage="gate"} 0.0' in text
    mine = await sums(client, workspace="default")
    assert mine["stages"]["gate"] == {"outcomes": {"fired": 8, "repeated": 1}, "notes": {}}
    assert await sums(client, workspace="other") == {"workspace": "other", "stages": {}, "executions": {}}


@pytest.mark.parametrize(("topic", "judge"), [(EVENTS, "match"), (FIRINGS, "gate")], ids=["events", "firings"])
async def test_records_that_somebody_deleted_unjudged_are_missed(
    installation: Settings, client: httpx.AsyncClient, topic: Topic, judge: str
) -> None:
    """The command ends with 1 and says where and how many: at once, and for good after the worker has gone on behind them."""
    trigger_id = await create(client, schedule_expression="sport:goal")
    async with worker(installation) as first:
        await publish(client, 10, "sport")
        await eventually(lambda: has_fired(client, 10), JUDGED_SECONDS, "all is judged")
        found = await at_rest(client)
        assert found["balanced"], found["faults"]
        await stop(first)
    if topic is EVENTS:
        await publish(client, 20, "sport")
        partition = partition_of(b"sport", installation.partitions)
    else:
        partition = partition_of(trigger_id.encode(), installation.partitions)
        await write_firings(installation, trigger_id, partition, 20)
    [sums_there] = [one for one in stage(found, judge)["partitions"] if one["partition"] == partition]
    await delete_records(installation, topic, partition, sums_there["next_offset"] + 13)

    sentence = f"{topic.name}, partition {partition}: 13 records were gone before {judge} had judged them"
    code, printed = await command(installation, client)
    assert (code, sentence in printed) == (1, True), printed
    async with worker(installation):
        await eventually(lambda: has_fired(client, 17), JUDGED_SECONDS, "what is left is judged")
        found = await at_rest(client)
        assert [fault["records"] for fault in found["faults"] if fault["sentence"].startswith(sentence)] == [13]
        assert stage(found, judge)["vanished"] == 13
        code, printed = await command(installation, client)
        assert (code, sentence in printed) == (1, True), printed
        metric = f'touchline_ledger_difference{{stage="{judge}"}} 13.0'
        assert metric in (await client.get("/metrics")).text


async def has_fired(client: httpx.AsyncClient, times: int) -> bool:
    """Whether the gate has let so many through."""
    return bool(stage(await sums(client), "gate")["outcomes"].get("fired") == times)


async def write_firings(settings: Settings, trigger_id: str, partition: int, count: int) -> None:
    """Write firings as match does."""
    async with AIOKafkaProducer(**settings.kafka_client()) as producer:
        for number in range(count):
            event = Event(source="sport", type="goal", id=f"written-{number}", workspace="default", accepted_at_ms=1)
            firing = Firing(str(uuid.uuid4()), trigger_id, event)
            topic = FIRINGS.full_name(settings)
            await producer.send_and_wait(topic, encode(firing), key=trigger_id.encode(), partition=partition)


async def test_workers_killed_again_and_again_leave_the_sums_balanced(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """Whatever a kill -9 leaves behind is counted once, though some firings are written twice."""
    for name in ("sport", "news", "stocks"):
        await create(client, schedule_expression=f"{name}:goal")
    posted = 0
    for _ in range(3):
        async with worker(installation):
            before = posted
            async with asyncio.timeout(JUDGED_SECONDS):
                while stage(await sums(client), "match")["records"] <= before:
                    for name in ("sport", "news", "stocks"):
                        await publish(client, 200, name)
                        posted += 200
    async with worker(installation):

        async def judged() -> bool:
            return bool(stage(await sums(client), "match")["records"] == posted)

        await eventually(judged, 2 * JUDGED_SECONDS, "all events are judged")
        found = await at_rest(client)
    assert (found["balanced"], found["faults"]) == (True, [])
    assert stage(found, "match")["outcomes"] == {"fired": posted}
    gate = stage(found, "gate")["outcomes"]
    assert gate["fired"] == posted
    assert found["executions"]["told"] == sum(found["executions"]["statuses"].values()) == posted


async def test_what_a_transaction_took_back_has_not_vanished(installation: Settings, client: httpx.AsyncClient) -> None:
    """Offsets without a record, at the end of a topic when a worker stops, and between two batches."""
    await create(client, schedule_expression="sport:goal")
    producer = AIOKafkaProducer(**installation.kafka_client(), transactional_id=uuid.uuid4().hex)
    await producer.start()
    event = b'{"source": "sport", "type": "goal"}'
    try:
        fired = 0
        for _ in range(2):
            async with worker(installation) as process:
                for commits in (True, False, True, False, False):
                    await producer.begin_transaction()
                    for _ in range(5):
                        partition = partition_of(b"sport", installation.partitions)
                        await producer.send_and_wait(EVENTS.full_name(installation), event, partition=partition)
                    await (producer.commit_transaction() if commits else producer.abort_transaction())
                    fired += 5 * commits
                    await eventually(lambda fired=fired: has_fired(client, fired), JUDGED_SECONDS, "it is judged")  # type: ignore[misc]
                found = await at_rest(client)
                await stop(process)
    finally:
        await producer.stop()
    assert (found["balanced"], found["faults"]) == (True, [])
    assert stage(found, "match")["outcomes"] == {"fired": 20}
    [part] = [part for part in stage(found, "match")["partitions"] if part["records"]]
    assert part["blank"] == 2 * (3 * 5 + 5)  # what was aborted, and a marker for each transaction


async def test_a_workspaces_key_sees_its_own_sums_alone(installation: Settings) -> None:
    """The whole is the installation's affair; and it takes the scope admin."""
    keyed = installation.model_copy(update={"authentication": "keys"})
    async with serve_connected(keyed) as client:
        mine = await make_key(keyed, "mine", "admin")
        other = await make_key(keyed, "mine", "triggers")

        async def known() -> bool:
            return (await client.get(LEDGER, headers=mine)).status_code == 200

        await eventually(known, 10, "the key is known")
        assert (await client.get(LEDGER, headers=mine)).json() == {"workspace": "mine", "stages": {}, "executions": {}}
        assert (await client.get(LEDGER, headers=mine, params={"workspace": "yours"})).status_code == 403
        assert (await client.get(LEDGER, headers=other)).status_code == 403
        assert (await client.get(LEDGER)).json()["balanced"] is True


async def test_metrics_are_told_without_the_ledger_while_kafka_is_away(installation: Settings) -> None:
    """A scrape that waited for it would lose all the rest."""
    away = installation.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with serve(away, begun=False) as client:
        answer = await client.get("/metrics")
        assert (answer.status_code, "touchline_ledger" in answer.text) == (200, False)
        assert "touchline_ingest_accept_seconds" in answer.text
        assert (await client.get(LEDGER)).status_code == 503
