"""What ingest answers when Kafka or Postgres is not there, and that it works again by itself when they are."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

import migrations
from connectors.kafka.topics import create_topics
from streams.event import read_event
from streams.settings import Settings
from streams.topics import EVENTS
from tests.integration.api import records, serve
from tests.waiting import eventually
from touchline.stack.kafka import EmbeddedKafka
from touchline.stack.postgres import EmbeddedPostgres

INGEST = "/api/events/ingest"


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker of the test's own, to be stopped and started."""
    broker = EmbeddedKafka(tmp_path / "kafka")
    await asyncio.to_thread(broker.start)
    try:
        yield broker
    finally:
        await asyncio.to_thread(broker.stop)


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A database of the test's own, to be stopped and started."""
    database = EmbeddedPostgres(tmp_path / "postgres")
    await asyncio.to_thread(database.start)
    try:
        yield database
    finally:
        await asyncio.to_thread(database.stop)


def event(event_id: str) -> dict[str, str]:
    """An event with that id; the ids name several partitions' worth of sources."""
    return {"source": f"feed_{event_id}", "type": "tick", "id": event_id}


async def is_accepted(client: httpx.AsyncClient, event_id: str) -> bool:
    """Whether it is accepted now."""
    return (await client.post(INGEST, json=event(event_id))).status_code == 202


def has_grown(accepted: set[str], since: int) -> bool:
    """Whether 200 more have been accepted."""
    return len(accepted) >= since + 200


def assert_unavailable(answer: httpx.Response) -> None:
    """503 as a problem that says when to try again."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


async def test_a_broker_that_goes_away_and_comes_back_costs_nothing_that_was_accepted(
    kafka: EmbeddedKafka, database_url: str
) -> None:
    """503 with Retry-After while it is gone; then everything works, twice over, and exactly what was accepted lies there.

    What was refused is not sent behind the back of its sender once the broker is back.
    """
    settings = Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        database_url=database_url,
        partitions=4,
        kafka_timeout_seconds=1.0,
        authentication="none",
    )
    await create_topics(settings)
    async with serve(settings) as client:
        accepted = []
        for outage in range(2):
            answers = await asyncio.gather(*(client.post(INGEST, json=event(f"{outage}-{number}")) for number in range(20)))
            assert {answer.status_code for answer in answers} == {202}
            accepted += [f"{outage}-{number}" for number in range(20)]
            await asyncio.to_thread(kafka.stop)
            refused = await asyncio.gather(*(client.post(INGEST, json=event(f"refused-{number}")) for number in range(20)))
            for answer in refused:
                assert_unavailable(answer)
            batch = await client.post(INGEST, json=[event("refused-a"), event("refused-b")])
            assert_unavailable(batch)
            await asyncio.to_thread(kafka.start)
            await eventually(partial(is_accepted, client, f"again-{outage}"), 30, "events are accepted again")
            accepted.append(f"again-{outage}")
        kept = [read_event(record.value).id for record in await records(settings, EVENTS)]
    assert {event_id for event_id in kept if not event_id.startswith("again")} == {
        event_id for event_id in accepted if not event_id.startswith("again")
    }
    assert set(accepted) <= set(kept)


async def test_a_killed_broker_under_load_loses_nothing_that_was_accepted(kafka: EmbeddedKafka, database_url: str) -> None:
    """Every id answered with 202 lies on the topic, whatever was under way at the kill."""
    settings = Settings(
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        database_url=database_url,
        partitions=4,
        kafka_timeout_seconds=1.0,
        authentication="none",
    )
    await create_topics(settings)
    accepted: set[str] = set()
    stop = asyncio.Event()

    async def feed(client: httpx.AsyncClient, name: int) -> None:
        number = 0
        while not stop.is_set():
            event_id = f"{name}-{number}"
            if await is_accepted(client, event_id):
                accepted.add(event_id)
                number += 1

    async with serve(settings) as client:
        feeds = [asyncio.create_task(feed(client, name)) for name in range(20)]
        for _ in range(2):
            await eventually(partial(has_grown, accepted, len(accepted)), 30, "events are accepted")
            await asyncio.to_thread(kafka.stop)
            await asyncio.to_thread(kafka.start)
        await eventually(partial(has_grown, accepted, len(accepted)), 30, "events are accepted after the last start")
        stop.set()
        await asyncio.gather(*feeds)
        kept = [read_event(record.value).id for record in await records(settings, EVENTS)]
    assert accepted <= set(kept)


async def test_ingest_starts_without_kafka_and_postgres_and_finds_them_when_they_come(tmp_path: Path) -> None:
    """GET /health names what is missing; nothing is restarted for it to be there."""
    broker, database = EmbeddedKafka(tmp_path / "kafka"), EmbeddedPostgres(tmp_path / "postgres")
    await asyncio.to_thread(broker.start)
    await asyncio.to_thread(database.start)
    settings = Settings(
        kafka_bootstrap_servers=broker.bootstrap_servers,
        database_url=database.url,
        partitions=2,
        kafka_timeout_seconds=1.0,
        authentication="none",
    )
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(database.stop)
    try:
        async with serve(settings, begun=False) as client:
            stages = (await client.get("/health")).json()["stages"]
            assert "no answer" in stages["kafka"]
            assert "no answer" in stages["postgres"]
            assert_unavailable(await client.post(INGEST, json=event("1")))
            assert_unavailable(await client.get("/api/v1/triggers"))

            await asyncio.to_thread(broker.start)
            await asyncio.to_thread(database.start)
            await migrations.apply(settings.database_url, settings.database_schema)
            await create_topics(settings)
            await eventually(lambda: is_accepted(client, "2"), 30, "events are accepted")
            answer = await client.get("/api/v1/triggers")
            assert (answer.status_code, answer.json()["triggers"]) == (200, [])

            async def own_parts_work() -> bool:
                stages = (await client.get("/health")).json()["stages"]
                return {stages[name] for name in ("kafka", "postgres", "ingest")} == {"ok"}

            await eventually(own_parts_work, 30, "Kafka, Postgres and ingest are ok")
            stages = (await client.get("/health")).json()["stages"]
            assert stages["match"] == "no worker holds partitions 0, 1"
    finally:
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(database.stop)


async def test_postgres_gone_stops_writes_and_not_events(
    kafka_bootstrap_servers: str, installation: Settings, postgres: EmbeddedPostgres
) -> None:
    """Events go on being accepted; a trigger's write answers 503, and works again when Postgres is back."""
    settings = installation.model_copy(update={"database_url": postgres.url})
    await migrations.apply(settings.database_url, settings.database_schema)
    async with serve(settings) as client:
        assert (await client.get("/api/v1/triggers")).status_code == 200
        await asyncio.to_thread(postgres.stop)
        assert_unavailable(await client.get("/api/v1/triggers"))
        assert_unavailable(await client.put("/api/v1/sources/s", json={"spread": "subject"}))
        assert await is_accepted(client, "1")
        assert "no answer" in (await client.get("/health")).json()["stages"]["postgres"]
        await asyncio.to_thread(postgres.start)

        async def is_back() -> bool:
            return (await client.get("/api/v1/triggers")).status_code == 200

        await eventually(is_back, 30, "triggers can be read again")
