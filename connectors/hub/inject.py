"""The inject: one POST to a hub, and what its answer means (SPEC 7)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp
import msgspec

from streams.execution import Dispatch, Status, encode
from streams.trigger import Hub

ANSWER_BYTES = 1024 * 1024
"""Largest answer a hub may give: what an event may weigh."""
CONNECTIONS = 256
"""Connections of one worker to all hubs together. With as many, aiohttp makes 4,500 requests a CPU second where httpx makes
120 (measured, client and server together): the reason it is not httpx here."""


class Answer(NamedTuple):
    """What a hub said for good: the execution runs, is completed, or has failed."""

    status: Status
    output: Any = None
    error: str | None = None


class TryAgain(Exception):
    """The hub may answer better later. `after_seconds`: when it asked to be called again, if it did."""

    def __init__(self, reason: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


def open_client(timeout_seconds: float) -> aiohttp.ClientSession:
    """The client all injects of a process share. Raises RuntimeError outside a running event loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        trust_env=False,
    )


async def inject(client: aiohttp.ClientSession, hub: Hub, dispatch: Dispatch, *, create: bool) -> Answer:
    """Make one attempt. Redirects are not followed: only registered hubs are ever called.

    Raises TryAgain when another attempt may succeed.
    """
    route = "inject-and-create" if create else "inject"
    headers = {"Content-Type": "application/json", "Idempotency-Key": dispatch.inject.execution_id}
    if hub.token:
        headers["Authorization"] = f"Bearer {hub.token}"
    url = f"{hub.base_url.rstrip('/')}/api/hub-control/{hub.hub_id}/{route}"
    try:
        async with client.post(url, data=encode(dispatch.inject), headers=headers, allow_redirects=False) as response:
            body = await _read(response)
    except aiohttp.InvalidURL as error:
        return Answer(Status.FAILED, error=f"the hub's base_url is no URL: {error}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise TryAgain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
    if response.status in (404, 410) and not create and dispatch.recreate:
        return await inject(client, hub, dispatch, create=True)
    return read_answer(response.status, response.headers.get("Retry-After"), body)


def read_answer(status_code: int, retry_after: str | None, body: bytes | None) -> Answer:
    """What an answer means. `body` is None when it was larger than accepted. Raises TryAgain for 429 and 5xx."""
    if status_code in (429, 503):
        raise TryAgain(f"the hub answered {status_code}", retry_after_seconds(retry_after))
    if status_code >= 500:
        raise TryAgain(f"the hub answered {status_code}")
    if status_code in (404, 410):
        return Answer(Status.FAILED, error=f"the hub answered {status_code}: it does not know this instance")
    if not 200 <= status_code < 300:
        return Answer(Status.FAILED, error=f"the hub answered {status_code}")
    if body is None:
        return Answer(Status.FAILED, error=f"the hub's answer is larger than {ANSWER_BYTES} bytes")
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    match answer:
        case {"status": "accepted"}:
            return Answer(Status.RUNNING)
        case {"status": "completed"}:
            return Answer(Status.COMPLETED, output=answer.get("output"))
    return Answer(Status.FAILED, error='the hub answered neither {"status": "accepted"} nor {"status": "completed"}')


def retry_after_seconds(value: str | None) -> float | None:
    """Retry-After in seconds, from either of its forms (RFC 9110, section 10.2.3); None when absent or unreadable."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES:
            return None
    return bytes(body)
