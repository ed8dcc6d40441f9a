"""Events and rows that nobody should have sent: judged or refused, and never in the way of those behind them."""

import json
import uuid
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from streams.settings import Settings
from streams.topics import EVENTS
from tests.acceptance.installation import Client, Command
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually

ODD_PAYLOADS: dict[str, bytes] = {
    "NaN": b'{"price": NaN}',
    "infinity": b'{"price": Infinity}',
    "beyond a double": b'{"price": 1e400}',
    "beyond a double, below zero": b'{"price": -1e400}',
    "near zero": b'{"price": 1e-400}',
    "the largest double": b'{"price": 1.7976931348623157e308}',
    "400 digits": b'{"price": ' + b"9" * 400 + b"}",
    "5,000 digits": b'{"price": ' + b"9" * 5000 + b"}",
    "minus zero": b'{"price": -0.0}',
    "a name twice": b'{"price": 1, "price": 2}',
    "half a surrogate pair": b'{"price": "\\ud800"}',
    "half a surrogate pair as a name": b'{"\\udc00": 1}',
    "bytes that are no UTF-8": b'{"price": "\xff\xfe"}',
    "NUL": b'{"price": "\\u0000", "\\u0000": 1}',
    "an empty name": b'{"": {"": 1}}',
    "names with dots": b'{"a.b": 1, ".": 2}',
    "as much text as the door takes": b'{"price": "' + b"x" * (1024 * 1024 - 100) + b'"}',
    "a megabyte of numbers that become longer": b'{"price": [' + b"1e15," * 200_000 + b"1]}",
    "nearly as much text as the topic takes": b'{"price": "' + b"x" * (2 * 1024 * 1024 - 300) + b'"}',
    "60,000 fields": b"{" + b",".join(b'"f%d":%d' % (number, number) for number in range(60_000)) + b"}",
    "5,000 levels": b'{"price": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no object": b"[[1], null, true]",
    "null": b"null",
    "cut off": b'{"price": 1',
} | {f"{levels} levels": b"[" * levels + b"]" * levels for levels in (*range(90, 110), *range(880, 1000, 3))}


@pytest.fixture
async def kafka(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A client that writes whatever it is given."""
    producer = AIOKafkaProducer(**settings.kafka_client(), max_request_size=4_000_000)
    await producer.start()
    yield producer
    await producer.stop()


async def test_odd_events_at_the_door_and_straight_from_kafka_stop_no_stage(
    settings: Settings, running: Command, client: Client, receiver: Receiver, hub_id: str, source: str, kafka: AIOKafkaProducer
) -> None:
    """Each is posted and written to the topic, past triggers that look into it; a good event behind them all still fires."""
    filters = [{}, {"price": {"gte": 100}}, {"price": {"in": [1, 250]}}, {"price": {"exists": True}}, {"not": {"price": 2}}]
    looking = [
        client.create_trigger(f"looks {number}", f"{source}:price", hub_id, match_filter=match_filter, agent_instance_id=None)
        for number, match_filter in enumerate(filters)
    ]
    crossing = client.create_trigger("edge", f"{source}:price_cross_above", hub_id, match_filter={"price": {"gte": 100}})
    witness = client.create_trigger("witness", f"{source}:price", hub_id, match_filter={"price": 250, "good": True})
    processes = dict(running.addresses.pids)
    accepted: set[str] = set()

    for case, payload in ODD_PAYLOADS.items():
        event = b'{"source": "%s", "type": "price", "payload": %s}' % (source.encode(), payload)
        posted = client.http.post("/api/events/ingest", content=event, headers={"content-type": "application/json"})
        assert posted.status_code in {202, 400, 413, 422}, (case, posted.text)
        accepted |= {posted.json()["event_id"]} if posted.status_code == 202 else set()
        await kafka.send_and_wait(EVENTS.full_name(settings), event, key=source.encode())
    for price in (50, 250):
        client.publish(source, "price", {"price": price, "good": True})

    good = {"price": 250, "good": True}
    await eventually(lambda: receiver.of(witness) and receiver.of(crossing), 60, "the good events fire and cross")
    for trigger_id in looking:
        await eventually(partial(has_fired, receiver, trigger_id, good), 60, "what fires after odd events fires, too")
    assert [inject.body["event"]["payload"]["price"] for inject in receiver.of(witness)] == [250]
    # Each firing has an instance of its own, so the good one may come before the odd ones.
    await eventually(lambda: accepted <= ids(receiver, looking[0]), 60, "what was accepted fires, however odd")
    assert client.health() == 200, running.logs()
    assert running.addresses.pids == processes, "no process had to be started again"


def has_fired(receiver: Receiver, trigger_id: str, payload: object) -> bool:
    """Whether the hub was called for an event of this payload."""
    return any(inject.body["event"]["payload"] == payload for inject in receiver.of(trigger_id))


def ids(receiver: Receiver, trigger_id: str) -> set[str]:
    """The events that the hub was called for."""
    return {inject.body["event"]["id"] for inject in receiver.of(trigger_id)}


async def test_a_row_that_sql_made_invalid_stops_no_neighbour(
    settings: Settings, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Written in one transaction with good ones; the API shows which is invalid, and why, and the good ones fire."""
    spoilt = {
        "{}": "no such key",
        '{"minute": {"about": 90}}': f"{source}:goal",
        '{"minute": 1e4400}': f"{source}:goal",
        json.dumps({"minute": {"in": []}}): f"{source}:goal",
    }
    names: list[str] = []
    connection = await asyncpg.connect(settings.database_url, server_settings={"search_path": settings.database_schema})
    try:
        async with connection.transaction():
            for match_filter, key in [("{}", f"{source}:goal"), *spoilt.items(), ('{"minute": {"gte": 90}}', f"{source}:goal")]:
                names.append(uuid.uuid4().hex)
                await connection.execute(
                    "INSERT INTO jobs (id, name, schedule_expression, agent_id, agent_instance_id, hub_id, match_filter)"
                    " VALUES ($1, $1, $2, 'reporter', 'desk', $3, $4)",
                    names[-1],
                    key,
                    hub_id,
                    match_filter,
                )
    finally:
        await connection.close()
    last = client.create_trigger("last", f"{source}:goal", hub_id)  # live, so what was written before it is, too
    client.publish(source, "goal", {"minute": 93})
    first, *invalid, good = names
    for trigger_id in (first, good, last):
        await eventually(partial(receiver.of, trigger_id), 30, "the neighbours fire")
    for trigger_id in invalid:
        assert client.get(f"/api/v1/triggers/{trigger_id}")["invalid"]["message"]
        assert not receiver.of(trigger_id)
    assert client.get(f"/api/v1/triggers/{good}")["invalid"] is None
