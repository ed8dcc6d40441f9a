"""/api/v1/triggers on a real Postgres, with the real connector carrying its rows to Kafka."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from streams.event import derived_id, is_signed, read_event
from streams.heartbeat import Heartbeat
from streams.pulse import Pulse
from streams.settings import Settings
from streams.topics import EVENTS, TRIGGERS
from tests.integration.api import records, serve_connected, trigger
from tests.waiting import eventually

TRIGGERS_URL = "/api/v1/triggers"


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector, and a hub to send triggers to."""
    async with serve_connected(installation) as client:
        yield client


async def create(client: httpx.AsyncClient, **columns: Any) -> dict[str, Any]:
    """Create a trigger; its row."""
    answer = await client.post(TRIGGERS_URL, json=trigger(**columns))
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def test_a_created_trigger_is_given_back_as_it_lies_in_postgres_and_is_on_its_topic(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """201 comes with the whole row, its times by RFC 3339, once the row has gone through Kafka."""
    columns = trigger(
        match_filter={"team": "Mexico", "minute": {"gte": 90}},
        agent_instance_id="reporter-{run_id}",
        extra_seed_parts=[{"literal": "be brief"}],
        one_shot=True,
        owner_email="desk@example.org",
    )
    answer = await client.post(TRIGGERS_URL, json=columns)
    assert (answer.status_code, answer.headers["touchline-live"]) == (201, "true"), answer.text
    row = answer.json()
    assert {name: row[name] for name in columns} == columns
    assert (row["workspace"], row["schedule_type"], row["enabled"], row["generation"]) == ("default", "event", True, 1)
    assert row["created_at"].endswith("Z")
    assert [record.key.decode() for record in await records(installation, TRIGGERS)] == [row["id"]]
    assert (await client.get(f"{TRIGGERS_URL}/{row['id']}")).json() == row


async def test_a_create_call_returns_only_when_every_living_worker_has_the_row(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """Invariant 7: a worker whose heartbeat has not passed the row's offset holds the answer back."""
    applied = {"triggers": 0}

    def describe(heartbeat: Heartbeat) -> None:
        heartbeat.applied = applied

    worker = Pulse(installation, "worker", describe)
    await worker.start()
    creating = asyncio.create_task(client.post(TRIGGERS_URL, json=trigger()))
    await eventually(lambda: on_topic(installation), 30, "the row is on its topic")
    assert not creating.done()
    applied["triggers"] = 1
    worker.beat()
    answer = await creating
    assert (answer.status_code, answer.headers["touchline-live"]) == (201, "true")
    await worker.stop()
    assert (await client.post(TRIGGERS_URL, json=trigger())).status_code == 201, "nobody waits for a worker that has left"


async def on_topic(installation: Settings) -> bool:
    """Whether a row is on the topic `triggers`."""
    return bool(await records(installation, TRIGGERS))


async def test_a_worker_that_lags_makes_the_answer_202_and_loses_nothing(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """After 5 s the row is given back with 202: it is written, and not live everywhere yet."""
    worker = Pulse(installation, "worker", lambda _: None)
    await worker.start()
    answer = await client.post(TRIGGERS_URL, json=trigger())
    await worker.stop()
    assert (answer.status_code, answer.headers["touchline-live"]) == (202, "false")
    assert (await client.get(f"{TRIGGERS_URL}/{answer.json()['id']}")).status_code == 200


async def test_a_patch_changes_what_it_names_and_the_row_is_judged_as_a_whole(client: httpx.AsyncClient) -> None:
    """Columns that are not named stay; a change that would make the row wrong changes nothing."""
    row = await create(client, match_filter={"team": "Mexico"})
    url = f"{TRIGGERS_URL}/{row['id']}"
    changed = (await client.patch(url, json={"supervisor_message": "a goal", "match_filter": None})).json()
    assert (changed["supervisor_message"], changed["match_filter"], changed["name"]) == ("a goal", None, row["name"])
    refused = await client.patch(url, json={"schedule_expression": "stocks:price_cross_above"})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "match_filter.price")
    assert (await client.get(url)).json() == changed


async def test_enabling_again_begins_a_new_generation(client: httpx.AsyncClient) -> None:
    """A one-shot may fire once per generation; enabling what is enabled begins none."""
    row = await create(client)
    url = f"{TRIGGERS_URL}/{row['id']}"
    assert (await client.post(f"{url}/enable")).json()["generation"] == 1
    disabled = (await client.post(f"{url}/disable")).json()
    assert (disabled["enabled"], disabled["generation"]) == (False, 1)
    enabled = (await client.post(f"{url}/enable")).json()
    assert (enabled["enabled"], enabled["generation"]) == (True, 2)


async def test_a_deleted_trigger_is_gone(client: httpx.AsyncClient) -> None:
    """204, and 404 for every call that names it afterwards."""
    url = f"{TRIGGERS_URL}/{(await create(client))['id']}"
    answer = await client.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    calls = [client.get(url), client.delete(url), client.patch(url, json={}), client.post(f"{url}/enable")]
    calls += [client.post(f"{url}/disable"), client.post(f"{url}/fire")]
    assert [(await call).status_code for call in calls] == [404] * 6


async def test_a_name_belongs_to_one_trigger_of_a_workspace(client: httpx.AsyncClient) -> None:
    """409 for the second, on creating and on renaming; another workspace may use it."""
    row, other = await create(client), await create(client)
    assert (await client.post(TRIGGERS_URL, json=trigger(name=row["name"]))).status_code == 409
    renamed = await client.patch(f"{TRIGGERS_URL}/{other['id']}", json={"name": row["name"]})
    assert renamed.status_code == 409
    await create(client, name=row["name"], workspace="elsewhere")


async def test_lists_are_filtered_and_paged(client: httpx.AsyncClient) -> None:
    """Every row comes exactly once, oldest first, also when rows are written between two pages."""
    mine = [await create(client, workspace="mine", enabled=number % 2 == 0) for number in range(5)]
    other = await create(client, agent_id="another")
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"workspace": "mine", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(TRIGGERS_URL, params=parameters)).json()
        seen += [row["id"] for row in page["triggers"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await create(client)
    assert seen == [row["id"] for row in mine]
    enabled = (await client.get(TRIGGERS_URL, params={"workspace": "mine", "enabled": "true"})).json()["triggers"]
    assert [row["id"] for row in enabled] == [row["id"] for row in mine[::2]]
    for name, value in (("agent_id", "another"), ("name", other["name"])):
        found = (await client.get(TRIGGERS_URL, params={name: value})).json()["triggers"]
        assert [row["id"] for row in found] == [other["id"]]


NOT_UNDERSTOOD = ("limit=0", "limit=1001", "cursor=nonsense", "cursor=e30%3D", "enabled=perhaps", "agent=x")


async def test_a_query_that_is_not_understood_is_refused(client: httpx.AsyncClient) -> None:
    """A misspelt filter would list everything; it is named instead."""
    for query in NOT_UNDERSTOOD:
        answer = await client.get(f"{TRIGGERS_URL}?{query}")
        assert answer.status_code == 422, query
        assert [error["path"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


INVALID: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": ""}),
    ("name", {"name": "a\nb"}),
    ("agent_id", {"agent_id": 7}),
    ("enabled", {"enabled": "yes"}),
    ("colour", {"colour": "red"}),
    ("schedule_type", {"schedule_type": "sometimes"}),
    ("schedule_expression", {"schedule_expression": "goal"}),
    ("schedule_expression", {"schedule_expression": "sports_feed:*"}),
    ("match_filter", {"match_filter": []}),
    ("match_filter.minute.about", {"match_filter": {"minute": {"about": 90}}}),
    ("match_filter.minute.gte", {"match_filter": {"minute": {"gte": "90"}}}),
    ("match_filter.price", {"schedule_expression": "stocks:price_cross_above"}),
    ("agent_instance_id", {"agent_instance_id": "reporter-{game}"}),
    ("hub_id", {"hub_id": "nowhere"}),
    ("hub_id", {"hub_id": "../desk"}),
    ("supervisor_message", {"supervisor_message": "\x00"}),
    ("", {"match_filter": {"team": "\x00"}}),
]


async def test_an_invalid_trigger_is_refused_when_it_is_written(client: httpx.AsyncClient) -> None:
    """422 names the field and what would be accepted, and no row is written."""
    for path, columns in INVALID:
        answer = await client.post(TRIGGERS_URL, json=trigger(**columns))
        assert answer.status_code == 422, (columns, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["path"] for error in answer.json()["errors"]] == [path], columns
    assert (await client.get(TRIGGERS_URL)).json()["triggers"] == []


NO_TRIGGERS: list[tuple[bytes, str, int]] = [
    (b"{", "application/json", 400),
    (b"[]", "application/json", 422),
    (b"{}", "application/json", 422),
    (b"name=x", "application/x-www-form-urlencoded", 415),
    (b'{"name":"' + b"x" * 1024 * 1024 + b'"}', "application/json", 413),
]


async def test_a_body_that_is_no_trigger_is_refused(client: httpx.AsyncClient) -> None:
    """The same answers as everywhere."""
    for content, content_type, status in NO_TRIGGERS:
        answer = await client.post(TRIGGERS_URL, content=content, headers={"content-type": content_type})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


async def test_firing_by_hand_puts_a_signed_event_on_the_topic(installation: Settings, client: httpx.AsyncClient) -> None:
    """The execution's id follows from the trigger and the event; the same id given twice is the same execution."""
    trigger_id = (await create(client))["id"]
    answer = await client.post(f"{TRIGGERS_URL}/{trigger_id}/fire", json={"payload": {"minute": 12}, "id": "mine"})
    assert answer.status_code == 202
    assert answer.json() == {"execution_id": derived_id("execution", trigger_id, "mine"), "event_id": "mine"}
    await client.post(f"{TRIGGERS_URL}/{trigger_id}/fire")
    first, second = await records(installation, EVENTS)
    event = read_event(first.value)
    assert (event.source, event.type, event.payload) == ("manual", trigger_id, {"minute": 12})
    for record in (first, second):
        assert is_signed(record.value, record.headers, installation.signing_key.get_secret_value().encode())
    assert read_event(second.value).payload == {}


async def test_a_disabled_trigger_is_not_fired_by_hand(client: httpx.AsyncClient) -> None:
    """409 says why, instead of an execution's id that nothing will ever carry."""
    trigger_id = (await create(client, enabled=False))["id"]
    assert (await client.post(f"{TRIGGERS_URL}/{trigger_id}/fire")).status_code == 409
