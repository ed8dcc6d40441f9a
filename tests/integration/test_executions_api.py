"""Executions as the API shows and ends them, through the real topic and the real connector."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from connectors.postgres.connection import connected
from connectors.postgres.execution_positions import begin_positions
from connectors.postgres.execution_row import Told
from connectors.postgres.executions_in import ExecutionsIn
from connectors.postgres.projection import project
from ingest import execution_report
from ingest.producer import Producer, Record
from streams.event import Lineage
from streams.execution import Execution, Status, decode_execution, encode
from streams.settings import Settings
from streams.topics import EXECUTIONS
from tests.integration.api import is_known, make_key, records, serve, serve_connected
from tests.integration.working import running
from tests.waiting import eventually

AT_MS = 1_780_000_000_000


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector."""
    async with serve_connected(installation) as client:
        yield client


@pytest.fixture
async def installed(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API alone, with `OTHERS` in its tables."""
    async with serve(installation) as client, connected(installation) as connection:
        await begin_positions(connection, {}, "cluster", {0: 0})
        told = [Told(each, 0, offset) for offset, each in enumerate(OTHERS)]
        await project(connection, told, {0: len(OTHERS)}, 10**15)
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
    assert (await client.post("/api/v1/executions/nobody/heartbeat", json={})).status_code == 404
    assert (await client.post("/api/v1/executions/nobody/heartbeat", json={"still": "here"})).status_code == 422
    assert (await client.post("/v1/triggers/t/executions/nobody/cancel")).status_code == 404
    assert (await client.post("/v1/triggers/t/executions/nobody/cancel", json={"why": 1})).status_code == 422


async def shown(client: httpx.AsyncClient, execution_id: str, status: Status) -> dict[str, Any]:
    """The execution once it stands there."""

    async def standing() -> dict[str, Any]:
        answered = await client.get(f"/v1/triggers/t/executions/{execution_id}")
        row: dict[str, Any] = answered.json()
        return row if row.get("status") == status else {}

    found: dict[str, Any] = await eventually(standing, 30, f"{execution_id} is {status}")
    return found


async def said_last(installation: Settings, execution_id: str) -> Execution:
    """The last record about an execution."""
    told = [decode_execution(record.value) for record in await records(installation, EXECUTIONS)]
    return [one for one in told if one.execution_id == execution_id][-1]


HELD: dict[str, Any] = {"slot": "t\\0x", "run": 2, "agent_id": "reporter", "agent_instance_id": "desk-1", "workspace": "w"}


async def test_cancelling_ends_an_execution_and_says_all_that_frees_its_slot(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """The record names the slot, the run, the hub and the instance; then it has ended, and 409 says how."""
    await tell(installation, execution(1, Status.RUNNING, **HELD), execution(2, Status.QUEUED))
    await shown(client, "e1", Status.RUNNING)
    assert (await client.post("/v1/triggers/another/executions/e1/cancel")).status_code == 404
    cancelled = await client.post("/v1/triggers/t/executions/e1/cancel", json={"reason": "the game is over"})
    assert (cancelled.status_code, cancelled.json()) == (200, {"execution_id": "e1", "status": "CANCELLED"})
    row = await shown(client, "e1", Status.CANCELLED)
    assert (row["error"], row["run"], row["finished_at"] is not None) == ("the game is over", 2, True)
    said = await said_last(installation, "e1")
    assert (said.slot, said.run, said.hub_id, said.agent_id, said.agent_instance_id, said.workspace, said.event_id) == (
        HELD["slot"],
        2,
        "desk",
        "reporter",
        "desk-1",
        "w",
        "event-1",
    )
    for answered in (
        await client.post("/v1/triggers/t/executions/e1/cancel"),
        await client.post("/api/v1/executions/e1/complete", json={}),
        await client.post("/api/v1/executions/e1/heartbeat"),
    ):
        assert (answered.status_code, answered.json()["execution_status"]) == (409, "CANCELLED")
    assert (await said_last(installation, "e1")).status is Status.CANCELLED
    assert (await client.post("/api/v1/triggers/t/executions/e2/cancel")).status_code == 200
    assert (await shown(client, "e2", Status.CANCELLED))["error"] is None


async def test_a_heartbeat_says_that_the_agent_still_works(installation: Settings, client: httpx.AsyncClient) -> None:
    """The first, quicker than the record that the hub was called, starts the execution; the next are when it was heard of."""
    await tell(installation, execution(1, **HELD))
    await shown(client, "e1", Status.PENDING)
    for _ in range(2):
        answered = await client.post("/api/v1/executions/e1/heartbeat")
        assert (answered.status_code, answered.json()) == (200, {"execution_id": "e1", "status": "RUNNING"})
    row = await shown(client, "e1", Status.RUNNING)
    assert row["started_at"] < row["heartbeat_at"]
    said = await said_last(installation, "e1")
    assert (said.status, said.slot, said.run) == (Status.RUNNING, HELD["slot"], 2)
    assert (await client.post("/api/v1/executions/e1/complete", json={"output": 1})).status_code == 200


async def test_an_agent_quicker_than_the_projection_is_heard(installation: Settings) -> None:
    """It may report an execution before Postgres shows that there is one."""
    async with serve(installation) as client, connected(installation) as connection:
        await begin_positions(connection, {}, "cluster", {0: 0})
        report = asyncio.create_task(client.post("/api/v1/executions/e1/complete", json={"output": 1}))
        assert (await client.get("/v1/triggers/t/executions/e1")).status_code == 404
        await project(connection, [Told(execution(1), 0, 0)], {0: 1}, 10**15)
        answered = await report
        assert (answered.status_code, answered.json()["status"]) == (202, "PENDING")  # nobody projects here


async def test_of_two_who_end_an_execution_at_once_one_is_told_that_it_did(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """The other is told what it is, and the row is the winner's."""
    await tell(installation, *(execution(number, Status.RUNNING) for number in range(10)))
    await eventually(lambda: all_of(client, 10), 30, "all are in Postgres")
    for number in range(10):
        url = f"/api/v1/executions/e{number}/complete"
        answers = await asyncio.gather(*(client.post(url, json={"output": copy}) for copy in range(4)))
        assert sorted(answered.status_code for answered in answers) == [200, 409, 409, 409]
        winner = [answered.status_code for answered in answers].index(200)
        assert (await shown(client, f"e{number}", Status.COMPLETED))["output"] == winner


async def test_a_report_that_loses_to_a_time_out_not_yet_projected_is_told_so(
    installation: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row still says RUNNING when the agent reports; the time-out lies before its record, and so it holds."""
    monkeypatch.setattr(execution_report, "PROJECTED_SECONDS", 30.0)
    async with serve(installation) as client:
        async with running(ExecutionsIn(installation)):
            await tell(installation, execution(1, Status.RUNNING), execution(2, Status.RUNNING))
            await shown(client, "e2", Status.RUNNING)
        await tell(installation, execution(1, Status.TIMED_OUT, error="10 s"))
        reports = [
            asyncio.create_task(client.post(f"/api/v1/executions/e{number}/complete", json={"output": "late"}))
            for number in (1, 2)
        ]
        async with running(ExecutionsIn(installation)):
            late, timely = await asyncio.gather(*reports)
        assert (late.status_code, late.json()["execution_status"]) == (409, "TIMED_OUT")
        assert (timely.status_code, timely.json()["status"]) == (200, "COMPLETED")
        row = (await client.get("/v1/triggers/t/executions/e1")).json()
        assert (row["status"], row["output"], row["error"]) == ("TIMED_OUT", None, "10 s")


async def test_a_report_that_postgres_does_not_show_in_time_is_accepted(
    installation: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """202, with the status as it is shown; it holds as soon as the projection is back."""
    monkeypatch.setattr(execution_report, "PROJECTED_SECONDS", 0.1)
    async with serve(installation) as client:
        async with running(ExecutionsIn(installation)):
            await tell(installation, execution(1, Status.RUNNING))
            await shown(client, "e1", Status.RUNNING)
        answered = await client.post("/api/v1/executions/e1/complete", json={"output": "done"})
        assert (answered.status_code, answered.json()) == (202, {"execution_id": "e1", "status": "RUNNING"})
        async with running(ExecutionsIn(installation)):
            assert (await shown(client, "e1", Status.COMPLETED))["output"] == "done"


async def test_an_output_that_postgres_cannot_keep_is_refused_before_it_is_said(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """On the topic it would end the execution for everybody but the row."""
    await tell(installation, execution(1, Status.RUNNING))
    await shown(client, "e1", Status.RUNNING)
    answered = await client.post("/api/v1/executions/e1/complete", json={"output": "NUL \0"})
    assert answered.status_code == 422
    assert (await said_last(installation, "e1")).status is Status.RUNNING
    assert (await client.post("/api/v1/executions/e1/complete", json={"output": "none"})).status_code == 200


OTHERS = [
    execution(1, Status.COMPLETED, workspace="a", agent_id="reporter", agent_instance_id="i1"),
    execution(2, Status.FAILED, workspace="a", agent_id="reporter", agent_instance_id="i2"),
    execution(3, Status.QUEUED, workspace="a", agent_id="clerk", agent_instance_id="i1"),
    replace(execution(4, Status.FAILED, workspace="b", agent_id="clerk"), trigger_id="u", hub_id="other"),
    replace(execution(5, Status.TIMED_OUT, workspace="b"), trigger_id="u", event_id="event-1"),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "54321"),
        ("workspace=a", "321"),
        ("status=FAILED", "42"),
        ("status=FAILED&status=TIMED_OUT", "542"),
        ("status=RUNNING", ""),
        ("workspace=a&status=FAILED&status=QUEUED", "32"),
        ("hub_id=other", "4"),
        ("agent_id=clerk", "43"),
        ("agent_id=clerk&status=QUEUED&workspace=a", "3"),
        ("agent_instance_id=i1", "31"),
        ("event_id=event-1", "51"),
        ("event_id=event-1&status=TIMED_OUT", "5"),
        ("created_since=2026-05-28T20:26:40.003Z", "543"),
        ("created_until=2026-05-28T20:26:40.003Z", "21"),
        ("created_since=2026-05-28T20:26:40.002Z&created_until=2026-05-28T20:26:40.004%2B00:00&hub_id=desk", "32"),
    ],
)
async def test_a_list_holds_what_meets_every_filter(installed: httpx.AsyncClient, query: str, found: str) -> None:
    """Over all triggers, newest first, whole or one by one."""
    page = (await installed.get(f"/api/v1/executions?{query}")).json()
    assert [row["execution_id"] for row in page["executions"]] == [f"e{number}" for number in found]
    walked, cursor = [], ""
    while True:
        page = (await installed.get(f"/api/v1/executions?{query}&limit=1{cursor}")).json()
        walked += [row["execution_id"] for row in page["executions"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert walked == [f"e{number}" for number in found]


@pytest.mark.parametrize("query", ["status=DONE", "hub=desk", "created_since=yesterday", "created_since=2026-05-28T20:26:40"])
async def test_a_filter_that_is_not_understood_is_refused(installed: httpx.AsyncClient, query: str) -> None:
    """422: to pass over it would list what was not asked for."""
    assert (await installed.get(f"/api/v1/executions?{query}")).status_code == 422


async def test_a_key_of_a_workspace_sees_and_ends_its_executions_alone(installation: Settings) -> None:
    """In lists, by id, and with every word about one."""
    settings = installation.model_copy(update={"authentication": "keys"})
    async with serve_connected(settings) as client:
        await tell(installation, *OTHERS)
        await eventually(lambda: all_of(client, 3), 30, "they are in Postgres")
        key = await make_key(settings, "b", "executions")
        await eventually(lambda: is_known(client, key), 10, "the key is known")
        page = (await client.get("/api/v1/executions", headers=key)).json()
        assert [row["execution_id"] for row in page["executions"]] == ["e5", "e4"]
        assert (await client.get("/api/v1/executions?workspace=a", headers=key)).json()["executions"] == []
        assert (await client.get("/v1/triggers/t/executions", headers=key)).json()["executions"] == []
        for url in ("executions/e3/complete", "executions/e3/heartbeat", "triggers/t/executions/e3/cancel"):
            assert (await client.post(f"/api/v1/{url}", headers=key)).status_code == 404
        assert (await client.get("/v1/triggers/t/executions/e3")).json()["status"] == "QUEUED"
