"""The application: every route on one set of connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ingest import (
    chmp,
    drafts,
    events,
    executions,
    fire,
    health,
    hubs,
    keys,
    metrics,
    problems,
    sources,
    triggers,
    why,
    workspaces,
)
from ingest.connections import Connections
from streams.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The HTTP API. It serves at once, and says at GET /health what is still missing, Kafka and Postgres included."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        connections = Connections(settings)
        app.state.connections = connections
        app.state.metrics = metrics.Metrics(connections.processes)
        app.state.why_turn = asyncio.Lock()  # one search at a time a process: the event path shares it
        await connections.start()
        try:
            yield
        finally:
            await connections.stop()

    app = FastAPI(title="touchline", lifespan=lifespan, redirect_slashes=False)
    problems.install(app)
    for room in (events, fire, triggers, drafts, chmp, why, hubs, sources, executions, keys, workspaces, health, metrics):
        app.include_router(room.router)
    return app
