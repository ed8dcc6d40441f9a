"""GET /api/v1/events/{id}/tree over real topics and rows: what one event caused, from any of its nodes."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from ingest import event_tree, record_search
from ingest.producer import Producer, Record
from streams.event import Event, Lineage, derived_id, encode_event
from streams.execution import Execution, Status, encode
from streams.lineage import extend, signed
from streams.settings import Settings
from streams.topics import CROSSINGS, EVENTS, EXECUTIONS, Topic
from tests.integration.api import is_known, make_key, records, serve, serve_connected, trigger
from tests.waiting import eventually

KEY = b"development-only"
AT_MS = 1_780_000_000_000


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector and no worker: the tests tell what fired."""
    async with serve_connected(installation) as client:
        yield client


async def produce(settings: Settings, topic: Topic, key: str, value: bytes) -> None:
    """Write one record, as a stage or a feed does."""
    producer = Producer(settings)
    await producer.start()
    assert await producer.accept([Record(topic, key.encode(), value)]) == [None]
    await producer.stop()


async def fire(settings: Settings, trigger_id: str, event: Event, **more: Any) -> Lineage:
    """Tell that this event fired the trigger, and wait for nothing; the lineage its hub was given."""
    workspace = event.workspace or "default"
    execution_id = derived_id("execution", trigger_id, event.id)
    lineage = signed(extend(event.lineage, trigger_id, event, execution_id), workspace, KEY)
    told: dict[str, Any] = {"status": Status.COMPLETED, "accepted_at_ms": event.accepted_at_ms or AT_MS, "at_ms": AT_MS} | more
    execution = Execution(execution_id, trigger_id, event_id=event.id, workspace=workspace, lineage=lineage, **told)
    for status in dict.fromkeys((Status.PENDING, execution.status)):
        await produce(settings, EXECUTIONS, trigger_id, encode(msgspec.structs.replace(execution, status=status)))
    return lineage


