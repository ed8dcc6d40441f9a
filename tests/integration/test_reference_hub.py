"""The reference hub on a real Postgres: one transcript an execution, whatever is delivered twice."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from hub.app import create_app
from streams.event import Lineage
from streams.execution import Inject
from streams.settings import Settings
from touchline.demo.serving import served

PATH = "/api/hub-control/local"


@pytest.fixture
async def hub(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with served(create_app(installation, "local")) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
async def database(installation: Settings) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(installation.database_url)
    await connection.execute(f'SET search_path TO "{installation.database_schema}"')
    yield connection
    await connection.close()


def inject(execution_id: str, instance: str = "desk", message: str = "look", event: dict[str, Any] | None = None) -> Inject:
    event = event or {"source": "builds", "type": "error", "id": "e1"}
    parts: list[dict[str, Any]] = [{"literal": "one"}, {"literal": {"two": 2}}]
    return Inject(execution_id, "t1", "reporter", instance, message, parts, event, Lineage(), None, None, "http://127.0.0.1/")


async def deliver(client: httpx.AsyncClient, one: Inject, route: str = "inject-and-create") -> httpx.Response:
    body = msgspec.json.encode(one)
    return await client.post(f"{PATH}/{route}", content=body, headers={"Idempotency-Key": one.execution_id})


async def test_an_inject_is_kept_and_answered(hub: httpx.AsyncClient, database: Any) -> None:
    """The answer completes the execution; the transcript holds what was sent, in order, and when it was accepted."""
    answer = await deliver(hub, inject("x1"))
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    row = await database.fetchrow("SELECT * FROM transcripts")
    assert (row["execution_id"], row["hub_id"], row["trigger_id"], row["route"]) == ("x1", "local", "t1", "inject-and-create")
    assert msgspec.json.decode(row["seed_parts"]) == [{"literal": "one"}, {"literal": {"two": 2}}]
    assert msgspec.json.decode(row["output"]) == answer.json()["output"]
    assert abs(row["received_at"].timestamp() - time.time()) < 60
    assert await database.fetchval("SELECT count(*) FROM instances") == 1


async def test_a_second_delivery_gets_the_first_answer_and_adds_nothing(hub: httpx.AsyncClient, database: Any) -> None:
    """Even when its body differs: the key decides."""
    first = await deliver(hub, inject("x1", message="first"))
    second = await deliver(hub, inject("x1", message="second"))
    assert first.content == second.content
    assert [row["message"] for row in await database.fetch("SELECT message FROM transcripts")] == ["first"]


async def test_deliveries_at_the_same_time_leave_one_transcript_each(hub: httpx.AsyncClient, database: Any) -> None:
    """Each of 50 executions delivered four times at once, each time with another message: one answer for all four."""
    deliveries = [deliver(hub, inject(f"x{n}", message=f"copy {copy}")) for n in range(50) for copy in range(4)]
    answers = await asyncio.gather(*deliveries)
    assert {answer.status_code for answer in answers} == {200}
    kept = dict(await database.fetch("SELECT execution_id, output FROM transcripts"))
    assert len(kept) == 50
    for n in range(50):
        said = {answer.json()["output"] for answer in answers[4 * n : 4 * n + 4]}
        assert said == {msgspec.json.decode(kept[f"x{n}"])}


async def test_inject_needs_its_instance(hub: httpx.AsyncClient, database: Any) -> None:
    """404 says that the instance is gone and keeps nothing; opened, it takes the same execution."""
    assert (await deliver(hub, inject("x1"), "inject")).status_code == 404
    assert await database.fetchval("SELECT count(*) FROM transcripts") == 0
    instance = {"agent_id": "reporter", "agent_instance_id": "desk"}
    assert (await hub.post(f"{PATH}/instances", json=instance)).status_code == 201
    assert (await hub.post(f"{PATH}/instances", json=instance)).status_code == 200
    assert (await deliver(hub, inject("x1"), "inject")).status_code == 200
    assert await database.fetchval("SELECT route FROM transcripts") == "inject"


async def test_instances_belong_to_their_agent(hub: httpx.AsyncClient) -> None:
    """Another agent's instance of the same id does not take the message."""
    await hub.post(f"{PATH}/instances", json={"agent_id": "somebody else", "agent_instance_id": "desk"})
    assert (await deliver(hub, inject("x1"), "inject")).status_code == 404


