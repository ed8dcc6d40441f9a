"""The way past the framework, for the one route that is called for every event.

Of a request's time at `POST /api/events/ingest` three quarters went into finding the route, telemetry that nobody had set up,
and dependencies of which there are two. FastAPI still has the route, describes it, and answers it in every other spelling;
the function, what it asks of its caller and what it raises are the same.
"""

from typing import cast

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingest import events
from ingest.authentication import allowed_to_ingest


class FrontDoor(FastAPI):
    """FastAPI, with events let in first."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] != events.PATH or scope["method"] != "POST":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        request = Request(scope, receive)
        try:
            response = await events.ingest(request, self.state.connections, await allowed_to_ingest(request))
        except Exception as error:
            response = cast("Response", self.exception_handlers[Exception](request, error))  # ours, which awaits nothing
        await response(scope, receive, send)
