"""Executions as the API shows and ends them, through the real topic and the real connector."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ingest.producer import Producer, Record
from streams.event import Lineage
from streams.execution import Execution, Status, decode_execution, encode
from streams.settings import Settings
from streams.topics import EXECUTIONS
from tests.integration.api import records, serve_connected
from tests.waiting import eventually

AT_MS = 1_780_000_000_000


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector."""
    async with serve_connected(installation) as client:
        yield client


async def tell(installation: Settings, *executions: Execution) -> None:
    """Put these records on the topic, as the stages do."""
    producer = Producer(installation)
    await producer.start()
    outcomes = await producer.accept([Record(EXECUTIONS, each.trigger_id.encode(), encode(each)) for each in executions])
    await producer.stop()
    assert outcomes == [None] * len(executions)


def execution(number: int, status: Status = Status.PENDING, **more: Any) -> Execution:
    """One record of execution `e<number>` of trigger `t`."""
    return Execution(f"e{number}", "t", status, AT_MS + number, event_id=f"event-{number}", hub_id="desk", **more)


async def listed(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """The ids of the trigger's executions."""
    return [row["execution_id"] for row in (await client.get(f"/v1/triggers/t/executions{query}")).json()["executions"]]


async def test_executions_are_listed_newest_first_filtered_and_paged(installation: Settings, client: httpx.AsyncClient) -> None:
    """Under /v1 and /api/v1 alike; every one comes exactly once."""
    await tell(installation, *(execution(number) for number in range(5)), execution(3, Status.COMPLETED))
    assert await eventually(lambda: all_of(client, 5), 30, "all are in Postgres") == ["e4", "e3", "e2", "e1", "e0"]
    await eventually(lambda: listed(client, "?status=COMPLETED"), 30, "one is completed")
    assert await listed(client, "?status=COMPLETED") == ["e3"]
    seen, cursor = [], ""
    while True:
        page = (await client.get(f"/api/v1/triggers/t/executions?limit=2{cursor}")).json()
        seen += [row["execution_id"] for row in page["executions"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["e4", "e3", "e2", "e1", "e0"]
    assert (await client.get("/v1/triggers/t/executions?status=DONE")).status_code == 422
    assert (await client.get("/v1/triggers/nobody/executions")).json()["executions"] == []


async def all_of(client: httpx.AsyncClient, count: int) -> list[str]:
    """The ids once there are `count`."""
    ids = await listed(client)
    return ids if len(ids) == count else []


async def test_one_execution_is_shown_whole(installation: Settings, client: httpx.AsyncClient) -> None:
    """Its fields as the topic told them, times by RFC 3339; only under its own trigger."""
    lineage = Lineage("event-1", ["t"], 1)
    await tell(installation, execution(1, input={"minute": 12}, lineage=lineage, accepted_at_ms=AT_MS))
    url = "/v1/triggers/t/executions/e1"
    await eventually(lambda: all_of(client, 1), 30, "it is in Postgres")
    row = (await client.get(url)).json()
    assert (row["status"], row["event_id"], row["hub_id"], row["input"]) == ("PENDING", "event-1", "desk", {"minute": 12})
    assert row["lineage"] == {"root_event_id": "event-1", "trigger_chain": ["t"], "trigger_depth": 1}
    assert row["accepted_at"].startswith("2026-")
    assert (row["output"], row["error"], row["finished_at"]) == (None, None, None)
    assert (await client.get("/v1/triggers/another/executions/e1")).status_code == 404
    assert (await client.get("/v1/triggers/t/executions/e2")).status_code == 404


async def test_an_agent_ends_its_execution_once(installation: Settings, client: httpx.AsyncClient) -> None:
    """`complete` and `fail` go to the topic under the trigger's key and come back as the row; then both answer 409."""
    await tell(installation, execution(1, Status.RUNNING), execution(2, Status.RUNNING))
    await eventually(lambda: all_of(client, 2), 30, "both are in Postgres")
    completed = await client.post("/api/v1/executions/e1/complete", json={"output": {"said": "goal"}})
    assert (completed.status_code, completed.json()) == (200, {"execution_id": "e1", "status": "COMPLETED"})
    failed = await client.post("/api/v1/executions/e2/fail", json={"error": "no voice"})
    assert (failed.status_code, failed.json()) == (200, {"execution_id": "e2", "status": "FAILED"})

    async def ended() -> dict[str, Any]:
        rows = (await client.get("/v1/triggers/t/executions")).json()["executions"]
        found = {row["execution_id"]: row for row in rows}
        return found if {row["status"] for row in rows} == {"COMPLETED", "FAILED"} else {}

    rows = await eventually(ended, 30, "both have ended in Postgres")
    assert rows["e1"]["output"] == {"said": "goal"}
    assert rows["e2"]["error"] == "no voice"
    for url in ("/api/v1/executions/e1/complete", "/api/v1/executions/e1/fail", "/api/v1/executions/e2/complete"):
        assert (await client.post(url, json={"error": "again"} if url.endswith("fail") else {})).status_code == 409
    told = [record for record in await records(installation, EXECUTIONS) if record.key == b"t"]
    assert [decode_execution(record.value).status for record in told] == ["RUNNING", "RUNNING", "COMPLETED", "FAILED"]


async def test_only_what_is_understood_ends_an_execution(client: httpx.AsyncClient) -> None:
    """404 for one nobody knows, 422 for a body without its field, or with another."""
    assert (await client.post("/api/v1/executions/nobody/complete", json={"output": 1})).status_code == 404
    assert (await client.post("/api/v1/executions/nobody/fail", json={})).status_code == 422
    assert (await client.post("/api/v1/executions/nobody/complete", json={"result": 1})).status_code == 422
