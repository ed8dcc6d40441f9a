"""Reading a request's body: how large it may be, and what it may be encoded in."""

from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.requests import Request

from ingest.json_text import decode_object
from ingest.problems import problem

EVENT_LIMIT_BYTES = 1024 * 1024
"""One event, or one object of the other calls: Kafka's own default for the largest record."""
BATCH_LIMIT_BYTES = 8 * EVENT_LIMIT_BYTES
"""A list or NDJSON of events; each of its items keeps to EVENT_LIMIT_BYTES."""


class MediaType(NamedTuple):
    """A Content-Type, taken apart (RFC 9110, section 8.3.1). `name` is in lower case, empty when there is none."""

    name: str
    charset: str

    @property
    def is_json(self) -> bool:
        """Whether it is JSON, or not said; CloudEvents and NDJSON are types of their own."""
        return self.name in {"", "application/json", "text/json"}


def media_type(request: Request) -> MediaType:
    """The request's media type. Raises 415 for a charset or a content encoding that is not understood."""
    name, *parameters = request.headers.get("content-type", "").split(";")
    charset = "utf-8"
    for parameter in parameters:
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "charset":
            charset = value.strip().strip('"').lower()
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise unsupported(f"charset {charset} is not accepted; send UTF-8")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise unsupported(f"Content-Encoding {encoding} is not accepted; send the body as it is")
    return MediaType(name.strip().lower(), charset)


def unsupported(detail: str) -> Exception:
    """415, saying what would be accepted."""
    return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def too_large(size_bytes: int, limit_bytes: int, what: str = "the body") -> Exception:
    """413, saying how much is accepted."""
    detail = f"{what} has more than {limit_bytes} bytes" if size_bytes < 0 else f"{what} has {size_bytes} bytes"
    return problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{detail}; at most {limit_bytes} are accepted", limit_bytes=limit_bytes
    )


async def read_body(request: Request, limit_bytes: int = EVENT_LIMIT_BYTES, list_limit_bytes: int = 0) -> bytes:
    """The whole body, or 413 as soon as it proves too large. A JSON list (`[` first) may have `list_limit_bytes`."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max(limit_bytes, list_limit_bytes):
        raise too_large(int(declared), max(limit_bytes, list_limit_bytes))
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            if list_limit_bytes > limit_bytes and body[:1024].lstrip()[:1] == b"[":
                limit_bytes = list_limit_bytes
            if len(body) > limit_bytes:
                raise too_large(-1, limit_bytes)
    return bytes(body)


async def read_object(request: Request) -> dict[str, Any]:
    """The body as one JSON object. Raises 400, 413, 415 or 422 as problems."""
    media = media_type(request)
    if not media.is_json:
        raise unsupported(f"{media.name} is not accepted; send application/json")
    return decode_object(await read_body(request))