async def publish(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **fields: Any) -> Event:
    """Publish one event; it, as the stages see it."""
    lineage = fields.get("lineage")
    body = {"source": "desk", "type": "said"} | fields | ({"lineage": msgspec.to_builtins(lineage)} if lineage else {})
    answer = await client.post("/api/events/ingest", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return Event(body["source"], body["type"], id=answer.json()["event_id"], lineage=lineage)


async def ask(client: httpx.AsyncClient, node_id: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    """The answer."""
    answer = await client.get(f"/api/v1/events/{node_id}/tree", params=more, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def grown(client: httpx.AsyncClient, node_id: str, executions: int, **more: Any) -> Any:
    """The answer, once so many executions are in Postgres, and have ended."""

    async def there() -> Any:
        answer = await client.get(f"/api/v1/events/{node_id}/tree", params=more | {"search": "false"})
        return answer.is_success and answer.json()["executions"]["count"] == executions and "PENDING" not in answer.text

    await eventually(there, 30, "the executions are in Postgres")
    return await ask(client, node_id, **more)


def outline(node: dict[str, Any]) -> Any:
    """Source:type of each event with its executions (trigger id, status, what was emitted) and its crossings, nested."""
    executions = [(one["trigger_id"], one["status"], *map(outline, one["events"])) for one in node["executions"]]
    name = f"{node['source']}:{node['type']}" if node["source"] else node["event_id"]
    return (name, *executions, *[("crossing", outline(one)) for one in node["crossings"]])


async def test_what_an_event_caused_is_told_from_any_of_its_nodes(installation: Settings, client: httpx.AsyncClient) -> None:
    """Executions and how they ended, events that fired nobody, a crossing of an agent's event; and the whole from a leaf."""
    row = (await client.post("/api/v1/triggers", json=trigger(name="late goals"))).json()
    root = await publish(client, source="feed", type="goal")
    await publish(client, source="feed", type="goal")
    first = await fire(installation, row["id"], root)
    second = await fire(installation, "t2", await publish(client, type="noted", lineage=first))
    await publish(client, type="leaf", lineage=second)
    price = await publish(client, source="stocks", type="price", lineage=first)
    crossing = Event("stocks", "price_cross_above", id="c1", lineage=first, watch="w", caused_by=price.id)
    await produce(installation, CROSSINGS, "stocks", encode_event(crossing))
    await fire(installation, "t3", crossing, status=Status.REFUSED, error="11 deep, and 10 is the limit")

    noted = ("desk:noted", ("t2", "COMPLETED", ("desk:leaf",)))
    crossed = ("stocks:price", ("crossing", ("stocks:price_cross_above", ("t3", "REFUSED"))))
    told = await grown(client, root.id, 3)
    assert outline(told["tree"]) == ("feed:goal", (row["id"], "COMPLETED", noted, crossed))
    assert (told["root_event_id"], told["workspace"], told["detached"]) == (root.id, "default", [])
    assert told["executions"] == {"count": 3, "complete": True}
    assert told["events"] == {"count": 5, "complete": True, "records_searched": 6}
    [execution] = told["tree"]["executions"]
    assert (execution["trigger_name"], execution["trigger_depth"]) == ("late goals", 1)
    [refused] = execution["events"][1]["crossings"][0]["executions"]
    assert (refused["trigger_depth"], refused["error"]) == (2, "11 deep, and 10 is the limit")

    assert outline((await ask(client, first.execution_id))["tree"]) == outline(told["tree"])
    assert outline((await ask(client, second.execution_id))["tree"]) == noted
    for node_id, expected in ((price.id, crossed), ("c1", crossed[1][1])):
        below = await ask(client, node_id)
        assert (outline(below["tree"]), below["root_event_id"]) == (expected, root.id)
        assert (await ask(client, node_id, root="true"))["tree"] == told["tree"]
    quick = await ask(client, root.id, search="false")
    assert (quick["executions"], quick["events"]["complete"]) == (told["executions"], False)


async def test_an_event_that_fired_nobody_has_a_tree_of_its_own(installation: Settings, client: httpx.AsyncClient) -> None:
    """One out of a feed that gave it no id; what has a forged lineage is no part of another's tree, and begins its own."""
    forged = Lineage("root", ["t"], 1, "x", signature="0" * 64)
    for fields in ({"source": "feed", "type": "goal"}, {"source": "feed", "type": "lie", "id": "liar", "lineage": forged}):
        await produce(installation, EVENTS, "feed", encode_event(Event(**fields)))
    await publish(client, id="root")
    record = next(one for one in await records(installation, EVENTS) if b"goal" in one.value)
    told = await ask(client, derived_id("record", f"{record.topic}/{record.partition}/{record.offset}"))
    assert outline(told["tree"]) == ("feed:goal",)
    assert outline((await ask(client, "root"))["tree"]) == ("desk:said",)
    told = await ask(client, "liar")
    assert (outline(told["tree"]), told["root_event_id"], told["detached"]) == (("feed:lie",), "liar", [])


async def test_what_was_not_searched_or_is_too_much_is_said(
    installation: Settings, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executions are the answer when time is short; the node that was asked for is among them when there are too many."""
    root = await publish(client)
    first = await fire(installation, "t0", root)
    for number in range(1, 4):
        await fire(installation, f"t{number}", root, at_ms=AT_MS + number)
    last = await fire(installation, "t9", await publish(client, lineage=first), at_ms=AT_MS + 9)
    await grown(client, root.id, 5)
    monkeypatch.setattr(event_tree, "NODES_LIMIT", 4)
    told = await ask(client, root.id)
    assert told["executions"] == {"count": 4, "complete": False}
    assert outline((await ask(client, last.execution_id))["tree"]) == ("desk:said", ("t9", "COMPLETED"))
    monkeypatch.setattr(record_search, "SEARCH_SECONDS", 0)
    told = await ask(client, last.execution_id)
    assert (told["events"]["complete"], len(told["tree"]["executions"])) == (False, 1)


async def test_an_event_that_is_not_there_is_404_and_says_what_was_searched(client: httpx.AsyncClient) -> None:
    """Also for an id that has slashes; and a misspelt parameter is refused."""
    for node_id, more in (("nothing", {}), ("a/b", {"around": "2026-01-01T00:00:00Z"}), ("nothing", {"search": "false"})):
        answer = await client.get(f"/api/v1/events/{node_id}/tree", params=more)
        assert (answer.status_code, answer.json()["type"]) == (404, "no-such-event"), answer.text
    assert (await client.get("/api/v1/events/nothing/tree?colour=red")).status_code == 422


async def test_another_workspaces_tree_is_not_there(installation: Settings) -> None:
    """Two workspaces may give the same id; each sees its own, and the installation says which it means."""
    settings = installation.model_copy(update={"authentication": "keys"})
    async with serve_connected(settings) as client:
        keys = {name: await make_key(settings, name, "executions", "ingest", "triggers") for name in ("ours", "theirs")}
        for name, headers in keys.items():
            await eventually(lambda h=headers: is_known(client, h), 10, "the key is known")  # type: ignore[misc]
            event = await publish(client, headers, id="same")
            await fire(settings, f"of {name}", msgspec.structs.replace(event, workspace=name))
        for name in keys:
            told = await grown(client, "same", 1, workspace=name)
            assert outline(told["tree"]) == ("desk:said", (f"of {name}", "COMPLETED"))
            assert (await ask(client, "same", keys[name]))["tree"] == told["tree"]
        assert (await client.get("/api/v1/events/same/tree")).json()["errors"][0]["path"] == "workspace"
        secret = await publish(client, keys["ours"])
        answer = await client.get(f"/api/v1/events/{secret.id}/tree", headers=keys["theirs"])
        assert answer.json()["type"] == "no-such-event"
        answer = await client.get("/api/v1/events/same/tree?workspace=ours", headers=keys["theirs"])
        assert answer.status_code == 403
        feed = await make_key(settings, "ours", "ingest", "triggers")
        await eventually(lambda: is_known(client, feed), 10, "the key is known")
        assert (await client.get("/api/v1/events/same/tree", headers=feed)).status_code == 403


async def test_without_a_broker_the_executions_are_the_answer(installation: Settings) -> None:
    """They stand in Postgres; an event that fired nobody cannot be found, and the answer is 503."""
    connection = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})
    lineage = msgspec.json.encode(Lineage("root", ["t"], 1, "x1")).decode()
    await connection.execute(
        "INSERT INTO executions (execution_id, trigger_id, workspace, event_id, status, lineage, created_at, updated_at,"
        " topic_partition, topic_offset) VALUES ('x1', 't', 'default', 'root', 'COMPLETED', $1, now(), now(), 0, 0)",
        lineage,
    )
    await connection.close()
    settings = installation.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with serve(settings, begun=False) as client:
        told = await ask(client, "root")
        assert outline(told["tree"]) == ("root", ("t", "COMPLETED"))
        assert (told["executions"]["complete"], told["events"]["complete"]) == (True, False)
        assert (await client.get("/api/v1/events/nothing/tree")).status_code == 503
