"""POST /api/events/ingest against a real broker: every form an event may come in, and every reason to refuse one."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.event import Event, read_event
from streams.settings import Settings
from streams.topics import EVENTS, partition_of
from tests.integration.api import records, serve
from tests.waiting import eventually

INGEST = "/api/events/ingest"
GOAL = {"source": "sports_feed", "type": "goal", "payload": {"team": "Mexico", "minute": 12}}


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation."""
    async with serve(installation) as client:
        yield client


async def kept(installation: Settings) -> list[Event]:
    """The events on the topic."""
    return [read_event(record.value) for record in await records(installation, EVENTS)]


async def test_an_accepted_event_lies_on_the_topic_when_the_answer_comes(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """202 is a promise: the record is there, under its source's key, in that key's partition."""
    answer = await client.post(INGEST, json=GOAL | {"subject": "game-1", "time": "2026-06-11T19:00:00Z"})
    assert answer.status_code == 202
    [record] = await records(installation, EVENTS)
    event = read_event(record.value)
    assert answer.json() == {"event_id": event.id}
    assert (event.source, event.type, event.payload, event.subject) == ("sports_feed", "goal", GOAL["payload"], "game-1")
    assert event.time == "2026-06-11T19:00:00Z"
    assert event.accepted_at_ms > 0
    assert record.key == b"sports_feed"
    assert record.partition == partition_of(b"sports_feed", installation.partitions)


async def test_an_id_that_is_given_is_kept_and_a_missing_payload_is_an_empty_object(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """The id is the client's idempotency key; an event without a payload still is one that filters can look into."""
    answer = await client.post(INGEST, json={"source": "door", "type": "opened", "id": "mine-1"})
    assert answer.json() == {"event_id": "mine-1"}
    [event] = await kept(installation)
    assert (event.id, event.payload) == ("mine-1", {})


async def test_a_payload_may_be_any_json(installation: Settings, client: httpx.AsyncClient) -> None:
    """What was sent is what lies on the topic."""
    payloads = [None, 1, 1.5, True, "text", [1, [2]], {"a": {"b": None}}, {"n": 10**30}]
    await client.post(INGEST, json=[{"source": "s", "type": "t", "payload": payload} for payload in payloads])
    assert [event.payload for event in await kept(installation)] == payloads


async def test_a_list_is_answered_item_by_item(installation: Settings, client: httpx.AsyncClient) -> None:
    """A bad item gets its problem in its own place, and the good ones are accepted."""
    items = [GOAL | {"id": "a"}, {"source": "", "type": "goal"}, GOAL | {"source": "manual"}, 7, GOAL | {"id": "b"}]
    answer = await client.post(INGEST, json=items)
    assert answer.status_code == 202
    first, empty, reserved, number, last = answer.json()["results"]
    assert (first, last) == ({"event_id": "a"}, {"event_id": "b"})
    assert (empty["status"], empty["errors"][0]["path"]) == (422, "source")
    assert reserved["status"] == 403
    assert number["status"] == 422
    assert [event.id for event in await kept(installation)] == ["a", "b"]


async def test_ndjson_is_answered_line_by_line(installation: Settings, client: httpx.AsyncClient) -> None:
    """A line that is no JSON is refused alone; empty lines mean nothing."""
    body = json.dumps(GOAL | {"id": "a"}) + "\n\n{oops\n" + json.dumps(GOAL | {"id": "b"}) + "\r\n"
    answer = await client.post(INGEST, content=body, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 202
    first, malformed, last = answer.json()["results"]
    assert (first, last) == ({"event_id": "a"}, {"event_id": "b"})
    assert malformed["status"] == 400
    assert [event.id for event in await kept(installation)] == ["a", "b"]


async def test_order_within_a_batch_and_across_requests_is_the_order_on_the_topic(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """Order per key begins at the door."""
    for start in (0, 500):
        batch = [{"source": "s", "type": "t", "id": str(number)} for number in range(start, start + 500)]
        await client.post(INGEST, json=batch)
    assert [event.id for event in await kept(installation)] == [str(number) for number in range(1000)]


async def test_hundreds_of_requests_at_once_are_all_accepted_once(installation: Settings, client: httpx.AsyncClient) -> None:
    """Nothing is lost or doubled between connections."""
    answers = await asyncio.gather(*(client.post(INGEST, json=GOAL | {"id": str(number)}) for number in range(300)))
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(int(event.id) for event in await kept(installation)) == list(range(300))


CLOUD_EVENT = {"specversion": "1.0", "id": "ce-1", "source": "/sensors/7", "type": "reading", "data": {"celsius": 21.5}}


@pytest.mark.parametrize("content_type", ["application/cloudevents+json; charset=utf-8", "application/json", None])
async def test_a_structured_cloud_event_is_an_event(
    installation: Settings, client: httpx.AsyncClient, content_type: str | None
) -> None:
    """Its data is the payload, its partitionkey the record's key, also where plain JSON is declared."""
    headers = {"content-type": content_type} if content_type else {}
    body = json.dumps(CLOUD_EVENT | {"partitionkey": "seven", "subject": "roof", "traceparent": "00-ab-cd-01"})
    answer = await client.post(INGEST, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"event_id": "ce-1"})
    [record] = await records(installation, EVENTS)
    event = read_event(record.value)
    assert (event.source, event.type, event.subject) == ("/sensors/7", "reading", "roof")
    assert event.payload == {"celsius": 21.5}
    assert record.key == b"seven"
    assert record.partition == partition_of(b"seven", installation.partitions)


async def test_a_binary_cloud_event_is_an_event(installation: Settings, client: httpx.AsyncClient) -> None:
    """Attributes come in headers, percent-encoded where they must be; the body is the data."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "ce-2",
        "ce-source": "/sensors/%C3%A9tage",
        "ce-type": "reading",
        "ce-time": "2026-06-11T19:00:00Z",
        "ce-partitionkey": "seven",
        "content-type": "application/json",
    }
    answer = await client.post(INGEST, content=b'{"celsius": 21.5}', headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"event_id": "ce-2"})
    [record] = await records(installation, EVENTS)
    event = read_event(record.value)
    assert (event.source, event.type, event.time) == ("/sensors/étage", "reading", "2026-06-11T19:00:00Z")
    assert event.payload == {"celsius": 21.5}
    assert record.key == b"seven"


async def test_a_batch_of_cloud_events_is_answered_item_by_item(installation: Settings, client: httpx.AsyncClient) -> None:
    """The same results as for a plain list."""
    body = json.dumps([CLOUD_EVENT, CLOUD_EVENT | {"specversion": "0.3"}])
    answer = await client.post(INGEST, content=body, headers={"content-type": "application/cloudevents-batch+json"})
    good, wrong = answer.json()["results"]
    assert good == {"event_id": "ce-1"}
    assert (wrong["status"], wrong["errors"][0]["path"]) == (422, "specversion")
    assert len(await kept(installation)) == 1


JSON = {"content-type": "application/json"}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}
DEEP = b'{"source":"s","type":"t","payload":' + b"[" * 200 + b"]" * 200 + b"}"

REFUSED: list[tuple[str, bytes, dict[str, str], int, str | None]] = [
    ("malformed", b'{"source": "s",', JSON, 400, None),
    ("malformed behind a wrong type", b'{"source": "s", "id": 7, ', JSON, 400, None),
    ("empty", b"", JSON, 400, None),
    ("not UTF-8", b'{"source":"s","type":"t","payload":"\xff"}', JSON, 400, None),
    ("a lone surrogate", b'{"source":"s","type":"t","payload":"\\ud800"}', JSON, 400, None),
    ("NaN", b'{"source":"s","type":"t","payload":NaN}', JSON, 400, None),
    ("an infinite number", b'{"source":"s","type":"t","payload":1e999}', JSON, 422, "payload"),
    ("a deep payload", DEEP, JSON, 422, "payload"),
    ("a deeper payload", DEEP.replace(b"[", b"[" * 100).replace(b"]", b"]" * 100), JSON, 422, "payload"),
    ("no object", b'"goal"', JSON, 422, ""),
    ("no source", b'{"type":"t"}', JSON, 422, "source"),
    ("no type", b'{"source":"s"}', JSON, 422, "type"),
    ("an empty type", b'{"source":"s","type":""}', JSON, 422, "type"),
    ("a source that is a number", b'{"source":7,"type":"t"}', JSON, 422, "source"),
    ("a control character", b'{"source":"s\\n","type":"t"}', JSON, 422, "source"),
    ("a long type", b'{"source":"s","type":"' + b"t" * 257 + b'"}', JSON, 422, "type"),
    ("an unknown field", b'{"source":"s","type":"t","playload":1}', JSON, 422, "playload"),
    ("an empty id", b'{"source":"s","type":"t","id":""}', JSON, 422, "id"),
    ("an id with NUL", b'{"source":"s","type":"t","id":"\\u0000"}', JSON, 422, "id"),
    ("an id that is a number", b'{"source":"s","type":"t","id":7}', JSON, 422, "id"),
    ("an empty subject", b'{"source":"s","type":"t","subject":""}', JSON, 422, "subject"),
    ("a time that is none", b'{"source":"s","type":"t","time":"yesterday"}', JSON, 422, "time"),
    ("a time without offset", b'{"source":"s","type":"t","time":"2026-06-11T19:00:00"}', JSON, 422, "time"),
    ("a forged lineage", b'{"source":"s","type":"t","lineage":{"trigger_depth":"x"}}', JSON, 422, "lineage.trigger_depth"),
    ("a reserved source", b'{"source":"clock","type":"t"}', JSON, 403, None),
    ("a reserved source, binary", b"{}", BINARY | {"ce-source": "webhook"}, 403, None),
    ("a form", b"source=s", {"content-type": "application/x-www-form-urlencoded"}, 415, None),
    ("another charset", b"{}", {"content-type": "application/json; charset=utf-16"}, 415, None),
    ("a compressed body", b"{}", JSON | {"content-encoding": "gzip"}, 415, None),
    ("binary data", b"\x00", BINARY | {"content-type": "image/png"}, 415, None),
    ("a CloudEvent without type", b"{}", {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s"}, 422, "type"),
    ("a CloudEvent of another version", b"{}", BINARY | {"ce-specversion": "2.0"}, 422, "specversion"),
    ("a CloudEvent's time that is none", b"{}", BINARY | {"ce-time": "noon"}, 422, "time"),
    ("a list that is cut off", b'[{"source":"s","type":"t"},', JSON, 400, None),
    ("more than 1 MiB", b'{"source":"s","type":"t","payload":"' + b"x" * 1024 * 1024 + b'"}', JSON, 413, None),
    ("more than 8 MiB of batch", b"[" + b" " * 8 * 1024 * 1024 + b"]", JSON, 413, None),
]


async def test_bad_input_gets_a_clear_error_and_nothing_is_kept(installation: Settings, client: httpx.AsyncClient) -> None:
    """A problem that names the field, never a 500, and no record."""
    for case, body, headers, status, path in REFUSED:
        answer = await client.post(INGEST, content=body, headers=headers)
        assert answer.status_code == status, (case, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", case
        problem = answer.json()
        assert problem["status"] == status
        assert problem["detail"], case
        assert [error["path"] for error in problem.get("errors", [])] == ([] if path is None else [path]), case
    assert await records(installation, EVENTS) == []


async def test_a_body_over_1_mib_is_refused_while_it_streams(client: httpx.AsyncClient) -> None:
    """A sender that declares no length is stopped as soon as it has sent too much."""

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"source":"s","type":"t","payload":"'
        for _ in range(64):
            yield b"x" * 64 * 1024
        yield b'"}'

    answer = await client.post(INGEST, content=endless(), headers=JSON)
    assert answer.status_code == 413


async def test_an_event_of_exactly_1_mib_is_accepted(installation: Settings, client: httpx.AsyncClient) -> None:
    """The limit is on what is sent; what touchline adds to it fits into a record."""
    frame = b'{"source":"s","type":"t","payload":""}'
    body = frame[:-2] + b"x" * (1024 * 1024 - len(frame)) + frame[-2:]
    answer = await client.post(INGEST, content=body, headers=JSON)
    assert answer.status_code == 202, answer.text
    assert len(await kept(installation)) == 1


async def test_a_record_the_broker_finds_too_large_is_told_so_and_holds_up_nothing(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """A topic may allow less than the door does; its refusal costs no later event of the partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka_bootstrap_servers)
    await admin.start()
    topic = ConfigResource(ConfigResourceType.TOPIC, EVENTS.full_name(installation), {"max.message.bytes": "2000"})
    await admin.alter_configs([topic])
    await admin.close()
    large = GOAL | {"payload": "x" * 5000}

    async def is_refused() -> bool:
        return (await client.post(INGEST, json=large)).status_code == 413

    await eventually(is_refused, what="the broker knows its new limit")  # it answers when its controller does
    before = len(await kept(installation))
    for number in range(3):
        refused = await client.post(INGEST, json=large)
        assert (refused.status_code, refused.json()["status"]) == (413, 413)
        assert (await client.post(INGEST, json=GOAL | {"id": str(number)})).status_code == 202
    assert [event.id for event in await kept(installation)][before:] == ["0", "1", "2"]


async def test_an_item_over_1_mib_is_refused_alone(client: httpx.AsyncClient) -> None:
    """The others of its batch are accepted."""
    large = {"source": "s", "type": "t", "payload": "x" * 1024 * 1024}
    answer = await client.post(INGEST, json=[GOAL, large])
    good, refused = answer.json()["results"]
    assert "event_id" in good
    assert refused["status"] == 413


async def test_a_name_given_twice_counts_with_its_last_value(client: httpx.AsyncClient) -> None:
    """A reserved source cannot be smuggled in behind another one."""
    answer = await client.post(INGEST, content=b'{"source":"s","source":"manual","type":"t"}', headers=JSON)
    assert answer.status_code == 403


async def test_unknown_paths_and_methods_are_told_as_problems(client: httpx.AsyncClient) -> None:
    """404 and 405 have the same shape as every other error."""
    for answer in (await client.get("/nowhere"), await client.get(INGEST)):
        assert answer.status_code in {404, 405}
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
    assert answer.headers["allow"] == "POST"


async def test_metrics_tell_what_was_accepted_and_refused(client: httpx.AsyncClient) -> None:
    """Every item of a batch counts by its outcome."""
    await client.post(INGEST, json=[GOAL, GOAL, {"source": "clock", "type": "t"}])
    await client.post(INGEST, content=b"{", headers=JSON)

    async def scraped() -> str:
        text = (await client.get("/metrics")).text
        return text if 'touchline_processes{role="ingest"} 1.0' in text else ""

    text = await eventually(scraped, 30, "this process counts itself among the living")
    assert 'touchline_ingest_events_total{outcome="accepted"} 2.0' in text
    assert 'touchline_ingest_events_total{outcome="refused"} 2.0' in text
    assert "touchline_ingest_accept_seconds_bucket" in text
