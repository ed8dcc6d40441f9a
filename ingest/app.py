"""The application: every route on one set of connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ingest import (
    chmp,
    dead_letters,
    drafts,
    event_tree,
    events,
    executions,
    fire,
    health,
    hubs,
    keys,
    ledger,
    metrics,
    problems,
    sources,
    triggers,
    why,
    workspaces,
)
from ingest.connections import Connections
from ingest.execution_positions import ExecutionPositions
from ingest.front_door import FrontDoor
from ingest.ledger_book import LedgerBook
from streams.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The HTTP API. It serves at once, and says at GET /health what is still missing, Kafka and Postgres included."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        connections = Connections(settings)
        app.state.connections = connections
        app.state.execution_positions = ExecutionPositions(connections.database)
        app.state.metrics = metrics.Metrics(connections.processes)
        app.state.ledger_book = LedgerBook(settings)
        app.state.search_turn = asyncio.Lock()  # one search at a time a process: the event path shares it
        await connections.start()
        try:
            yield
        finally:
            await app.state.ledger_book.stop()
            await connections.stop()

    app = FrontDoor(title="touchline", lifespan=lifespan, redirect_slashes=False)
    problems.install(app)
    doors = events, fire, triggers, drafts, chmp
    views = why, event_tree, executions, dead_letters, hubs, sources, keys, workspaces, ledger, health, metrics
    for room in (*doors, *views):
        app.include_router(room.router)
    return app
