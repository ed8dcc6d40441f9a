"""Workspaces at the real API: what a key's caller sees and writes, what a workspace may have, and what its words mean."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from streams.event import read_event
from streams.execution import Execution, Status, encode
from streams.settings import Settings
from streams.topics import EVENTS, EXECUTIONS
from tests.environment import installation_environment
from tests.integration.api import is_known, make_key, records, serve, serve_connected, trigger
from tests.waiting import eventually

TRIGGERS_URL = "/api/v1/triggers"
INGEST = "/api/events/ingest"
EVENT = {"source": "s", "type": "t"}
Headers = dict[str, str]


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, asking for keys; the client has one of the installation."""
    async with serve_connected(installation.model_copy(update={"authentication": "keys"})) as client:
        yield client


@pytest.fixture
async def mine(installation: Settings, client: httpx.AsyncClient) -> Headers:
    """A key of workspace `mine` with every scope."""
    return await known_key(installation, client, "mine")


@pytest.fixture
async def yours(installation: Settings, client: httpx.AsyncClient) -> Headers:
    """A key of workspace `yours` with every scope."""
    return await known_key(installation, client, "yours")


async def known_key(settings: Settings, client: httpx.AsyncClient, workspace: str) -> Headers:
    """A key that works."""
    headers = await make_key(settings, workspace, "ingest", "triggers", "executions", "admin")
    await eventually(lambda: is_known(client, headers), 10, "the key is known")
    return headers


async def create(client: httpx.AsyncClient, headers: Headers | None = None, **columns: Any) -> dict[str, Any]:
    """Create a trigger; its row."""
    answer = await client.post(TRIGGERS_URL, json=trigger(**columns), headers=headers)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def names(client: httpx.AsyncClient, headers: Headers | None = None, query: str = "") -> list[str]:
    """The names of the triggers a caller sees, in order of their creation."""
    listed = (await client.get(f"{TRIGGERS_URL}{query}", headers=headers)).json()["triggers"]
    return [row["name"] for row in listed]


async def test_a_key_sees_and_changes_the_triggers_of_its_own_workspace_alone(
    client: httpx.AsyncClient, mine: Headers, yours: Headers
) -> None:
    """To another workspace's key a trigger is not there: 404 for every call, and no word of it in a list."""
    row = await create(client, mine, name="goals")
    await create(client, yours, name="goals")
    await create(client, name="third", workspace="third")
    assert row["workspace"] == "mine"
    url = f"{TRIGGERS_URL}/{row['id']}"
    for method, path in [
        ("GET", url),
        ("PATCH", url),
        ("POST", f"{url}/enable"),
        ("POST", f"{url}/disable"),
        ("POST", f"{url}/fire"),
        ("DELETE", url),
    ]:
        answer = await client.request(method, path, headers=yours, json={} if method != "GET" else None)
        assert answer.status_code == 404, (method, path, answer.text)
        unknown = await client.request(
            method, path.replace(row["id"], "x"), headers=yours, json={} if method != "GET" else None
        )
        assert answer.text == unknown.text.replace("trigger x", f"trigger {row['id']}"), "nobody can tell it from none"
    assert await names(client, mine) == await names(client, yours) == ["goals"]
    assert await names(client, yours, "?workspace=mine") == []
    assert await names(client) == ["goals", "goals", "third"]
    assert await names(client, query="?workspace=third") == ["third"]
    assert (await client.get(url, headers=mine)).json() == (await client.get(url)).json() == row


async def test_a_trigger_is_written_into_another_workspace_by_the_installation_alone(
    client: httpx.AsyncClient, mine: Headers
) -> None:
    """403 for a key of one workspace, when it creates and when it moves; naming its own is fine."""
    row = await create(client, mine, workspace="mine")
    refused = await client.post(TRIGGERS_URL, json=trigger(workspace="yours"), headers=mine)
    moved = await client.patch(f"{TRIGGERS_URL}/{row['id']}", json={"workspace": "yours"}, headers=mine)
    for answer in (refused, moved):
        assert (answer.status_code, answer.json()["type"]) == (403, "other-workspace")
        assert "the key belongs to mine, not to yours" in answer.json()["detail"]
    by_installation = await client.patch(f"{TRIGGERS_URL}/{row['id']}", json={"workspace": "yours"})
    assert by_installation.json()["workspace"] == "yours"
    assert (await client.get(f"{TRIGGERS_URL}/{row['id']}", headers=mine)).status_code == 404


