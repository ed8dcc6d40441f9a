"""The event loop of the processes that are to be fast: uvloop, and aiokafka's connections fit for it."""

import asyncio
from typing import Any

import uvloop
from aiokafka import conn as connections
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's connection to a broker, which notices before it sends that the other side has hung up.

    A write to a closed transport raises RuntimeError on uvloop, where aiokafka 0.14.0 expects OSError (its issue 1038): a
    coordinator's or a sender's task ended by it ends its client, and with it the process. `touchline torture` found it.
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send as aiokafka does. Raises KafkaConnectionError when there is no connection, or no longer one."""
        if self._writer is not None and self._writer.is_closing():
            self.close(CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: closed by the other side")
        return super().send(request, expect_response)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A uvloop loop. From then on aiokafka connects as above, in the whole process."""
    connections.AIOKafkaConnection = Connection
    return uvloop.new_event_loop()
