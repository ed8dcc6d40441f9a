"""Lineage at the door: what an agent was given is taken back, and nothing else that looks like it."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from streams.event import Event, Lineage, read_event
from streams.lineage import signed
from streams.settings import Settings
from streams.topics import EVENTS
from tests.integration.api import is_known, make_key, records, serve, serve_connected, trigger
from tests.waiting import eventually

INGEST = "/api/events/ingest"
SAID = {"source": "desk", "type": "said"}
KEY = b"development-only"
CHAIN = Lineage("e1", ["s", "t"], 2, "x2", "x1")


def given(workspace: str = "default", key: bytes = KEY) -> dict[str, Any]:
    """The lineage as an inject carries it."""
    built: dict[str, Any] = msgspec.to_builtins(signed(CHAIN, workspace, key))
    return built


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation."""
    async with serve(installation) as client:
        yield client


async def kept(installation: Settings) -> list[Event]:
    """The events on the topic."""
    return [read_event(record.value) for record in await records(installation, EVENTS)]


async def test_an_event_with_the_lineage_it_was_given_is_accepted_and_keeps_it(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """As a plain object, and in both modes of CloudEvents, where it is the text of an attribute."""
    text = json.dumps(given())
    cloud_event = {"specversion": "1.0", "id": "1", **SAID, "touchlinelineage": text}
    headers = {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "desk", "ce-type": "said"}
    answers = [
        await client.post(INGEST, json=SAID | {"lineage": given()}),
        await client.post(INGEST, json=cloud_event, headers={"content-type": "application/cloudevents+json"}),
        await client.post(INGEST, json={}, headers=headers | {"ce-touchlinelineage": quote(text)}),
        await client.post(INGEST, json=SAID | {"lineage": None}),
    ]
    assert [answer.status_code for answer in answers] == [202] * 4, [answer.text for answer in answers]
    assert [event.lineage for event in await kept(installation)] == [signed(CHAIN, "default", KEY)] * 3 + [None]


FORGED: list[tuple[str, Any]] = [
    ("an empty one", {}),
    ("one that is not signed", {"root_event_id": "e1", "trigger_chain": ["s", "t"], "trigger_depth": 2}),
    ("one of a feed that means something else", {"upstream": "warehouse"}),
    ("one whose depth was turned back", given() | {"trigger_depth": 1}),
    ("one whose chain was cut", given() | {"trigger_chain": ["t"]}),
    ("one that says it is another execution's", given() | {"execution_id": "x1"}),
    ("one of another workspace", given("sports")),
    ("one that somebody else signed", given(key=b"another key")),
]


async def test_a_forged_lineage_is_refused_by_its_name(installation: Settings, client: httpx.AsyncClient) -> None:
    """422 that names the field and says what is accepted, alone and in a batch, where the others are accepted."""
    for case, lineage in FORGED:
        answer = await client.post(INGEST, json=SAID | {"lineage": lineage})
        problem = answer.json()
        assert (answer.status_code, problem["errors"][0]["path"]) == (422, "lineage"), (case, answer.text)
        assert "accepted: the lineage of an inject, whole and unchanged" in problem["detail"], case
    batch = [SAID | {"lineage": given()}, *(SAID | {"lineage": lineage} for _, lineage in FORGED), SAID]
    first, *refused, last = (await client.post(INGEST, json=batch)).json()["results"]
    assert ("event_id" in first, "event_id" in last) == (True, True)
    assert [(one["status"], one["errors"][0]["path"]) for one in refused] == [(422, "lineage")] * len(FORGED)
    cloud_event = {"specversion": "1.0", "id": "1", **SAID, "touchlinelineage": "{}"}
    assert (await client.post(INGEST, json=cloud_event)).json()["errors"][0]["path"] == "lineage"
    assert (await client.post(INGEST, json=cloud_event | {"lineage": given()})).json()["errors"][0]["path"] == "lineage"
    assert len(await kept(installation)) == 2


async def test_a_lineage_holds_in_its_own_workspace_alone(installation: Settings) -> None:
    """The key's, or the one that the event of an installation's key names; firing by hand takes it by the same rule."""
    settings = installation.model_copy(update={"authentication": "keys"})
    async with serve_connected(settings) as client:
        sports = await make_key(settings, "sports", "ingest", "triggers")
        await eventually(lambda: is_known(client, sports), 10, "the key is known")
        taken = await client.post(INGEST, json=SAID | {"lineage": given("sports")}, headers=sports)
        assert taken.status_code == 202, taken.text
        assert (await client.post(INGEST, json=SAID | {"lineage": given()}, headers=sports)).status_code == 422
        assert (await client.post(INGEST, json=SAID | {"lineage": given("sports")})).status_code == 422
        assert (await client.post(INGEST, json=SAID | {"lineage": given(), "workspace": "sports"})).status_code == 422
        named = await client.post(INGEST, json=SAID | {"lineage": given("sports"), "workspace": "sports"})
        assert named.status_code == 202, named.text

        row = (await client.post("/api/v1/triggers", json=trigger(), headers=sports)).json()
        fire = f"/api/v1/triggers/{row['id']}/fire"
        assert (await client.post(fire, json={"lineage": given("sports")}, headers=sports)).status_code == 202
        for forged in ({}, given(), {"trigger_depth": "x"}):
            answer = await client.post(fire, json={"lineage": forged}, headers=sports)
            assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "lineage"), answer.text
        lineages = [event.lineage for event in await kept(settings)]
        assert lineages == [signed(CHAIN, "sports", KEY)] * 3