async def test_an_event_belongs_to_the_workspace_of_its_key(
    installation: Settings, client: httpx.AsyncClient, mine: Headers
) -> None:
    """Written out on the topic; naming another workspace is 403, in a batch for that item alone."""
    assert (await client.post(INGEST, json=EVENT | {"id": "1"}, headers=mine)).status_code == 202
    assert (await client.post(INGEST, json=EVENT | {"workspace": "yours"}, headers=mine)).status_code == 403
    assert (await client.post(INGEST, json=EVENT | {"workspace": ""}, headers=mine)).status_code == 422
    batch = [EVENT | {"workspace": "yours"}, EVENT | {"workspace": "mine", "id": "2"}]
    refused, accepted = (await client.post(INGEST, json=batch, headers=mine)).json()["results"]
    assert (refused["status"], refused["type"], accepted) == (403, "other-workspace", {"event_id": "2"})
    cloud_event = EVENT | {"specversion": "1.0", "id": "3"}
    assert (await client.post(INGEST, json=cloud_event, headers=mine)).status_code == 202
    assert (await client.post(INGEST, json=cloud_event | {"workspace": "yours"}, headers=mine)).status_code == 403
    assert await kept(installation) == {"1": "mine", "2": "mine", "3": "mine"}


async def test_the_installations_events_belong_where_they_say(installation: Settings, client: httpx.AsyncClient) -> None:
    """And to `default` when they do not: no event leaves the door without a workspace. CloudEvents say it in an extension."""
    for event in (
        EVENT | {"id": "1"},
        EVENT | {"id": "2", "workspace": "yours"},
        EVENT | {"id": "3", "workspace": "yours", "specversion": "1.0"},
        EVENT | {"id": "4", "specversion": "1.0"},
    ):
        assert (await client.post(INGEST, json=event)).status_code == 202
    binary = {"ce-specversion": "1.0", "ce-id": "5", "ce-source": "s", "ce-type": "t", "ce-workspace": "yours"}
    assert (await client.post(INGEST, content=b"{}", headers=binary)).status_code == 202
    assert await kept(installation) == {"1": "default", "2": "yours", "3": "yours", "4": "default", "5": "yours"}
    assert all(b'"workspace":' in record.value for record in await records(installation, EVENTS))


async def kept(installation: Settings) -> dict[str, str]:
    """Id → workspace of the events on the topic."""
    events = [read_event(record.value) for record in await records(installation, EVENTS)]
    return {event.id: event.workspace for event in events}


async def test_a_trigger_fired_by_hand_fires_in_its_own_workspace(
    installation: Settings, client: httpx.AsyncClient, mine: Headers
) -> None:
    """Whoever fires it, its workspace's key or the installation's."""
    row = await create(client, mine)
    for number, headers in enumerate((mine, None)):
        fired = await client.post(f"{TRIGGERS_URL}/{row['id']}/fire", json={"id": str(number)}, headers=headers)
        assert fired.status_code == 202, fired.text
    assert await kept(installation) == {"0": "mine", "1": "mine"}


async def test_a_key_sees_and_ends_the_executions_of_its_own_workspace_alone(
    installation: Settings, client: httpx.AsyncClient, mine: Headers, yours: Headers
) -> None:
    """To another's key an execution is not there, in the list as in every call."""
    producer = AIOKafkaProducer(**installation.kafka_client())
    await producer.start()
    at_ms = time.time_ns() // 1_000_000
    for execution_id in ("e1", "e2"):
        execution = Execution(execution_id, "t", Status.RUNNING, at_ms, workspace="mine", event_id="event")
        await producer.send_and_wait(EXECUTIONS.full_name(installation), encode(execution), key=b"t")
    await producer.stop()

    async def listed(headers: Headers | None) -> list[str]:
        rows = (await client.get("/v1/triggers/t/executions", headers=headers)).json()["executions"]
        return sorted(row["execution_id"] for row in rows)

    async def both() -> bool:
        return await listed(mine) == ["e1", "e2"]

    await eventually(both, 30, "they are in Postgres")
    assert await listed(None) == ["e1", "e2"]
    assert await listed(yours) == []
    assert (await client.get("/v1/triggers/t/executions/e1", headers=yours)).status_code == 404
    for verb, body in (("complete", {"output": 1}), ("fail", {"error": "no"})):
        assert (await client.post(f"/api/v1/executions/e1/{verb}", json=body, headers=yours)).status_code == 404
    assert (await client.get("/v1/triggers/t/executions/e1", headers=mine)).json()["status"] == "RUNNING"
    assert (await client.post("/api/v1/executions/e1/complete", json={"output": 1}, headers=mine)).status_code == 200
    assert (await client.post("/api/v1/executions/e2/fail", json={"error": "no"})).status_code == 200


