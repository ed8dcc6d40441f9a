"""The real API in this process: uvicorn on a free port, with a client that speaks to it over TCP."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import uvicorn
from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.connect import Connect
from ingest.app import create_app
from ingest.database import Database
from ingest.key_rows import insert_key
from streams.key import SCOPES
from streams.settings import Settings
from streams.topics import Topic
from tests.waiting import eventually


@asynccontextmanager
async def serve(settings: Settings, *, begun: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the API; `begun` waits until this process's own parts work, which needs a broker."""
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="on"))
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or serving.done(), 30, "the server listens")
        port = server.servers[0].sockets[0].getsockname()[1]
        if begun:
            await eventually(lambda: not app.state.connections.missing(), 30, "ingest's own parts have begun")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


async def make_key(
    settings: Settings, workspace: str | None, *scopes: str, expires_days: int | None = None, name: str = "a test's"
) -> dict[str, str]:
    """Make a key in Postgres; the headers of whoever calls with it."""
    database = Database(settings)
    await database.start()
    try:
        made = await insert_key(database, workspace, name, scopes, expires_days)
    finally:
        await database.stop()
    return {"Authorization": f"Bearer {made.text}"}


@asynccontextmanager
async def serve_connected(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the API beside a connector that works, with hub `desk` registered.

    Where keys are asked for, the client has one of the installation, with every scope.
    """
    headers = {} if settings.authentication == "none" else await make_key(settings, None, *SCOPES)
    connecting = asyncio.create_task(Connect(settings).run())
    try:
        async with serve(settings) as client:

            async def connected() -> bool:
                stages = (await client.get("/health")).json()["stages"]
                return {stages["rows_out"], stages["executions_in"]} == {"ok"}

            await eventually(connected, 30, "the connector works")
            client.headers.update(headers)
            await eventually(lambda: is_known(client), 10, "the key is known")
            hub = await client.post("/api/v1/hubs", json={"hub_id": "desk", "base_url": "http://127.0.0.1:8701"})
            assert hub.status_code == 201, hub.text
            yield client
    finally:
        connecting.cancel()
        with suppress(asyncio.CancelledError):
            await connecting


async def is_known(client: httpx.AsyncClient, headers: dict[str, str] | None = None) -> bool:
    """Whether whoever calls so is let in."""
    return (await client.get("/api/v1/hubs", headers=headers)).status_code == 200


def trigger(**columns: Any) -> dict[str, Any]:
    """A trigger's columns, with a name nobody else has, for hub `desk`."""
    required = {"name": uuid.uuid4().hex, "schedule_expression": "sports_feed:goal", "agent_id": "reporter", "hub_id": "desk"}
    return required | columns


async def records(settings: Settings, topic: Topic) -> list[Any]:
    """Every record that lies on a topic now, partition by partition."""
    partitions = [TopicPartition(topic.full_name(settings), number) for number in range(topic.partitions(settings))]
    # "earliest": aiokafka begins to reset a new assignment on its own, and "latest" would race with the seek below.
    consumer = AIOKafkaConsumer(**settings.kafka_client(), enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += batch
        return found
    finally:
        await consumer.stop()
