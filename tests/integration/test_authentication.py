"""Keys and scopes at the real API: who is let in, to what, and from when until when."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from ingest.app import create_app
from streams.settings import Settings
from tests.environment import installation_environment
from tests.integration.api import is_known, make_key, serve, serve_connected
from tests.waiting import eventually

OPEN = {"/health", "/metrics"}
INGEST = "/api/events/ingest"
EVENT = {"source": "s", "type": "t"}


@pytest.fixture
def locked(installation: Settings) -> Settings:
    """This test's installation, asking for keys."""
    return installation.model_copy(update={"authentication": "keys"})


@pytest.fixture
async def client(locked: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Its API with a connector; the client has a key of the installation, with every scope."""
    async with serve_connected(locked) as client:
        yield client


def routes() -> list[tuple[str, str]]:
    """Every call there is, its path filled in."""
    paths: dict[str, dict[str, Any]] = create_app(Settings()).openapi()["paths"]
    return [
        (method.upper(), re.sub(r"{[^}]*}", "x", path)) for path, calls in paths.items() if path not in OPEN for method in calls
    ]


async def test_every_call_but_health_and_metrics_asks_for_a_key(client: httpx.AsyncClient) -> None:
    """401 with a challenge (RFC 9110, 11.6.1), before anything is read; a new route cannot forget it."""
    assert len(routes()) > 20
    for method, path in routes():
        answer = await client.request(method, path, headers={"Authorization": ""}, content=b"{")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
    assert {(await client.get(path, headers={"Authorization": ""})).status_code for path in OPEN} <= {200, 503}


async def test_401_tells_nobody_why(locked: Settings, client: httpx.AsyncClient) -> None:
    """A wrong secret, an unknown key, an expired, a revoked one and no key at all are answered with the same words."""
    known, revoked, expired = [await make_key(locked, None, "admin") for _ in range(3)]
    good = known["Authorization"]
    await eventually(lambda: is_known(client, expired), 10, "the keys are known")
    await change(locked, "revoked_at = now()", revoked)
    await change(locked, "expires_at = now()", expired)

    async def are_refused() -> bool:
        return not await is_known(client, revoked) and not await is_known(client, expired)

    await eventually(are_refused, 10, "both have ended")
    tried = ["", "Bearer", good[:-1], f"{good}x", good.replace("Bearer", "Basic"), good[7:], "Bearer tl_0_0"]
    tried += [revoked["Authorization"], expired["Authorization"]]
    answers = [await client.get("/api/v1/keys", headers={"Authorization": given}) for given in tried]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert (await client.get("/api/v1/keys", headers={"Authorization": good.replace("Bearer", "bearer")})).status_code == 200


async def change(settings: Settings, what: str, headers: dict[str, str]) -> None:
    """Change a key's row with SQL."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        statement = f"UPDATE {settings.database_schema}.api_keys SET {what} WHERE key_id = $1"
        await connection.execute(statement, headers["Authorization"].split("_")[1])
    finally:
        await connection.close()


SCOPED: list[tuple[str, str, str]] = [
    ("ingest", "POST", INGEST),
    ("triggers", "GET", "/api/v1/triggers"),
    ("triggers", "POST", "/api/v1/triggers"),
    ("triggers", "GET", "/api/v1/triggers/x"),
    ("triggers", "PATCH", "/api/v1/triggers/x"),
    ("triggers", "DELETE", "/api/v1/triggers/x"),
    ("triggers", "POST", "/api/v1/triggers/x/enable"),
    ("triggers", "POST", "/api/v1/triggers/x/disable"),
    ("triggers", "POST", "/api/v1/triggers/x/fire"),
    ("triggers", "POST", "/api/chmp"),
    ("triggers", "GET", "/api/v1/why"),
    ("executions", "GET", "/v1/triggers/x/executions"),
    ("executions", "GET", "/api/v1/triggers/x/executions/x"),
    ("executions", "POST", "/api/v1/executions/x/complete"),
    ("executions", "POST", "/api/v1/executions/x/fail"),
    ("admin", "GET", "/api/v1/keys"),
    ("admin", "POST", "/api/v1/keys"),
    ("admin", "DELETE", "/api/v1/keys/x"),
    ("admin", "GET", "/api/v1/workspaces"),
    ("admin", "PATCH", "/api/v1/workspaces/w"),
    ("admin", "POST", "/api/v1/hubs"),
    ("admin", "DELETE", "/api/v1/hubs/x"),
    ("admin", "PUT", "/api/v1/sources/x"),
    ("admin", "DELETE", "/api/v1/sources/x"),
]


async def test_a_scope_lets_in_to_its_own_calls_and_403_names_the_one_that_lacks(
    locked: Settings, client: httpx.AsyncClient
) -> None:
    """A key of the installation with one scope each, at every call; reading hubs and sources takes any key."""
    scopes = sorted({scope for scope, _, _ in SCOPED})
    keys = {scope: await make_key(locked, None, scope) for scope in scopes}
    await eventually(lambda: is_known(client, keys[scopes[-1]]), 10, "the keys are known")
    for asked, method, path in SCOPED:
        for scope, headers in keys.items():
            answer = await client.request(method, path, headers=headers, json={"surprise": 1})
            if scope == asked:
                assert answer.status_code not in {401, 403}, (scope, method, path, answer.text)
            else:
                problem = answer.json()
                assert (answer.status_code, problem["type"], problem["scope"]) == (403, "missing-scope", asked), (method, path)
                assert f"lacks the scope {asked}; it has: {scope}" in problem["detail"]
    for headers in keys.values():
        for path in ("/api/v1/hubs", "/api/v1/hubs/desk", "/api/v1/sources"):
            assert (await client.get(path, headers=headers)).status_code == 200


async def test_a_workspaces_admin_writes_neither_hubs_nor_sources(locked: Settings, client: httpx.AsyncClient) -> None:
    """They are the installation's: 403, and they stay as they are."""
    headers = await make_key(locked, "mine", "admin", "triggers")
    await eventually(lambda: is_known(client, headers), 10, "the key is known")
    hub = {"hub_id": "desk", "base_url": "http://127.0.0.1:1"}
    for method, path, body in (
        ("POST", "/api/v1/hubs", hub),
        ("DELETE", "/api/v1/hubs/desk", None),
        ("PUT", "/api/v1/sources/s", {"spread": "subject"}),
        ("DELETE", "/api/v1/sources/s", None),
    ):
        answer = await client.request(method, path, headers=headers, json=body)
        assert answer.status_code == 403, (method, path)
        assert "the key belongs to workspace mine" in answer.json()["detail"]
    assert (await client.get("/api/v1/hubs/desk")).json()["base_url"] == "http://127.0.0.1:8701"


async def create(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Make a key through the API; its row with its text."""
    answer = await client.post("/api/v1/keys", json={"name": "n", "scopes": ["ingest"]} | body)
    assert (answer.status_code, answer.headers["touchline-live"]) == (201, "true"), answer.text
    row: dict[str, Any] = answer.json()
    return row


async def test_a_key_works_and_ends_in_every_process_when_the_call_returns(locked: Settings, client: httpx.AsyncClient) -> None:
    """Made through one ingest process it works at once in another; revoked it works nowhere any more."""
    async with serve(locked) as other:
        for _ in range(20):
            row = await create(client)
            headers = {"Authorization": f"Bearer {row['key']}"}
            assert (await other.post(INGEST, json=EVENT, headers=headers)).status_code == 202
            assert (await client.delete(f"/api/v1/keys/{row['key_id']}")).status_code == 204
            assert (await other.post(INGEST, json=EVENT, headers=headers)).status_code == 401


async def test_a_keys_text_is_shown_once(client: httpx.AsyncClient) -> None:
    """Neither the list, nor anything else, gives back what would let somebody in; a revoked key stays listed."""
    row = await create(client, scopes=["triggers", "ingest", "ingest"], workspace="w", expires_days=30)
    assert row["scopes"] == ["ingest", "triggers"]
    assert row["workspace"] == "w"
    await client.delete(f"/api/v1/keys/{row['key_id']}")
    listed = await client.get("/api/v1/keys")
    [shown] = [one for one in listed.json()["keys"] if one["key_id"] == row["key_id"]]
    assert shown.keys() == {"key_id", "workspace", "name", "scopes", "created_at", "expires_at", "revoked_at"}
    assert shown["revoked_at"] is not None
    assert row["key"].rpartition("_")[2] not in listed.text
    assert (await client.delete("/api/v1/keys/nobody")).status_code == 404


NO_KEYS: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": ""}),
    ("scopes", {"scopes": []}),
    ("scopes.0", {"scopes": ["everything"]}),
    ("expires_days", {"expires_days": 0}),
    ("workspace", {"workspace": ""}),
    ("colour", {"colour": "red"}),
]


async def test_a_key_that_could_not_be_is_refused(client: httpx.AsyncClient) -> None:
    """422 names the field."""
    for path, change in NO_KEYS:
        answer = await client.post("/api/v1/keys", json={"name": "n", "scopes": ["ingest"]} | change)
        assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (422, [path]), answer.text


async def test_a_workspaces_admin_keeps_to_its_workspace(locked: Settings, client: httpx.AsyncClient) -> None:
    """It makes, lists and revokes keys of its own workspace, and none of another or of the installation."""
    theirs = await create(client, workspace="other")
    headers = await make_key(locked, "mine", "admin")
    await eventually(lambda: is_known(client, headers), 10, "the key is known")
    mine = await client.post("/api/v1/keys", json={"name": "n", "scopes": ["ingest"]}, headers=headers)
    assert (mine.status_code, mine.json()["workspace"]) == (201, "mine")
    for workspace, status in (("other", 403), (None, 422)):
        body = {"name": "n", "scopes": ["ingest"], "workspace": workspace}
        assert (await client.post("/api/v1/keys", json=body, headers=headers)).status_code == status
    listed = (await client.get("/api/v1/keys", headers=headers)).json()["keys"]
    assert {row["workspace"] for row in listed} == {"mine"}
    assert (await client.delete(f"/api/v1/keys/{theirs['key_id']}", headers=headers)).status_code == 404
    assert (await client.delete(f"/api/v1/keys/{mine.json()['key_id']}", headers=headers)).status_code == 204


async def test_keys_work_while_postgres_is_away(locked: Settings, client: httpx.AsyncClient) -> None:
    """They lie in memory: an event is accepted, and a wrong key refused, by a process that never had a database."""
    row = await create(client)
    async with serve(locked.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/nowhere"})) as alone:
        accepted = await alone.post(INGEST, json=EVENT, headers={"Authorization": f"Bearer {row['key']}"})
        assert accepted.status_code == 202, accepted.text
        assert (await alone.post(INGEST, json=EVENT, headers={"Authorization": f"Bearer {row['key']}x"})).status_code == 401


async def test_before_the_keys_are_read_nobody_is_let_in(locked: Settings) -> None:
    """503, to be tried again, as long as there is no broker to read them from."""
    async with serve(locked.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"}), begun=False) as alone:
        headers = {"Authorization": "Bearer tl_0_0"}
        assert (await alone.get("/api/v1/hubs", headers=headers)).status_code == 503


def touchline(settings: Settings, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against this installation's database."""
    return subprocess.run(
        [sys.executable, "-m", "touchline.cli", *arguments, "--data-dir", str(tmp_path)],
        env=installation_environment(settings) | {"COLUMNS": "250"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_commands_make_list_and_revoke_keys(locked: Settings, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """What `keys create` prints works, `keys list` does not show it, and after `keys revoke` it works no more."""
    made = touchline(
        locked, tmp_path, "keys", "create", "--name", "by hand", "--scopes", "ingest, triggers", "--workspace", "w"
    )
    assert made.returncode == 0, made.stderr
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    await eventually(lambda: is_known(client, headers), 10, "the key works")
    listed = touchline(locked, tmp_path, "keys", "list").stdout
    assert "by hand" in listed
    assert "ingest,triggers" in listed
    assert made.stdout.strip().rpartition("_")[2] not in listed
    key_id = made.stdout.split("_")[1]
    assert touchline(locked, tmp_path, "keys", "revoke", key_id).returncode == 0

    async def is_refused() -> bool:
        return not await is_known(client, headers)

    await eventually(is_refused, 10, "the key works no more")
    unknown = touchline(locked, tmp_path, "keys", "revoke", "nobody")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "touchline: KEY_ID: there is no key nobody; touchline keys list shows them\n",
    )
    wrong = touchline(locked, tmp_path, "keys", "create", "--name", "n", "--scopes", "everything")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 1)
    assert "ingest, triggers, executions, admin" in wrong.stderr


def test_without_a_database_a_command_says_where_it_looked(tmp_path: Path) -> None:
    """Neither DATABASE_URL nor anything running in the data directory: one line."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "touchline.cli", "keys", "list", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (
        1,
        f"touchline: nothing is running in {tmp_path}; start it with: touchline up\n",
    )
