"""Publishers against a real door: an HTTP server that fails first, and a real broker."""

import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from connectors.feeds import publisher
from connectors.feeds.publisher import HttpPublisher, KafkaPublisher
from streams.errors import Unavailable
from streams.event import Event, derived_id
from streams.settings import Settings
from streams.topics import EVENTS, partition_of
from touchline.demo.serving import served

EVENTS_SENT = [
    Event("sports_feed", "goal", {"n": number}, derived_id("goal", str(number)), subject=f"game-{number % 3}")
    for number in range(publisher.BATCH_EVENTS + 3)
]


class Ingest:
    """An ingest door that answers as it is told, one answer a request, and then as it should."""

    def __init__(self) -> None:
        self.bodies: list[list[dict[str, Any]]] = []
        self.keys: list[str | None] = []
        self.answers: list[Response] = []
        self.app = FastAPI()
        self.app.add_api_route("/api/events/ingest", self.take, methods=["POST"])

    async def take(self, request: Request) -> Response:
        """Keep the batch and answer."""
        batch = json.loads(await request.body())
        self.bodies.append(batch)
        self.keys.append(request.headers.get("authorization"))
        if self.answers:
            return self.answers.pop(0)
        return JSONResponse({"results": [{"event_id": event["id"]} for event in batch]}, 202)

    def ids(self, request: int) -> list[str]:
        """The ids of one request."""
        return [event["id"] for event in self.bodies[request]]


@pytest.fixture
def ingest() -> Ingest:
    return Ingest()


@pytest.fixture
async def http(ingest: Ingest) -> AsyncIterator[HttpPublisher]:
    async with served(ingest.app) as url, httpx.AsyncClient() as client:
        yield HttpPublisher(client, url)


async def test_a_long_list_is_sent_in_batches_in_order(ingest: Ingest, http: HttpPublisher) -> None:
    """Every event goes out once, in the order given, as the plain object of the contract."""
    await http.publish(EVENTS_SENT)
    assert [len(body) for body in ingest.bodies] == [publisher.BATCH_EVENTS, 3]
    assert ingest.bodies[1][-1] == {
        "source": "sports_feed",
        "type": "goal",
        "payload": {"n": 502},
        "id": EVENTS_SENT[-1].id,
        "subject": "game-1",
    }


async def test_a_batch_that_was_not_accepted_is_sent_again_with_the_same_ids(ingest: Ingest, http: HttpPublisher) -> None:
    """503, obeyed with its Retry-After, and other 5xx lead to the same batch again, not to new ids."""
    ingest.answers = [JSONResponse({}, 503, {"Retry-After": "0"}), JSONResponse({}, 502)]
    await http.publish(EVENTS_SENT[:3])
    assert ingest.ids(0) == ingest.ids(1) == ingest.ids(2) == [event.id for event in EVENTS_SENT[:3]]


async def test_only_the_items_that_were_not_accepted_are_sent_again(ingest: Ingest, http: HttpPublisher) -> None:
    """An accepted item is not sent twice, and one that was refused for good holds up nobody."""
    first, second, third = EVENTS_SENT[:3]
    results = [{"event_id": first.id}, {"status": 503, "detail": "later"}, {"status": 422, "detail": "never"}]
    ingest.answers = [JSONResponse({"results": results}, 202)]
    await http.publish([first, second, third])
    assert ingest.ids(1) == [second.id]
    assert len(ingest.bodies) == 2


async def test_a_key_goes_along_and_a_workspace_stands_on_every_event(ingest: Ingest) -> None:
    """Without them neither does; the events that were given stay as they were."""
    async with served(ingest.app) as url, httpx.AsyncClient() as client:
        await HttpPublisher(client, url, api_key=SecretStr("tl_a_b"), workspace="mine").publish(EVENTS_SENT[:2])
        await HttpPublisher(client, url).publish(EVENTS_SENT[:1])
    assert ingest.keys == ["Bearer tl_a_b", None]
    assert [[event.get("workspace") for event in body] for body in ingest.bodies] == [["mine", "mine"], [None]]


async def test_a_door_that_stays_shut_is_told() -> None:
    """Nobody listens: after the time to give up, Unavailable says that it was not accepted."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with httpx.AsyncClient() as client:
        shut = HttpPublisher(client, f"http://127.0.0.1:{port}", give_up_seconds=0.3)
        with pytest.raises(Unavailable, match="does not accept events"):
            await shut.publish(EVENTS_SENT[:1])


async def test_a_refusal_of_the_whole_batch_is_not_repeated(ingest: Ingest, http: HttpPublisher) -> None:
    """A 4xx other than 429 would be answered the same again: it is raised at once."""
    ingest.answers = [JSONResponse({"detail": "no"}, 401)]
    with pytest.raises(Unavailable, match="401"):
        await http.publish(EVENTS_SENT[:1])
    assert len(ingest.bodies) == 1


@pytest.mark.parametrize(
    ("key", "spread", "keys"),
    [
        (None, frozenset[str](), {b"sports_feed"}),
        (b"games", frozenset[str](), {b"games"}),
        (None, frozenset({"sports_feed"}), {b"sports_feed/game-0", b"sports_feed/game-1", b"sports_feed/game-2"}),
    ],
)
async def test_straight_to_kafka_each_key_keeps_its_order_in_the_partition_kafka_gives_it(
    installation: Settings, key: bytes | None, spread: frozenset[str], keys: set[bytes]
) -> None:
    """Published means acknowledged: all are on the topic, once, as plain JSON, each key in one partition and in order."""
    async with KafkaPublisher(installation, key, spread) as kafka:
        await kafka.publish(EVENTS_SENT)
    topic = EVENTS.full_name(installation)
    consumer = AIOKafkaConsumer(topic, **installation.kafka_client(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        records = [await consumer.getone() for _ in EVENTS_SENT]
    finally:
        await consumer.stop()
    assert {record.key for record in records} == keys
    assert all(record.partition == partition_of(record.key, installation.partitions) for record in records)
    for one in keys:
        numbers = [json.loads(record.value or b"")["payload"]["n"] for record in records if record.key == one]
        assert numbers == sorted(numbers)
    assert {json.loads(record.value or b"")["id"] for record in records} == {event.id for event in EVENTS_SENT}
