"""GET /api/v1/why over real topics and rows: the event is found, and judged by the row as it was then."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from ingest import record_search
from streams.event import derived_id
from streams.settings import Settings
from streams.topics import EVENTS, partition_of
from tests.integration.api import is_known, make_key, serve_connected, trigger
from tests.waiting import eventually


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector and no worker: nothing fires."""
    async with serve_connected(installation) as client:
        yield client


async def create(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **columns: Any) -> str:
    """Create a trigger; its id."""
    answer = await client.post("/api/v1/triggers", json=trigger(**columns), headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def publish(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **fields: Any) -> str:
    """Publish one event; its id."""
    event = {"source": "sports_feed", "type": "goal", "payload": {"minute": 93, "team": "Mexico"}} | fields
    answer = await client.post("/api/events/ingest", json=event, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["event_id"])


async def why(client: httpx.AsyncClient, event_id: str, trigger_id: str, **more: str) -> Any:
    """The judgement."""
    answer = await client.get("/api/v1/why", params={"event_id": event_id, "trigger_id": trigger_id, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def outline(checks: list[dict[str, Any]]) -> list[Any]:
    """What was asked and whether it holds, nested as it was."""
    return [(check["asks"], check["holds"], *([outline(check["checks"])] if check.get("checks") else [])) for check in checks]


async def test_every_clause_is_judged_with_both_values(client: httpx.AsyncClient) -> None:
    """Those that hold and those that do not, nested as the filter is, in the order in which Postgres keeps them."""
    match_filter = {"minute": {"gte": 95}, "any": [{"team": "Peru"}, {"not": {"team": "Chile"}}], "scorer": "Romo"}
    trigger_id = await create(client, match_filter=match_filter)
    event_id = await publish(client)
    answer = await why(client, event_id, trigger_id)
    assert answer["outcome"] == "no_match"
    assert answer["sentence"] == "It did not fire: minute is 93, wanted gte 95."
    assert outline(answer["checks"]) == [
        ("workspace", True),
        ("event key", True, [("source", True), ("type", True)]),
        (
            "match_filter",
            False,
            [("any", True, [("team", False), ("not", True, [("team", False)])]), ("minute", False), ("scorer", False)],
        ),
        ("created", True),
        ("enabled", True),
    ]
    _, minute, scorer = answer["checks"][2]["checks"]
    assert minute == {"asks": "minute", "holds": False, "operator": "gte", "wanted": 95, "found": 93}
    assert scorer == {"asks": "scorer", "holds": False, "operator": "eq", "wanted": "Romo"}
    assert (answer["event"]["id"], answer["event"]["payload"]["minute"]) == (event_id, 93)
    assert answer["judged_by"] == "the row as it was then"


async def test_a_row_that_was_changed_since_is_judged_as_it_was(client: httpx.AsyncClient) -> None:
    """From the change records: the filter of then, and what the row of now would say."""
    trigger_id = await create(client, match_filter={"minute": {"gte": 95}})
    await create(client)
    event_id = await publish(client)
    await client.patch(f"/api/v1/triggers/{trigger_id}", json={"match_filter": {"minute": {"gte": 90}}})
    await client.patch(f"/api/v1/triggers/{trigger_id}", json={"match_filter": {"minute": {"gte": 80}}})
    answer = await why(client, event_id, trigger_id)
    assert answer["judged_by"] == "the row as it was then"
    assert answer["sentence"] == "It did not fire: minute is 93, wanted gte 95."
    assert answer["checks_now"][2]["checks"] == [
        {"asks": "minute", "holds": True, "operator": "gte", "wanted": 80, "found": 93}
    ]


async def test_a_trigger_that_was_not_there_yet_would_fire(client: httpx.AsyncClient) -> None:
    """Said as it is: created later; and with what it asks for now."""
    event_id = await publish(client)
    trigger_id = await create(client)
    answer = await why(client, event_id, trigger_id)
    assert (answer["outcome"], answer["judged_by"]) == ("would_fire", "the row as it is now")
    assert "the trigger was created later" in answer["sentence"]


async def test_a_trigger_that_was_disabled_says_so(client: httpx.AsyncClient) -> None:
    """Disabled then and now, or enabled since."""
    trigger_id = await create(client, enabled=False)
    event_id = await publish(client)
    answer = await why(client, event_id, trigger_id)
    assert answer["outcome"] == "disabled"
    await client.post(f"/api/v1/triggers/{trigger_id}/enable")
    answer = await why(client, event_id, trigger_id)
    assert (answer["outcome"], outline(answer["checks"])[-1]) == ("would_fire", ("enabled", False))
    assert "the trigger was disabled" in answer["sentence"]


async def test_a_record_straight_from_kafka_is_found_by_the_id_it_is_given(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """It has none of its own, and lies in a partition that no key leads to."""
    trigger_id = await create(client)
    home = partition_of(b"sports_feed", installation.partitions)
    producer = AIOKafkaProducer(**installation.kafka_client())
    await producer.start()
    try:
        value = b'{"source": "sports_feed", "type": "goal", "payload": {"id": "no id of the event"}}'
        placed = await producer.send_and_wait(
            EVENTS.full_name(installation), value, partition=(home + 1) % installation.partitions
        )
    finally:
        await producer.stop()
    event_id = derived_id("record", f"{placed.topic}/{placed.partition}/{placed.offset}")
    answer = await why(client, event_id, trigger_id)
    assert (answer["outcome"], answer["event"]["partition"]) == ("would_fire", placed.partition)
    assert answer["event"]["accepted_at"].startswith("20")


async def test_an_event_that_is_not_there_is_404_and_says_what_was_searched(client: httpx.AsyncClient) -> None:
    """Every record; those of one partition; those around a time. A trigger that is not there is 404 too."""
    trigger_id = await create(client)
    for number in range(20):
        await publish(client, source=f"feed-{number}")
    event_id = await publish(client, id="later/é")
    assert (await why(client, event_id, trigger_id))["event"]["id"] == event_id
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for more, words, records in (
        ({}, "among the 21 records on events and crossings; it was never accepted", 21),
        ({"around": hour_ago}, "among the 0 records around the time given", 0),
        ({"source": "feed-1"}, "in the partition of feed-1", None),
    ):
        parameters = {"event_id": "nothing", "trigger_id": trigger_id, **more}
        answer = await client.get("/api/v1/why", params=parameters)
        assert answer.status_code == 404
        problem = answer.json()
        assert problem["type"] == "no-such-event"
        assert words in problem["detail"], problem["detail"]
        assert problem["searched"]["complete"] is True
        assert records in (None, problem["searched"]["records"])
    assert (await why(client, event_id, trigger_id, source="sports_feed", around=datetime.now(UTC).isoformat()))["event"]
    answer = await client.get("/api/v1/why", params={"event_id": event_id, "trigger_id": "nothing"})
    assert (answer.status_code, answer.json()["type"]) == (404, "no-such-trigger")
    for query in ("", "?event_id=x", "?event_id=x&trigger_id=y&around=today", "?event_id=x&trigger_id=y&colour=red"):
        assert (await client.get(f"/api/v1/why{query}")).status_code == 422


async def test_an_old_event_is_found_behind_many_others(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunk by chunk, from the end back to the beginning."""
    monkeypatch.setattr(record_search, "FIRST_CHUNK_RECORDS", 7)
    monkeypatch.setattr(record_search, "LARGEST_CHUNK_RECORDS", 50)
    trigger_id = await create(client)
    event_id = await publish(client)
    for _ in range(4):
        batch = [{"source": "sports_feed", "type": "card", "payload": {"n": number}} for number in range(100)]
        assert (await client.post("/api/events/ingest", json=batch)).status_code == 202
    answer = await why(client, event_id, trigger_id)
    assert (answer["event"]["id"], answer["outcome"]) == (event_id, "would_fire")


async def test_a_search_that_takes_too_long_says_how_far_it_came(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how to look further back."""
    trigger_id = await create(client)
    await publish(client)
    monkeypatch.setattr(record_search, "FIRST_CHUNK_RECORDS", 1)
    for _ in range(3):
        await publish(client)
    seconds = iter(range(1000))
    monkeypatch.setattr(record_search, "SEARCH_SECONDS", 2)
    monkeypatch.setattr(record_search, "monotonic", lambda: next(seconds))
    answer = await client.get("/api/v1/why", params={"event_id": "nothing", "trigger_id": trigger_id})
    assert answer.status_code == 404
    assert answer.json()["searched"]["complete"] is False
    assert "give source, subject or around" in answer.json()["detail"]


async def test_another_workspaces_events_are_not_there(installation: Settings) -> None:
    """Two workspaces may give the same id; each sees its own event."""
    settings = installation.model_copy(update={"authentication": "keys"})
    async with serve_connected(settings) as client:
        ours = await make_key(settings, "ours", "triggers", "ingest")
        theirs = await make_key(settings, "theirs", "triggers", "ingest")
        for headers in (ours, theirs):
            await eventually(lambda h=headers: is_known(client, h), 10, "the key is known")  # type: ignore[misc]
        trigger_id = await create(client, headers=ours, match_filter={"minute": 93})
        await publish(client, headers=theirs, id="same", payload={"minute": 1})
        question = {"event_id": "same", "trigger_id": trigger_id}
        assert (await client.get("/api/v1/why", params=question, headers=ours)).json()["type"] == "no-such-event"
        await publish(client, headers=ours, id="same")
        found = (await client.get("/api/v1/why", params=question, headers=ours)).json()
        assert (found["event"]["payload"]["minute"], found["outcome"]) == (93, "would_fire")
        assert (await client.get("/api/v1/why", params=question, headers=theirs)).json()["type"] == "no-such-trigger"
        assert (await client.get("/api/v1/why", params=question, headers={"Authorization": "Bearer no"})).status_code == 401
