"""One connection to a hub: HTTP/1.1 requests, one after the other (RFC 9112).

It stands on asyncio's protocols and httptools (llhttp, the parser uvicorn uses), because injects are most of what a worker
does: 23 microseconds of CPU a request, where aiohttp takes 166 and reqwest, from Python, 70 (measured, 1,200 bytes each).
"""

import asyncio
from typing import NamedTuple, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

ANSWER_BYTES = 1024 * 1024
"""Largest answer a hub may give: what an event may weigh."""
FRAMING_BYTES = 64 * 1024
"""Room beside it for the status line, the headers and the sizes of chunks."""


class Reply(NamedTuple):
    """What came back. `body` is None when it was larger than ANSWER_BYTES."""

    status_code: int
    retry_after: str | None
    body: bytes | None


class Connection(asyncio.Protocol):
    """A connected socket. One request at a time: whoever sends owns it until the reply."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._forget()

    def _forget(self) -> None:
        self._received_bytes = 0
        self._body = bytearray()
        self._retry_after: str | None = None
        self._framed = False
        self._headers_complete = False

    @property
    def is_open(self) -> bool:
        """Whether another request can go out on it."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_untouched(self) -> bool:
        """Whether not one byte came back since the last request went out."""
        return self._received_bytes == 0

    async def send(self, request: bytes, timeout_seconds: float) -> Reply:
        """Send a whole request and return the reply.

        Raises TimeoutError, ConnectionError, or HttpParserError for what is no HTTP; the connection is closed then.
        """
        loop = asyncio.get_running_loop()
        self._forget()
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the hub closed the connection")
        self._reply = loop.create_future()
        expiry = loop.call_later(timeout_seconds, self._expire, timeout_seconds)
        self._transport.write(request)
        try:
            return await self._reply
        except BaseException:
            self.close()
            raise
        finally:
            expiry.cancel()
            self._reply = None

    def close(self) -> None:
        """Hang up, without a farewell."""
        if self._transport is not None:
            self._transport.abort()

    def _expire(self, seconds: float) -> None:
        self._fail(TimeoutError(f"no answer within {seconds:g} s"))

    def _fail(self, error: Exception) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)

    def _finish(self, *, too_large: bool = False) -> None:
        if self._reply is not None and not self._reply.done():
            body = None if too_large or len(self._body) > ANSWER_BYTES else bytes(self._body)
            self._reply.set_result(Reply(self._parser.get_status_code(), self._retry_after, body))

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = cast("asyncio.Transport", transport)  # what create_connection makes

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._reply is None or self._reply.done():
            self.close()  # nobody asked for this
            return
        self._received_bytes += len(data)
        if self._received_bytes > ANSWER_BYTES + FRAMING_BYTES:
            if self._headers_complete:
                self._finish(too_large=True)
            else:
                self._fail(HttpParserError("the answer's headers do not end"))
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(HttpParserError(f"the answer is no HTTP: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BaseProtocol."""
        if self._headers_complete and not self._framed and exc is None:
            self._finish()  # its end is the connection's (RFC 9112, section 6.3)
        self._fail(ConnectionResetError(str(exc) if exc else "the hub closed the connection"))
        self._transport = None

    # httptools' calls

    def on_message_begin(self) -> None:
        """An answer begins; interim ones (1xx) come before the one that counts."""
        self._body.clear()
        self._retry_after, self._framed, self._headers_complete = None, False, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        lowered = name.lower()
        if lowered == b"retry-after":
            self._retry_after = value.decode("latin-1")
        elif lowered in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        """The status and all headers are there."""
        self._headers_complete = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body, decoded."""
        self._body += body

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._parser.get_status_code() < 200:
            return
        self._finish()
        if not self._parser.should_keep_alive():
            self.close()
