"""The calls a hub gets, and what its answers mean (SPEC 7)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec

from connectors.hub.client import HubClient
from connectors.hub.connection import ANSWER_BYTES
from streams.errors import InvalidInput, TryAgain
from streams.execution import Status


class Answer(NamedTuple):
    """What a hub said for good: the execution runs, is completed, or has failed."""

    status: Status
    output: Any = None
    error: str | None = None


class Cancel(msgspec.Struct):
    """What a hub is sent to be told that an execution is over. `reason` is for people."""

    execution_id: str
    trigger_id: str
    agent_instance_id: str
    reason: str


class _Said(msgspec.Struct):
    status: str
    output: Any = None


_decode = msgspec.json.Decoder(_Said).decode
_encode = msgspec.json.Encoder().encode


async def inject(client: HubClient, execution_id: str, body: bytes, *, create: bool, fallback: bool) -> Answer:
    """Make one attempt. `create` makes the instance; `fallback` does when it turns out to be gone (404 or 410).

    Raises TryAgain when another attempt may succeed.
    """
    try:
        reply = await client.post("inject-and-create" if create else "inject", execution_id, body)
        if reply.status_code in (404, 410) and not create and fallback:
            reply = await client.post("inject-and-create", execution_id, body)
    except InvalidInput as error:
        return Answer(Status.FAILED, error=f"the hub cannot be called: {error}; register it anew")
    return read_answer(reply.status_code, reply.retry_after, reply.body)


async def cancel(client: HubClient, told: Cancel) -> int:
    """Tell the hub that an execution is over, and return the status of its answer: 404 from one that does not know the call.

    Raises TryAgain when another attempt may be heard, InvalidInput when the hub's row cannot be called.
    """
    reply = await client.post("cancel", f"{told.execution_id}:cancel", _encode(told))
    _check_trouble(reply.status_code, reply.retry_after)
    return reply.status_code


def read_answer(status_code: int, retry_after: str | None, body: bytes | None) -> Answer:
    """What an answer means. `body` is None when it was larger than accepted. Raises TryAgain for 429 and 5xx."""
    _check_trouble(status_code, retry_after)
    if status_code in (404, 410):
        return Answer(Status.FAILED, error=f"the hub answered {status_code}: it does not know this instance")
    if not 200 <= status_code < 300:
        return Answer(Status.FAILED, error=f"the hub answered {status_code}")
    if body is None:
        return Answer(Status.FAILED, error=f"the hub's answer is larger than {ANSWER_BYTES} bytes")
    try:
        said = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = _Said("")
    if said.status == "accepted":
        return Answer(Status.RUNNING)
    if said.status == "completed":
        return Answer(Status.COMPLETED, output=said.output)
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


def _check_trouble(status_code: int, retry_after: str | None) -> None:
    """Raises TryAgain for 429 and 5xx. A hub that answers 429 works: it only has enough to do."""
    if status_code in (429, 503):
        raise TryAgain(f"the hub answered {status_code}", retry_after_seconds(retry_after), works=status_code == 429)
    if status_code >= 500:
        raise TryAgain(f"the hub answered {status_code}")