async def set_workspace(client: httpx.AsyncClient, workspace: str, headers: Headers | None = None, **body: Any) -> Any:
    """Change a workspace; its row."""
    answer = await client.patch(f"/api/v1/workspaces/{workspace}", json=body, headers=headers)
    assert (answer.status_code, answer.headers["touchline-live"]) == (200, "true"), answer.text
    return answer.json()


async def test_a_quota_is_exact_however_many_are_created_at_once(
    installation: Settings, client: httpx.AsyncClient, mine: Headers
) -> None:
    """Of 40 creates at once through two processes, 10 come in; the others are told the quota, and other workspaces nothing."""
    await set_workspace(client, "mine", max_triggers=10)
    async with serve(installation.model_copy(update={"authentication": "keys"})) as other:
        creates = [
            (client, other)[number % 2].post(TRIGGERS_URL, json=trigger(enabled=number % 3 > 0), headers=mine)
            for number in range(40)
        ]
        answers = await asyncio.gather(*creates)
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [409] * 30
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["type"], refused["max_triggers"]) == ("quota", 10)
    assert "workspace mine may have 10 triggers" in refused["detail"]
    assert len(await names(client, mine)) == 10
    await create(client, workspace="yours")


async def test_what_is_deleted_or_moved_makes_room_and_what_sql_writes_takes_it(
    installation: Settings, client: httpx.AsyncClient, mine: Headers
) -> None:
    """Every way a row comes and goes counts, disabled rows as well."""
    await set_workspace(client, "mine", max_triggers=2)
    first = await create(client, mine, enabled=False)
    await create(client, mine, enabled=False)

    async def is_full() -> bool:
        answer = await client.post(TRIGGERS_URL, json=trigger(), headers=mine)
        if answer.status_code == 201:
            await client.delete(f"{TRIGGERS_URL}/{answer.json()['id']}")
        return answer.status_code == 409

    assert await is_full()
    assert (await client.patch(f"{TRIGGERS_URL}/{first['id']}", json={"enabled": True}, headers=mine)).status_code == 200
    elsewhere = await create(client, workspace="yours")
    moved_in = await client.patch(f"{TRIGGERS_URL}/{elsewhere['id']}", json={"workspace": "mine"})
    assert (moved_in.status_code, moved_in.json()["type"]) == (409, "quota")
    await client.delete(f"{TRIGGERS_URL}/{first['id']}", headers=mine)
    assert not await is_full()
    await client.patch(f"{TRIGGERS_URL}/{elsewhere['id']}", json={"workspace": "mine"})
    assert await is_full()
    for statement, full in (
        ("UPDATE jobs SET workspace = 'yours' WHERE workspace = 'mine'", False),
        ("UPDATE jobs SET workspace = 'mine'", True),
        ("DELETE FROM jobs WHERE workspace = 'mine'", False),
        (
            "INSERT INTO jobs (name, workspace, schedule_expression, agent_id, hub_id)"
            " SELECT n, 'mine', 'a:b', 'a', 'desk' FROM generate_series(1, 3) AS n",
            True,
        ),
        ("TRUNCATE jobs", False),
    ):
        await execute(installation, statement)
        assert await is_full() is full, statement


async def execute(installation: Settings, statement: str) -> None:
    """Run SQL on the installation's schema."""
    connection = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_workspace_without_a_quota_has_the_installations(installation: Settings) -> None:
    """TOUCHLINE_WORKSPACE_MAX_TRIGGERS, until its row says otherwise."""
    async with serve_connected(installation.model_copy(update={"workspace_max_triggers": 1})) as client:
        await create(client)
        assert (await client.post(TRIGGERS_URL, json=trigger())).json()["max_triggers"] == 1
        await set_workspace(client, "default", max_triggers=2)
        await create(client)
        await set_workspace(client, "default", max_triggers=None)
        assert (await client.post(TRIGGERS_URL, json=trigger())).status_code == 409


