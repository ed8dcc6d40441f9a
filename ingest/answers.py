"""Answers: JSON written by msgspec, times as RFC 3339, and whether what was written is live."""

from typing import Any

import msgspec
from starlette.responses import Response

encode = msgspec.json.Encoder().encode

LIVE_HEADER = "Touchline-Live"
"""`true`, or `false` when some process had not applied the change in time; then the status is 202."""


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(encode(body), status, media_type="application/json")


def answer_written(body: Any, status: int, *, live: bool) -> Response:
    """The answer to a write: `status` once it is live in every process, 202 when it is written and will be live later."""
    response = answer(body, status if live else 202) if body is not None else Response(status_code=status if live else 202)
    response.headers[LIVE_HEADER] = str(live).lower()
    return response
