"""The reference hub over HTTP: what touchline calls to put a message in front of an agent (SPEC 5 and 7)."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from hub.agent import answer
from hub.transcripts import Cancelled, Transcripts
from streams.errors import InvalidInput, Unavailable
from streams.execution import Inject
from streams.settings import Settings

RETRY_AFTER_SECONDS = 1
"""Told to a sender while Postgres is away: a restart takes about that long."""

log = structlog.get_logger()
Shape = TypeVar("Shape", bound=msgspec.Struct)


class Instance(msgspec.Struct):
    """Body of `POST .../instances`: the agent's instance to make."""

    agent_id: str
    agent_instance_id: str


class Cancellation(msgspec.Struct):
    """Body of `POST .../cancel`: the execution that is over, and why."""

    execution_id: str
    trigger_id: str
    agent_instance_id: str
    reason: str | None = None


class Hub:
    """The calls of one hub. `token` is asked for as `Authorization: Bearer`; None asks for nothing."""

    def __init__(self, hub_id: str, token: str | None, transcripts: Transcripts) -> None:
        self._hub_id = hub_id
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._transcripts = transcripts

    async def inject(self, hub_id: str, request: Request) -> Response:
        """Deliver to an instance that exists; 404 when it does not."""
        return await self._take(hub_id, request, fresh=False)

    async def inject_and_create(self, hub_id: str, request: Request) -> Response:
        """Deliver to an instance that is made for it."""
        return await self._take(hub_id, request, fresh=True)

    async def cancel(self, hub_id: str, request: Request) -> Response:
        """Let go of an execution: 200 `{"status": "cancelled"}`, or `completed` when the agent had answered; again, the same.

        A scripted agent answers in its one turn, so none is ever still at work; what is not yet here will be refused.
        """
        if (refusal := self._refusal(hub_id, request)) is not None:
            return refusal
        told = _read(await request.body(), Cancellation)
        answered = await self._transcripts.cancel(told.execution_id, told.trigger_id, told.agent_instance_id, told.reason)
        return _json({"execution_id": told.execution_id, "status": "completed" if answered else "cancelled"})

    async def open_instance(self, hub_id: str, request: Request) -> Response:
        """Make an instance that stays: 201, or 200 when it was there before."""
        if (refusal := self._refusal(hub_id, request)) is not None:
            return refusal
        instance = _read(await request.body(), Instance)
        opened = await self._transcripts.open_instance(instance.agent_id, instance.agent_instance_id)
        return _json(instance, 201 if opened else 200)

    async def health(self) -> Response:
        """200 when Postgres answers."""
        await self._transcripts.ready()
        return JSONResponse({"status": "ok", "hub_id": self._hub_id})

    async def _take(self, hub_id: str, request: Request, *, fresh: bool) -> Response:
        received_at = datetime.now(UTC)
        if (refusal := self._refusal(hub_id, request)) is not None:
            return refusal
        inject = _read_inject(await request.body(), request.headers.get("idempotency-key"))
        said = answer(inject.message, inject.seed_parts, inject.event)
        try:
            output = await self._transcripts.take(inject, fresh, said, received_at)
        except Cancelled:
            return _problem(409, f"execution {inject.execution_id} was cancelled before it came")
        if output is None:
            return _problem(404, f"agent {inject.agent_id} has no instance {inject.agent_instance_id} here")
        return _json({"status": "completed", "output": output})

    def _refusal(self, hub_id: str, request: Request) -> Response | None:
        given = request.headers.get("authorization", "").encode()
        if self._authorization is not None and not hmac.compare_digest(given, self._authorization):
            return _problem(401, "a bearer token is asked for", {"WWW-Authenticate": "Bearer"})
        if hub_id != self._hub_id:
            return _problem(421, f"this is hub {self._hub_id}, not {hub_id}; register it under its own id")
        return None


def create_app(settings: Settings, hub_id: str, token: str | None = None) -> FastAPI:
    """The hub's app. It keeps its tables in `settings.database_schema`, and answers 503 while Postgres is away."""
    transcripts = Transcripts(settings.database_url, settings.database_schema, hub_id)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await transcripts.close()

    app = FastAPI(title="touchline reference hub", lifespan=lifespan)
    hub = Hub(hub_id, token, transcripts)
    prefix = "/api/hub-control/{hub_id}"
    app.add_api_route(f"{prefix}/inject", hub.inject, methods=["POST"])
    app.add_api_route(f"{prefix}/inject-and-create", hub.inject_and_create, methods=["POST"])
    app.add_api_route(f"{prefix}/cancel", hub.cancel, methods=["POST"])
    app.add_api_route(f"{prefix}/instances", hub.open_instance, methods=["POST"])
    app.add_api_route("/health", hub.health, methods=["GET"])
    app.add_exception_handler(InvalidInput, _invalid)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(asyncpg.DataError, _unstorable)
    return app


def _read_inject(body: bytes, key: str | None) -> Inject:
    """The body as an inject. Raises InvalidInput when it is none, or when the key is not its execution's id."""
    inject = _read(body, Inject)
    if key != inject.execution_id:
        raise InvalidInput("Idempotency-Key", "must be given, and be the execution_id of the body")
    return inject


def _read(body: bytes, shape: type[Shape]) -> Shape:
    """The body in this shape. Raises InvalidInput when it has another."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        accepted = ", ".join(shape.__struct_fields__)
        raise InvalidInput("", f"not understood: {error}; accepted: {accepted}") from error


async def _invalid(_: Request, error: Exception) -> Response:
    return _problem(422, str(error))


async def _unavailable(_: Request, error: Exception) -> Response:
    log.warning("postgres_unavailable", error=str(error))
    return _problem(503, str(error), {"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _unstorable(_: Request, error: Exception) -> Response:
    """Text that Postgres cannot hold, such as a NUL character: sending it again would not help."""
    return _problem(422, f"cannot be kept: {error}")


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem detail (RFC 9457)."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "detail": detail})
    return Response(body, status, headers, media_type="application/problem+json")