async def test_words_are_ordered_by_the_workspaces_own_scale(client: httpx.AsyncClient, mine: Headers) -> None:
    """The same condition means other words elsewhere; a scale is changed alone, and taken away with null."""
    condition = {"severity": ">= amber"}
    row = await set_workspace(client, "mine", mine, scales={"severity": ["green", "amber", "red"], "size": ["s", "m"]})
    assert row["scales"] == {"severity": ["green", "amber", "red"], "size": ["s", "m"]}
    created = await create(client, mine, match_filter=condition)
    assert created["match_filter"] == {"severity": {"in": ["amber", "red"]}}
    elsewhere = await client.post(TRIGGERS_URL, json=trigger(match_filter=condition))
    assert (elsewhere.status_code, elsewhere.json()["errors"][0]["path"]) == (422, "match_filter.severity")
    changed = await set_workspace(client, "mine", mine, scales={"severity": ["amber", "red", "black"], "size": None})
    assert changed["scales"] == {"severity": ["amber", "red", "black"]}
    assert (await client.get(f"{TRIGGERS_URL}/{created['id']}", headers=mine)).json() == created, "translated when written"
    patched = await client.patch(f"{TRIGGERS_URL}/{created['id']}", json={"match_filter": condition}, headers=mine)
    assert patched.json()["match_filter"] == {"severity": {"in": ["amber", "red", "black"]}}


NO_WORKSPACES: list[tuple[str, dict[str, Any]]] = [
    ("scales", {"scales": {"severity": ["low", "low"]}}),
    ("scales.severity", {"scales": {"severity": []}}),
    ("scales.severity", {"scales": {"severity": "low"}}),
    ("scales.severity.0", {"scales": {"severity": [1, "high"]}}),
    ("scales.severity.1", {"scales": {"severity": ["low", ""]}}),
    ("scales", {"scales": ["low", "high"]}),
    ("max_triggers", {"max_triggers": -1}),
    ("max_triggers", {"max_triggers": 2**31}),
    ("max_triggers", {"max_triggers": "10"}),
    ("max_depth", {"max_depth": 0}),
    ("max_depth", {"max_depth": 2**31}),
    ("max_queue", {"max_queue": -1}),
    ("max_queue", {"max_queue": True}),
    ("max_firings", {"max_firings": 1000}),
    ("max_firings", {"max_firings": "1000"}),
    ("max_firings", {"max_firings": "0/1h"}),
    ("max_firings", {"max_firings": "1000/31d"}),
    ("allowed_agents", {"allowed_agents": "reporter"}),
    ("allowed_agents.1", {"allowed_agents": ["reporter", ""]}),
    ("allowed_agents.0", {"allowed_agents": [None]}),
    ("allowed_agents", {"allowed_agents": [str(number) for number in range(1_001)]}),
    ("colour", {"colour": "red"}),
]


async def test_a_workspace_that_could_not_be_is_refused(client: httpx.AsyncClient) -> None:
    """422 names the field, and nothing is changed."""
    for path, body in NO_WORKSPACES:
        answer = await client.patch("/api/v1/workspaces/w", json=body)
        assert answer.status_code == 422, (body, answer.text)
        assert [error["path"] for error in answer.json()["errors"]] == [path], body
    assert (await client.get("/api/v1/workspaces/w")).status_code == 404


LIMITS: dict[str, Any] = {
    "max_triggers": 7,
    "allowed_agents": ["reporter", "two words"],
    "max_depth": 3,
    "max_firings": "1000/1h",
    "max_queue": 0,
}


async def test_each_limit_is_set_and_lifted_alone(client: httpx.AsyncClient) -> None:
    """What a change does not name stays; null lifts."""
    row = await set_workspace(client, "mine", **LIMITS, scales={"severity": ["low", "high"]})
    assert {limit: row[limit] for limit in LIMITS} == LIMITS
    assert (await client.get("/api/v1/workspaces/mine")).json() == row
    for limit in LIMITS:
        assert await set_workspace(client, "mine", **{limit: None}) == row | {limit: None}
        assert await set_workspace(client, "mine", **{limit: LIMITS[limit]}) == row
    assert (await set_workspace(client, "new", max_queue=5))["max_queue"] == 5
    again = await set_workspace(client, "mine", allowed_agents=["b", "a", "b"])
    assert again["allowed_agents"] == ["b", "a"]


