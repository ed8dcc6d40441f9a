"""`GET /health`: ready when every stage really works, and otherwise what is missing, by name."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from ingest.answers import answer
from ingest.connections import Connected, Connections
from ingest.problems import problem
from streams.errors import Unavailable
from streams.topics import TOPICS

router = APIRouter(tags=["operations"])

ANSWER_SECONDS = 2.0
"""How long Kafka and Postgres may take to answer: whoever asks wants to know now."""
PARTITIONED = ("detect", "match", "gate", "dispatch")
"""The worker's stages: each holds every partition somewhere."""
CONNECTED = ("rows_out", "executions_in")
"""The connector's stages: each runs somewhere."""


@router.get("/health")
async def health(connections: Connected) -> Response:
    """200 when an event that comes in now goes all the way; 503 naming the stages that are missing."""
    kafka, postgres = await asyncio.gather(_kafka(connections), _postgres(connections))
    stages = {"kafka": kafka, "postgres": postgres, "ingest": _ingest(connections)}
    stages |= {stage: _partitioned(connections, stage) for stage in PARTITIONED}
    stages |= {stage: _connected(connections, stage) for stage in CONNECTED}
    if missing := {stage: state for stage, state in stages.items() if state != "ok"}:
        detail = "; ".join(f"{stage}: {state}" for stage, state in missing.items())
        raise problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, "not-ready", stages=stages, headers={"Retry-After": "1"})
    return answer({"status": "ok", "stages": stages})


async def _kafka(connections: Connections) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            cluster = await connections.producer.metadata()
    except (Unavailable, TimeoutError) as error:
        return f"no answer {error}".strip()
    names = {topic.name: topic.full_name(connections.settings) for topic in TOPICS}
    missing = [name for name, full_name in names.items() if full_name not in cluster.topics()]
    return f"topics {', '.join(missing)} are missing; run: touchline topics create" if missing else "ok"


async def _postgres(connections: Connections) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS), connections.database.connection() as connection:
            await connection.execute("SELECT FROM jobs, hubs, sources, executions, workspaces, api_keys LIMIT 0")
    except (Unavailable, TimeoutError) as error:
        return f"no answer {error}".strip()
    return "ok"


def _ingest(connections: Connections) -> str:
    missing = connections.missing()
    return f"not begun: {', '.join(missing)}" if missing else "ok"


def _partitioned(connections: Connections, stage: str) -> str:
    held = {number for word in connections.processes.proven("worker") for number in word.stages.get(stage, ())}
    missing = sorted(set(range(connections.settings.partitions)) - held)
    return f"no worker holds partitions {_shortened(missing)}" if missing else "ok"


def _connected(connections: Connections, stage: str) -> str:
    return (
        "ok" if any(stage in word.stages for word in connections.processes.proven("connect")) else "no connect process runs it"
    )


def _shortened(numbers: Iterable[int]) -> str:
    first, *rest = [*numbers]
    return f"{first} to {rest[-1]}" if len(rest) > 7 and rest[-1] - first == len(rest) else ", ".join(map(str, (first, *rest)))
