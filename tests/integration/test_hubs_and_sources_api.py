"""/api/v1/hubs and /api/v1/sources, with the real connector."""

from collections.abc import AsyncIterator

import httpx
import pytest

from streams.settings import Settings
from streams.topics import EVENTS
from tests.integration.api import records, serve_connected, trigger


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector."""
    async with serve_connected(installation) as client:
        yield client


HUB = {"hub_id": "mine", "base_url": "https://hub.example.org/agents/", "token": "let-me-in"}


async def test_a_hub_is_registered_and_replaced_and_its_token_never_shown(client: httpx.AsyncClient) -> None:
    """201 for a new one, 200 for one that is replaced."""
    created = await client.post("/api/v1/hubs", json=HUB)
    assert (created.status_code, created.headers["touchline-live"]) == (201, "true")
    assert created.json()["base_url"] == "https://hub.example.org/agents"
    replaced = await client.post("/api/v1/hubs", json=HUB | {"base_url": "http://127.0.0.1:9000"})
    assert replaced.status_code == 200
    one = await client.get("/api/v1/hubs/mine")
    listed = await client.get("/api/v1/hubs")
    assert one.json() == replaced.json()
    assert [hub["hub_id"] for hub in listed.json()["hubs"]] == ["desk", "mine"]
    for answer in (created, replaced, one, listed):
        assert "token" not in answer.text
        assert "let-me-in" not in answer.text


async def test_a_hub_that_triggers_go_to_is_not_deleted(client: httpx.AsyncClient) -> None:
    """409 names a trigger; without triggers it is 204, then 404."""
    row = (await client.post("/api/v1/triggers", json=trigger())).json()
    refused = await client.delete("/api/v1/hubs/desk")
    assert refused.status_code == 409
    assert row["name"] in refused.json()["detail"]
    await client.delete(f"/api/v1/triggers/{row['id']}")
    assert (await client.delete("/api/v1/hubs/desk")).status_code == 204
    assert (await client.get("/api/v1/hubs/desk")).status_code == 404
    assert (await client.delete("/api/v1/hubs/desk")).status_code == 404


NO_HUBS = (
    {"base_url": "ftp://hub.example.org"},
    {"base_url": "http://"},
    {"base_url": "hub.example.org"},
    {"base_url": "http://hub.example.org:port"},
    {"base_url": "http://hub.example.org/?a=b"},
    {"hub_id": "a/b"},
    {"hub_id": ".."},
    {"token": "a\r\nb"},
    {"token": "käse"},
    {"url": "http://hub.example.org"},
)


async def test_a_hub_that_could_not_be_called_is_refused(client: httpx.AsyncClient) -> None:
    """422 names the field."""
    for change in NO_HUBS:
        answer = await client.post("/api/v1/hubs", json=HUB | change)
        assert answer.status_code == 422, answer.text
        assert [error["path"] for error in answer.json()["errors"]] == list(change)


async def test_a_source_spreads_by_subject_from_the_moment_its_declaration_returns(
    installation: Settings,
    client: httpx.AsyncClient,
) -> None:
    """Its next event is keyed source/subject, and keyed by the source again once the declaration is taken back."""
    url = "/api/v1/sources/league/live"
    event = {"source": "league/live", "type": "goal", "subject": "game-1"}
    await client.post("/api/events/ingest", json=event)
    declared = await client.put(url, json={"spread": "subject"})
    assert (declared.status_code, declared.headers["touchline-live"]) == (200, "true")
    await client.post("/api/events/ingest", json=event)
    assert (await client.get(url)).json() == declared.json()
    assert [row["source"] for row in (await client.get("/api/v1/sources")).json()["sources"]] == ["league/live"]
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(url)).status_code == 404
    await client.post("/api/events/ingest", json=event)
    keys = [record.key for record in sorted(await records(installation, EVENTS), key=lambda record: record.timestamp)]
    assert keys == [b"league/live", b"league/live/game-1", b"league/live"]


async def test_only_what_a_source_can_be_is_declared(client: httpx.AsyncClient) -> None:
    """A reserved source is touchline's own, and there are two ways to spread."""
    assert (await client.put("/api/v1/sources/manual", json={"spread": "subject"})).status_code == 403
    refused = await client.put("/api/v1/sources/mine", json={"spread": "widely"})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "spread")
