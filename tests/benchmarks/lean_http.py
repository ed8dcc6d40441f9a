"""HTTP for the load and for the hub: as cheap as Python has it, since what they use of the cores the product lacks.

aiohttp at both ends took a sixth of two cores at 500 events/s, these take half of that; nothing of that is touchline's.
"""

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from httptools import HttpRequestParser

from connectors.hub.connection import Connection, Reply

ANSWER_SECONDS = 60.0
"""A saturated installation answers late, and that is what is measured."""


class LeanClient:
    """Calls one server, over as many connections as were ever under way at once."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        self._host, self._port = url.hostname or "", url.port or 80
        self._idle: list[Connection] = []

    async def get(self, path: str) -> Reply:
        """The answer. Raises OSError, and TimeoutError after ANSWER_SECONDS."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    async def post(self, path: str, body: bytes, content_type: str) -> Reply:
        """The answer. Raises as `get`."""
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}"
        return await self._ask(head.encode() + b"\r\n\r\n" + body)

    def close(self) -> None:
        """Hang up."""
        for connection in self._idle:
            connection.close()

    async def _ask(self, request: bytes) -> Reply:
        connection = self._idle.pop() if self._idle else None
        if connection is None or not connection.is_open:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, self._host, self._port)
        reply = await connection.send(request, ANSWER_SECONDS)
        self._idle.append(connection)
        return reply


class LeanServer(asyncio.Protocol):
    """One connection of a server that has the same answer for every request, after it has shown its body to `received`."""

    def __init__(self, received: Callable[[bytes], None], answer: bytes) -> None:
        self._received, self._answer = received, answer
        self._parser = HttpRequestParser(self)
        self._body = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = cast("asyncio.Transport", transport)  # what create_server makes

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._received(bytes(self._body))
        self._body.clear()
        if self._transport is not None:
            self._transport.write(self._answer)


def json_answer(body: bytes) -> bytes:
    """200, with this JSON."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