@pytest.mark.parametrize(
    ("key", "body"),
    [("x1", b"not json"), ("x1", b'{"execution_id": "x1"}'), ("x2", msgspec.json.encode(inject("x1"))), ("x1", b"\xff")],
)
async def test_what_is_no_inject_is_refused_for_good(hub: httpx.AsyncClient, key: str, body: bytes) -> None:
    """422, which a sender does not repeat, with the reason as a problem detail."""
    answer = await hub.post(f"{PATH}/inject-and-create", content=body, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["detail"]


@pytest.mark.parametrize("one", [inject("x1", message="NUL \0"), inject("x1", event={"payload": "\0"}), inject("\0")])
async def test_text_that_postgres_cannot_hold_is_refused_for_good(hub: httpx.AsyncClient, one: Inject) -> None:
    """A NUL character would fail the same way every time: 422 and not an endless 500."""
    body = msgspec.json.encode(one)
    headers = {b"Idempotency-Key": one.execution_id.encode()} if "\0" not in one.execution_id else {}
    assert (await hub.post(f"{PATH}/inject-and-create", content=body, headers=headers)).status_code == 422


async def cancel(client: httpx.AsyncClient, execution_id: str, reason: str | None = None) -> httpx.Response:
    body = {"execution_id": execution_id, "trigger_id": "t1", "agent_instance_id": "desk", "reason": reason}
    return await client.post(f"{PATH}/cancel", json=body)


async def test_a_cancelled_execution_is_remembered_and_its_inject_comes_too_late(hub: httpx.AsyncClient, database: Any) -> None:
    """However often it is said, with the first reason; a sender does not repeat an inject that is answered 409."""
    first = await cancel(hub, "x1", "the game is over")
    assert (first.status_code, first.json()) == (200, {"execution_id": "x1", "status": "cancelled"})
    assert (await cancel(hub, "x1", "another")).json() == first.json()
    assert (await deliver(hub, inject("x1"))).status_code == 409
    assert await database.fetchval("SELECT count(*) FROM transcripts") == 0
    row = await database.fetchrow("SELECT * FROM cancellations")
    assert (row["execution_id"], row["hub_id"], row["trigger_id"], row["agent_instance_id"], row["reason"]) == (
        "x1",
        "local",
        "t1",
        "desk",
        "the game is over",
    )


async def test_what_has_been_answered_is_not_taken_back(hub: httpx.AsyncClient) -> None:
    """A cancel that comes after the agent's answer says so, and a repeated inject still gets that answer."""
    answered = await deliver(hub, inject("x1"))
    for _ in range(2):
        assert (await cancel(hub, "x1")).json() == {"execution_id": "x1", "status": "completed"}
    assert (await deliver(hub, inject("x1"))).content == answered.content


async def test_only_what_names_an_execution_is_cancelled(hub: httpx.AsyncClient) -> None:
    """422 says what is accepted; another hub's id is refused here too."""
    answer = await hub.post(f"{PATH}/cancel", json={"execution": "x1"})
    assert (answer.status_code, "execution_id" in answer.json()["detail"]) == (422, True)
    assert (await hub.post("/api/hub-control/other/cancel", json={})).status_code == 421


async def test_another_hubs_id_is_refused(hub: httpx.AsyncClient) -> None:
    """Neither 404 nor 410, which would say that the instance is gone."""
    answer = await hub.post("/api/hub-control/other/inject", content=b"{}")
    assert answer.status_code == 421


async def test_a_token_is_asked_for_when_there_is_one(installation: Settings) -> None:
    """Without it, or with another, nobody gets in; GET /health stays open."""
    app = create_app(installation, "local", token="secret")
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await deliver(client, inject("x1"))).status_code == 401
        client.headers["Authorization"] = "Bearer wrong"
        assert (await deliver(client, inject("x1"))).status_code == 401
        client.headers["Authorization"] = "Bearer secret"
        assert (await deliver(client, inject("x1"))).status_code == 200
        del client.headers["Authorization"]
        assert (await client.get("/health")).json() == {"status": "ok", "hub_id": "local"}


async def test_without_postgres_it_asks_to_be_called_again(installation: Settings, free_port: int) -> None:
    """503 with Retry-After, which a sender obeys, from injects and GET /health alike."""
    away = installation.model_copy(update={"database_url": f"postgresql://nobody@127.0.0.1:{free_port}/none"})
    async with served(create_app(away, "local")) as url, httpx.AsyncClient(base_url=url) as client:
        for answer in (await deliver(client, inject("x1")), await client.get("/health")):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_five_hundred_injects_twenty_at_a_time_are_all_taken(hub: httpx.AsyncClient) -> None:
    """None is refused, none fails, each starts the instance it names."""
    slots = asyncio.Semaphore(20)

    async def one(number: int) -> int:
        async with slots:
            return (await deliver(hub, inject(f"x{number}", f"fresh-{number}"))).status_code

    assert await asyncio.gather(*(one(number) for number in range(500))) == [200] * 500


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
