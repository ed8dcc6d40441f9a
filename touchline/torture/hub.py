"""The torture's own hub: keeps every call it gets, dedupes by idempotency key as README asks, and has moods.

Run as a process of its own, `python -m touchline.torture.hub PORT FILE`, so that it can be killed. Moods, set by
`PUT /mood/{mood}`:

- well: takes the message and answers at once.
- slow: takes it and answers later.
- failing: takes nothing, and answers 500, 503 or 429 in turn, with Retry-After or without.
- silent: takes every other message, and answers none of them ever.
"""

import asyncio
import itertools
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response

from touchline.torture.deliveries import Delivery, DeliveryFile

WELL, SLOW, FAILING, SILENT = "well", "slow", "failing", "silent"
MOODS = (WELL, SLOW, FAILING, SILENT)
SLOW_SECONDS = (0.2, 0.8, 2.5)
"""How long the answers of a slow hub take, in turn; the last is longer than the torture's workers wait."""
REFUSALS: tuple[tuple[HTTPStatus, dict[str, str]], ...] = (
    (HTTPStatus.INTERNAL_SERVER_ERROR, {}),
    (HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"}),
    (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "1"}),
    (HTTPStatus.SERVICE_UNAVAILABLE, {}),
)
SILENCE_SECONDS = 600.0
"""How long a call is left without an answer: longer than anybody waits."""


class TortureHub:
    """The hub's state: its mood, and what it has taken."""

    def __init__(self, deliveries: DeliveryFile) -> None:
        self.mood = WELL
        self._deliveries = deliveries
        self._calls = itertools.count()

    def app(self) -> FastAPI:
        """The routes."""
        app = FastAPI(title="torture hub")
        app.add_api_route("/mood/{mood}", self.become, methods=["PUT"])
        app.add_api_route("/health", self.health, methods=["GET"])
        for route in ("inject", "inject-and-create"):
            app.add_api_route(f"/api/hub-control/{{hub_id}}/{route}", self.take, methods=["POST"])
        return app

    async def become(self, mood: str) -> Response:
        """Change the mood; calls under way keep the one they came in."""
        if mood not in MOODS:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        self.mood = mood
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def health(self) -> dict[str, str]:
        """The mood."""
        return {"mood": self.mood}

    async def take(self, request: Request) -> Response:
        """One inject, kept before it is answered."""
        body: dict[str, Any] = msgspec.json.decode(await request.body())
        mood, number = self.mood, next(self._calls)
        event = body["event"]
        delivery = Delivery(
            at_ms=time.time_ns() // 1_000_000,
            key=request.headers["idempotency-key"],
            trigger_id=body["trigger_id"],
            instance=body["agent_instance_id"],
            cause=event.get("caused_by") or event["id"],
            event_id=event["id"],
            mood=mood,
            taken=mood in (WELL, SLOW) or (mood == SILENT and number % 2 == 0),
        )
        self._deliveries.append(delivery)
        if mood == FAILING:
            status, headers = REFUSALS[number % len(REFUSALS)]
            return Response(status_code=status, headers=headers)
        if mood == SILENT:
            await asyncio.sleep(SILENCE_SECONDS)
        if mood == SLOW:
            await asyncio.sleep(SLOW_SECONDS[number % len(SLOW_SECONDS)])
        answer = {"status": "completed", "output": {"key": delivery.key}}
        return Response(msgspec.json.encode(answer), media_type="application/json")


def main() -> None:
    """Serve until told to stop."""
    port, path = int(sys.argv[1]), Path(sys.argv[2])
    app = TortureHub(DeliveryFile(path)).app()
    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", access_log=False, log_level="warning", timeout_graceful_shutdown=1
    )


if __name__ == "__main__":
    main()
