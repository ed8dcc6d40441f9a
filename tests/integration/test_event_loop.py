"""The event loop of worker and ingest: aiokafka's connections bear that a broker hangs up."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from aiokafka import conn as connections
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.api import Request
from aiokafka.protocol.metadata import MetadataRequest

from streams.event_loop import new_event_loop

TURNS = 6
"""Turns of the loop after which a hang-up is known everywhere."""


async def send_after_a_hang_up(bootstrap_servers: str, turns: int) -> None:
    """Send a request, this many turns of the loop after the other side hung up."""
    host, port = bootstrap_servers.split(",")[0].rsplit(":", 1)
    connection = await connections.create_conn(host, int(port))
    try:
        connection._writer.transport.abort()
        for _ in range(turns):
            await asyncio.sleep(0)
        request: Request = MetadataRequest([])
        await connection.send(request)
    finally:
        connection.close()


def outcomes(loop: Callable[[], asyncio.AbstractEventLoop], bootstrap_servers: str) -> set[type[Exception]]:
    """What became of the requests, whenever they were sent."""
    raised = set()
    with asyncio.Runner(loop_factory=loop) as runner:
        for turns in range(TURNS):
            with pytest.raises(Exception) as caught:  # noqa: PT011  # what it is, is the question
                runner.run(send_after_a_hang_up(bootstrap_servers, turns))
            raised.add(caught.type)
    return raised


def test_a_request_to_a_broker_that_hung_up_fails_as_one_without_a_connection(
    kafka_bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka tries again after a KafkaConnectionError; the RuntimeError that uvloop raises otherwise ends the process."""
    monkeypatch.setattr(connections, "AIOKafkaConnection", AIOKafkaConnection)
    assert RuntimeError in outcomes(uvloop.new_event_loop, kafka_bootstrap_servers)
    assert outcomes(new_event_loop, kafka_bootstrap_servers) == {KafkaConnectionError}
