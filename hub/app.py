"""The reference hub over HTTP: what touchline calls to put a message in front of an agent (SPEC 5 and 7)."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from hub.agent import answer
from hub.transcripts import Transcripts
from streams.errors import InvalidInput, Unavailable
from streams.execution import Inject
from streams.settings import Settings

RETRY_AFTER_SECONDS = 1
"""Told to a sender while Postgres is away: a restart takes about that long."""

log = structlog.get_logger()
_decode = msgspec.json.Decoder(Inject).decode


class Instance(msgspec.Struct):
    """Body of `POST .../instances`: the agent's instance to make."""

    agent_id: str
    agent_instance_id: str


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

    async def open_instance(self, hub_id: str, request: Request) -> Response:
        """Make an instance that stays: 201, or 200 when it was there before."""
        if (refusal := self._refusal(hub_id, request)) is not None:
            return refusal
        try:
            instance = msgspec.json.decode(await request.body(), type=Instance)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _problem(422, f"not an instance: {error}; agent_id and agent_instance_id are accepted")
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
        output = await self._transcripts.take(inject, fresh, said, received_at)
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
    app.add_api_route(f"{prefix}/instances", hub.open_instance, methods=["POST"])
    app.add_api_route("/health", hub.health, methods=["GET"])
    app.add_exception_handler(InvalidInput, _invalid)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(asyncpg.DataError, _unstorable)
    return app


def _read_inject(body: bytes, key: str | None) -> Inject:
    """The body as an inject. Raises InvalidInput when it is none, or when the key is not its execution's id."""
    try:
        inject = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput("", f"not an inject: {error}") from error
    if key != inject.execution_id:
        raise InvalidInput("Idempotency-Key", "must be given, and be the execution_id of the body")
    return inject


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
