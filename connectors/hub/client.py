"""A client for one hub: where it listens, and the connections that are kept open to it.

TLS is verified against the system's authorities (SSL_CERT_FILE names others), redirects are not followed (an answer like any
other), and no proxy is asked: only registered hubs are ever called.
"""

import asyncio
import base64
import re
import ssl
import time
from functools import cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from httptools import HttpParserError

from connectors.hub.connection import Connection, Reply
from streams.errors import InvalidInput, TryAgain
from streams.trigger import Hub

IDLE_SECONDS = 30.0
"""A connection that was not used for so long is closed: many hubs, few of them busy, should not cost sockets."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Address(NamedTuple):
    """A base_url, taken apart. `path` has no slash at its end; `authorization` is "" where the URL names no user."""

    host: str
    port: int
    encrypted: bool
    authority: str
    path: str
    authorization: str


def parse_base_url(base_url: str) -> Address:
    """Take a hub's base_url apart. Raises InvalidInput when it is no http or https URL."""
    try:
        url = urlsplit(base_url)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise InvalidInput("base_url", f"is no URL: {error}") from error
    if url.scheme not in ("http", "https") or not host:
        raise InvalidInput("base_url", "is no http or https URL")
    encrypted = url.scheme == "https"
    authorization = ""
    if url.username is not None:
        user = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = "Basic " + base64.b64encode(user.encode()).decode()
    authority = url.netloc.rpartition("@")[2]
    return Address(host, port or (443 if encrypted else 80), encrypted, authority, url.path.rstrip("/"), authorization)


class HubClient:
    """Calls one hub. As many connections are open as requests were ever under way at once, until they are idle."""

    def __init__(self, hub: Hub, timeout_seconds: float, connect_timeout_seconds: float) -> None:
        self._hub = hub
        self._timeout_seconds = timeout_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._address: Address | None = None
        self._heads: dict[str, bytes] = {}
        self._idle: list[tuple[Connection, float]] = []
        self._closed = False

    async def post(self, route: str, idempotency_key: str, body: bytes) -> Reply:
        """POST a JSON body to `/api/hub-control/{hub_id}/{route}`.

        Raises InvalidInput when the hub's row cannot be called, TryAgain when the hub cannot be reached or does not answer.
        """
        head = self._heads.get(route)
        if head is None:
            head = self._heads[route] = self._head(route)
        key = _header_value("Idempotency-Key", idempotency_key)
        request = b"%sIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s" % (head, key, len(body), body)
        try:
            return await self._send(request)
        except TimeoutError as error:
            raise TryAgain(f"TimeoutError: {error}") from error
        except (OSError, HttpParserError) as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error

    def close_idle(self, idle_seconds: float = IDLE_SECONDS) -> None:
        """Close what was not used for so long."""
        before = time.monotonic() - idle_seconds
        for connection, since in self._idle:
            if since <= before:
                connection.close()
        self._idle = [(connection, since) for connection, since in self._idle if connection.is_open and since > before]

    def close(self) -> None:
        """Close all that is idle, and every other connection when its request is through."""
        self._closed = True
        self.close_idle(0)

    async def _send(self, request: bytes) -> Reply:
        connection = self._take()
        if connection is not None:
            try:
                return await self._send_on(connection, request)
            except ConnectionError:
                if not connection.is_untouched:
                    raise
                # The hub closed it while it was idle. Its Idempotency-Key makes the second one safe (RFC 9110, section 9.2.2).
        return await self._send_on(await self._connect(), request)

    async def _send_on(self, connection: Connection, request: bytes) -> Reply:
        reply = await connection.send(request, self._timeout_seconds)
        if self._closed:
            connection.close()
        elif connection.is_open:
            self._idle.append((connection, time.monotonic()))
        return reply

    def _take(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self) -> Connection:
        address = self._address
        if address is None:
            address = self._address = parse_base_url(self._hub.base_url)
        context = _verifying() if address.encrypted else None
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, address.host, address.port, ssl=context
                )
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {self._connect_timeout_seconds:g} s") from error
        except UnicodeError as error:
            raise InvalidInput("base_url", f"holds no host name: {error}") from error
        return connection

    def _head(self, route: str) -> bytes:
        address = parse_base_url(self._hub.base_url)
        authorization = f"Bearer {self._hub.token}" if self._hub.token else address.authorization
        path = f"{quote(address.path, safe='/%')}/api/hub-control/{quote(self._hub.hub_id, safe='')}/{route}"
        lines = [
            b"POST %s HTTP/1.1" % path.encode(),
            b"Host: " + _header_value("base_url", address.authority),
            b"Content-Type: application/json",
            b"Accept: application/json",
            b"User-Agent: touchline",
        ]
        if authorization:
            lines.append(b"Authorization: " + _header_value("token", authorization))
        return b"".join(line + b"\r\n" for line in lines)


@cache
def _verifying() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _header_value(path: str, value: str) -> bytes:
    if _CONTROL.search(value):
        raise InvalidInput(path, "holds a control character")
    return value.encode()
