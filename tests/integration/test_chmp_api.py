"""POST /api/chmp: the same rows as REST, by message."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ingest.chmp import OPERATIONS
from streams.settings import Settings
from tests.integration.api import is_known, make_key, serve_connected, trigger
from tests.waiting import eventually

AGENT = {"id": "commentator", "type": "AGENT"}
SCHEDULER = {"id": "scheduler", "type": "SCHEDULER"}


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector, and a hub to send triggers to."""
    async with serve_connected(installation) as client:
        yield client


def message(operation: str, **body: Any) -> dict[str, Any]:
    """A request as an agent sends it."""
    header = {
        "message_title": f"scheduler_{operation}_job_request",
        "message_id": "m-1",
        "correlation_id": "c-1",
        "conversation_id": {"turn": 7},
        "source": AGENT,
        "destination": SCHEDULER,
        "timestamp": "2026-06-11T19:00:00Z",
    }
    return {"header": header, "body": {"operation": operation, **body}}


async def send(client: httpx.AsyncClient, operation: str, **body: Any) -> Any:
    """Send one message that is understood; the body of its response."""
    answer = await client.post("/api/chmp", json=message(operation, **body))
    assert answer.status_code == 200, answer.text
    response = answer.json()
    assert response["header"] == {
        "message_title": f"scheduler_{operation}_job_response",
        "message_id": "m-1",
        "correlation_id": "c-1",
        "conversation_id": {"turn": 7},
        "source": SCHEDULER,
        "destination": AGENT,
    }
    return response["body"]


async def row_of(client: httpx.AsyncClient, trigger_id: str) -> Any:
    """The row as REST gives it."""
    return (await client.get(f"/api/v1/triggers/{trigger_id}")).json()


async def test_all_seven_operations_do_what_rest_does(client: httpx.AsyncClient) -> None:
    """Each answers with the row as it is then, by message and by REST alike."""
    columns = trigger(
        match_filter={"minute": {"gte": 90}}, dedup="queue", count_threshold=5, window="5m", input={"tone": "dry"}
    )
    created = await send(client, "create", **columns)
    assert (created["status"], created["live"]) == ("ok", True)
    job = created["job"]
    assert {name: job[name] for name in columns} == columns
    assert await row_of(client, job["id"]) == job
    assert await send(client, "get", job_id=job["id"]) == {"status": "ok", "job": job}

    updated = (await send(client, "update", id=job["id"], supervisor_message="a goal"))["job"]
    assert updated["supervisor_message"] == "a goal"
    assert await row_of(client, job["id"]) == updated
    assert (await send(client, "disable", job_id=job["id"]))["job"]["enabled"] is False
    assert (await send(client, "enable", job_id=job["id"]))["job"]["generation"] == 2

    deleted = await send(client, "delete", job_id=job["id"])
    assert (deleted["status"], deleted["job"]["id"]) == ("ok", job["id"])
    assert (await client.get(f"/api/v1/triggers/{job['id']}")).status_code == 404


async def test_a_row_is_also_told_by_its_name(client: httpx.AsyncClient) -> None:
    """Within a workspace, when several have one of that name; changes, a new name among them, may lie under job."""
    mine = (await send(client, "create", job=trigger(name="mine", workspace="ours")))["job"]
    assert (await send(client, "get", name="mine"))["job"]["id"] == mine["id"]
    await send(client, "create", **trigger(name="mine"))
    assert (await send(client, "get", name="mine"))["error"]["field"] == "workspace"
    assert (await send(client, "get", name="mine", workspace="ours"))["job"]["id"] == mine["id"]
    renamed = await send(client, "update", name="mine", workspace="ours", job={"name": "yours", "one_shot": True})
    assert (renamed["job"]["id"], renamed["job"]["name"], renamed["job"]["one_shot"]) == (mine["id"], "yours", True)
    assert (await send(client, "get", name="nobody"))["error"]["status"] == 404


async def test_lists_are_filtered_and_paged_like_those_of_rest(client: httpx.AsyncClient) -> None:
    """`jobs` and `next_cursor`."""
    ids = [(await send(client, "create", **trigger(agent_id="a")))["job"]["id"] for _ in range(3)]
    await send(client, "create", **trigger(agent_id="b"))
    first = await send(client, "list", agent_id="a", limit=2)
    rest = await send(client, "list", agent_id="a", cursor=first["next_cursor"])
    assert [job["id"] for job in first["jobs"] + rest["jobs"]] == ids
    assert rest["next_cursor"] is None
    assert (await send(client, "list", agent="a"))["error"]["field"] == "agent"


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("create", {"name": "x"}, 422, "schedule_expression"),
    ("create", trigger(hub_id="nowhere"), 422, "hub_id"),
    ("create", trigger(match_filter={"minute": {"about": 90}}), 422, "match_filter.minute.about"),
    ("create", trigger(colour="red"), 422, "colour"),
    ("create", trigger(window="5m"), 422, "window"),
    ("create", trigger(schedule_type="cron"), 422, "schedule_type"),
    ("create", {"name": "x", "job": trigger()}, 422, "name"),
    ("get", {"job_id": "nothing"}, 404, ""),
    ("get", {"job_id": 7}, 422, "job_id"),
    ("get", {}, 422, "job_id"),
    ("delete", {"job_id": "nothing", "colour": "red"}, 422, "colour"),
]