async def test_only_agents_that_are_allowed_are_registered(
    installation: Settings, client: httpx.AsyncClient, mine: Headers
) -> None:
    """422 by create, change, move, draft and message; a row that is there already says why, and can be switched off."""
    before = await create(client, mine, agent_id="stranger")
    await set_workspace(client, "mine", allowed_agents=["reporter"])
    row = await create(client, mine)
    elsewhere = await create(client, agent_id="stranger", workspace="yours")
    stranger, url = trigger(agent_id="stranger"), f"{TRIGGERS_URL}/{row['id']}"
    refused = [
        await client.post(TRIGGERS_URL, json=stranger, headers=mine),
        await client.post(TRIGGERS_URL, json=stranger | {"workspace": "mine"}),
        await client.patch(url, json={"agent_id": "stranger"}, headers=mine),
        await client.patch(f"{TRIGGERS_URL}/{before['id']}", json={"name": "renamed"}, headers=mine),
        await client.patch(f"{TRIGGERS_URL}/{elsewhere['id']}", json={"workspace": "mine"}),
    ]
    for answer in refused:
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"] == [
            {"path": "agent_id", "message": "may not be fired in workspace mine; accepted: reporter"}
        ]
    drafts = (await client.post(f"{TRIGGERS_URL}/drafts", json=[stranger, trigger()], headers=mine)).json()["results"]
    assert [draft.get("problem", {}).get("status") for draft in drafts] == [422, None]
    body = {"operation": "create", **stranger}
    message = await client.post("/api/chmp", json={"header": {}, "body": body}, headers=mine)
    assert message.json()["body"]["error"]["field"] == "agent_id"
    shown = (await client.get(f"{TRIGGERS_URL}/{before['id']}", headers=mine)).json()
    assert shown["invalid"]["path"] == "agent_id"
    assert (await client.post(f"{TRIGGERS_URL}/{before['id']}/disable", headers=mine)).status_code == 200
    await set_workspace(client, "mine", allowed_agents=None)
    assert (await client.post(TRIGGERS_URL, json=stranger, headers=mine)).status_code == 201


async def test_a_workspaces_admin_sets_its_scales_and_not_its_limits(client: httpx.AsyncClient, mine: Headers) -> None:
    """What it may have and do is the installation's to say; other workspaces are not there."""
    await set_workspace(client, "yours", max_triggers=5)
    for limit, value in LIMITS.items():
        for given in (value, None):
            refused = await client.patch("/api/v1/workspaces/mine", json={limit: given}, headers=mine)
            assert refused.status_code == 403
            assert refused.json()["detail"] == f"{limit}: is changed with a key of the installation"
    assert (await client.patch("/api/v1/workspaces/yours", json={}, headers=mine)).status_code == 404
    assert (await client.get("/api/v1/workspaces/yours", headers=mine)).status_code == 404
    row = await set_workspace(client, "mine", mine, scales={"severity": ["low", "high"]})
    assert (await client.get("/api/v1/workspaces/mine", headers=mine)).json() == row
    assert (await client.get("/api/v1/workspaces", headers=mine)).json() == {"workspaces": [row], "next_cursor": None}
    listed = (await client.get("/api/v1/workspaces")).json()["workspaces"]
    assert [one["workspace"] for one in listed] == ["yours", "mine"]


async def test_the_command_sets_what_it_is_given_and_leaves_the_rest(
    installation: Settings, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Limits and scales, each alone; what it prints is the row."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "touchline.cli", "workspaces", "set", "mine", *arguments, "--data-dir", str(tmp_path)]
        environment = installation_environment(installation)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def limits(row: dict[str, Any]) -> dict[str, Any]:
        return {limit: row[limit] for limit in LIMITS}

    assert run("--max-triggers", "7", "--scale", "severity=low, high", "--scale", "size=s,m").returncode == 0
    printed = json.loads(run("--scale", "size=").stdout)
    assert (printed["max_triggers"], printed["scales"]) == (7, {"severity": ["low", "high"]})
    agents = [argument for agent in LIMITS["allowed_agents"] for argument in ("--allow-agent", agent)]
    printed = json.loads(run("--max-depth", "3", "--max-firings", "1000/1h", "--max-queue", "0", *agents).stdout)
    assert limits(printed) == LIMITS
    row = (await client.get("/api/v1/workspaces/mine")).json()
    assert (limits(row), row["scales"]) == (LIMITS, {"severity": ["low", "high"]})
    lifted = run("--lift", "allow-agent", "--lift", "max-depth", "--lift", "max-firings", "--max-queue", "9")
    told = limits(json.loads(lifted.stdout))
    assert told == dict.fromkeys(LIMITS) | {"max_triggers": 7, "max_queue": 9}
    lifted = run("--lift", "max-triggers", "--lift", "max-queue")
    assert limits(json.loads(lifted.stdout)) == dict.fromkeys(LIMITS)
    wrong = {
        "severity": ["--scale", "severity"],
        "twice": ["--scale", "severity=low,low"],
        "max_firings": ["--max-firings", "often"],
        "allowed_agents": ["--allow-agent", ""],
        "--lift": ["--lift", "max-depth", "--max-depth", "3"],
    }
    for said, arguments in wrong.items():
        refused = run(*arguments)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
        assert said in refused.stderr