async def test_what_is_refused_is_answered_with_the_problem_rest_would_tell(client: httpx.AsyncClient) -> None:
    """Status 200, since it is a message that answers; `error` has the field, the words, and the problem's own status."""
    for operation, body, status, field in REFUSED:
        told = await send(client, operation, **body)
        assert told["status"] == "error", (operation, body)
        assert (told["error"]["status"], told["error"]["field"]) == (status, field), told
        assert told["error"]["message"]
    refused = await client.post("/api/v1/triggers", json={"name": "x"})
    problem = refused.json()
    error = (await send(client, "create", name="x"))["error"]
    assert {name: error[name] for name in problem} == problem
    await send(client, "create", **trigger(name="taken"))
    assert (await send(client, "create", **trigger(name="taken")))["error"]["status"] == 409


def without(given: dict[str, Any], *path: str) -> dict[str, Any]:
    """A message that lacks something."""
    (first, *rest) = path
    if rest:
        return given | {first: without(given[first], *rest)}
    return {name: value for name, value in given.items() if name != first}


async def test_the_operation_is_told_by_the_title_or_by_the_body(client: httpx.AsyncClient) -> None:
    """Either is enough; the two sides and the ids come back as far as they were sent."""
    for given in (without(message("list"), "header", "message_title"), without(message("list"), "body", "operation")):
        answer = await client.post("/api/chmp", json=given)
        assert answer.json()["body"]["status"] == "ok"
    answer = await client.post("/api/chmp", json={"header": {}, "body": {"operation": "list"}})
    assert answer.json()["header"] == {"message_title": "scheduler_list_job_response", "source": SCHEDULER}


async def test_what_is_no_message_is_a_problem(client: httpx.AsyncClient) -> None:
    """422 names the path inside the message; nothing is done."""
    sent = message("create", **trigger())
    wrong: list[tuple[str, Any]] = [
        ("", []),
        ("header", without(sent, "header")),
        ("body", without(sent, "body")),
        ("body", sent | {"body": "create"}),
        ("body.operation", sent | {"body": {"operation": "delete"}}),
        ("body.operation", sent | {"body": {"operation": "destroy"}}),
        ("body.operation", sent | {"body": {"operation": ["create"]}}),
        ("body.job", sent | {"body": {"job": []}}),
        ("header.message_title", sent | {"header": {"message_title": "hub_create_job_request"}}),
        ("header.message_title", {"header": {}, "body": {}}),
        ("header.destination", sent | {"header": sent["header"] | {"destination": {"id": "hub", "type": "HUB"}}}),
    ]
    for path, given in wrong:
        answer = await client.post("/api/chmp", json=given)
        assert answer.status_code == 422, (path, answer.text)
        assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert (await client.post("/api/chmp", content=b"{")).status_code == 400
    assert (await send(client, "list"))["jobs"] == []


async def test_a_key_sees_its_own_workspace_by_message_too(installation: Settings) -> None:
    """No key is 401, a key for something else 403, and another workspace's row is not there."""
    settings = installation.model_copy(update={"authentication": "keys"})
    async with serve_connected(settings) as client:
        ours, theirs = await make_key(settings, "ours", "triggers"), await make_key(settings, "theirs", "triggers")
        ingest = await make_key(settings, "ours", "ingest")

        for headers in (ours, theirs, ingest):
            await eventually(lambda h=headers: is_known(client, h), 10, "the key is known")  # type: ignore[misc]
        callers = ((ours, 200), (theirs, 200), (ingest, 403), ({"Authorization": "Bearer no"}, 401))
        for headers, status in callers:
            assert (await client.post("/api/chmp", json=message("list"), headers=headers)).status_code == status
        created = (await client.post("/api/chmp", json=message("create", **trigger()), headers=ours)).json()
        assert created["body"]["job"]["workspace"] == "ours"
        get = message("get", job_id=created["body"]["job"]["id"])
        assert (await client.post("/api/chmp", json=get, headers=theirs)).json()["body"]["error"]["status"] == 404
        elsewhere = message("create", **trigger(workspace="ours"))
        assert (await client.post("/api/chmp", json=elsewhere, headers=theirs)).json()["body"]["error"]["status"] == 403


def test_every_operation_is_tested_here() -> None:
    """SPEC 2 names seven."""
    assert OPERATIONS == ("create", "list", "get", "update", "delete", "enable", "disable")
