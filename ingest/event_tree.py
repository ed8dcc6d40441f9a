"""The route of event trees: what one event caused, as far as it went (`cascade.py` puts it together).

Its executions stand in Postgres, each with its lineage, and are all there is to the tree but for the events that fired nobody
and what an event is called. Those lie on topics that have no index, and are searched for within a bound of time; the answer
says whether that was enough. Without Kafka, or with `search=false`, the executions are the answer.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import Caller, ExecutionsCaller
from ingest.cascade import Cascade, sizes
from ingest.connections import Connected, Connections
from ingest.evidence import Evidence, Place
from ingest.problems import problem
from ingest.record_search import RecordSearch, Result, searching
from ingest.validation import Name
from streams.errors import InvalidInput, Unavailable
from streams.event import Event
from streams.workspace import DEFAULT_WORKSPACE

router = APIRouter(prefix="/api/v1/events", tags=["events"])

NODES_LIMIT = 1_000
"""Executions of one answer, and events: what people can look through, in half a MiB."""


class Question(BaseModel):
    """`root` asks for the whole tree that the event is part of. `workspace` chooses, where ids were given in several.

    `source`, `subject` and `around` tell where the event lies, when it fired nobody and is not among the last few million.
    """

    model_config = ConfigDict(extra="forbid")

    root: bool = False
    workspace: Name | None = None
    search: bool = True
    source: Name | None = None
    subject: Name | None = None
    around: AwareDatetime | None = None


class Origin(NamedTuple):
    """Where a tree belongs, and the event it began with."""

    workspace: str
    root_event_id: str


class Sight(NamedTuple):
    """The events of a tree that were seen on the topics, whether that is all, and how many records were looked at."""

    events: list[Event]
    complete: bool
    records: int


NOTHING = Sight([], complete=False, records=0)
Row = dict[str, Any]


@router.get("/{event_id:path}/tree")
async def tree(
    event_id: str, request: Request, connections: Connected, caller: ExecutionsCaller, question: Annotated[Question, Query()]
) -> Response:
    """`{"tree", "detached", "executions", "events", …}` below the event, crossing or execution of that id; 404 for none."""
    if question.workspace is not None:
        caller = Caller(caller.workspace_of({"workspace": question.workspace}), caller.scopes)
    origin = await _fired(connections, caller, event_id)
    rows = [] if origin is None else await _executions(connections, origin, event_id)
    sight = NOTHING
    try:
        if question.search:
            async with searching(request.app.state.search_turn, connections.settings) as search:
                if origin is None:
                    origin, seen = await _find(connections, search, caller, event_id, question)
                    rows = await _executions(connections, origin, event_id)
                    since_ms = seen[0].accepted_at_ms
                else:
                    seen, since_ms = [], _since_ms(rows, None if question.root else event_id)
                evidence = _evidence(connections, search, Caller(origin.workspace, caller.scopes))
                result = await evidence.find_tree(origin.root_event_id, since_ms, NODES_LIMIT)
                sight = Sight([*seen, *(place.event for place in result.found)], result.complete, search.records)
    except Unavailable:
        if not rows:
            raise
    if origin is None:
        detail = f"no execution has to do with an event {event_id}; without search=false the topics are looked through"
        raise problem(HTTPStatus.NOT_FOUND, detail, "no-such-event")
    return answer(_told(event_id, question, origin, rows, sight))


async def _fired(connections: Connections, caller: Caller, node_id: str) -> Origin | None:
    """The tree that an event or an execution is part of, by what is known of executions. Raises InvalidInput for several."""
    async with connections.database.transaction() as connection:
        found = await connection.fetch(
            "SELECT DISTINCT workspace, lineage ->> 'root_event_id' AS root_event_id FROM executions"
            " WHERE (event_id = $1 OR execution_id = $1 OR lineage ->> 'root_event_id' = $1)"
            " AND lineage ->> 'root_event_id' IS NOT NULL AND ($2::text IS NULL OR workspace = $2)",
            node_id,
            caller.workspace,
        )
    origins = [Origin(*row) for row in found]
    workspaces = sorted({origin.workspace for origin in origins})
    if len(workspaces) > 1:
        raise InvalidInput("workspace", f"must say which: the id {node_id} was given in {', '.join(workspaces)}")
    return min(origins, key=lambda origin: (origin.root_event_id != node_id, origin), default=None)


async def _executions(connections: Connections, origin: Origin, node_id: str) -> list[Row]:
    """The executions of a tree: those of the node asked for, then the others, oldest first; one more than an answer holds."""
    async with connections.database.transaction() as connection:
        rows = await connection.fetch(
            "SELECT execution_id, trigger_id, jobs.name AS trigger_name, executions.agent_id, event_id, status, error, lineage,"
            " accepted_at, executions.created_at, finished_at"
            " FROM executions LEFT JOIN jobs ON jobs.id = trigger_id"
            " WHERE executions.workspace = $1 AND lineage ->> 'root_event_id' = $2"
            " ORDER BY $3 NOT IN (event_id, execution_id), executions.created_at, execution_id LIMIT $4",
            origin.workspace,
            origin.root_event_id,
            node_id,
            NODES_LIMIT + 1,
        )
    return [dict(row) for row in rows]


def _since_ms(rows: list[Row], node_id: str | None) -> int:
    """When the event was accepted that was asked for, or, with None, the first one; Unix milliseconds, 0 when nobody knows."""
    accepted: list[datetime] = [
        row["accepted_at"]
        for row in rows
        if row["accepted_at"] is not None and (node_id is None or node_id in (row["event_id"], row["execution_id"]))
    ]
    if not accepted and node_id is not None:  # it is the first one, and fired by its crossings alone
        return _since_ms(rows, None)
    return int(min(accepted).timestamp() * 1000) if accepted else 0


def _evidence(connections: Connections, search: RecordSearch, caller: Caller) -> Evidence:
    return Evidence(connections.settings, search, connections.rows.spread_sources, caller)


async def _find(
    connections: Connections, search: RecordSearch, caller: Caller, event_id: str, question: Question
) -> tuple[Origin, list[Event]]:
    """An event that fired nobody itself, and its tree. Raises problem 404, and Unavailable when nothing could be read."""
    around_ms = None if question.around is None else int(question.around.timestamp() * 1000)
    evidence = _evidence(connections, search, caller)
    result = await evidence.find_event(event_id, question.source, question.subject, around_ms)
    if not result.found:
        raise _no_event(event_id, result, search.records)
    place = min(result.found, key=lambda place: place.offset)
    return Origin(place.event.workspace or DEFAULT_WORKSPACE, evidence.root_of(place)), [place.event]


def _no_event(event_id: str, result: Result[Place], records: int) -> Exception:
    if not records and not result.complete:
        return Unavailable("Kafka did not answer in time, so the event could not be searched for; try again")
    more = "give source, subject or around to look among the others"
    if result.complete:
        more = "it was never accepted, lies elsewhere, or has expired: events are kept for 7 days"
    detail = f"no execution has to do with an event {event_id}, nor is it among the {records} records looked at; {more}"
    searched = {"records": records, "complete": result.complete}
    return problem(HTTPStatus.NOT_FOUND, detail, "no-such-event", searched=searched)


def _told(node_id: str, question: Question, origin: Origin, rows: list[Row], sight: Sight) -> dict[str, Any]:
    cascade = Cascade(origin.root_event_id, sorted(rows[:NODES_LIMIT], key=lambda row: row["created_at"]), sight.events)
    shown = cascade.root if question.root else cascade.below(node_id) or cascade.root
    events, executions = sizes([shown, *cascade.detached])
    return {
        "event_id": node_id,
        "root_event_id": origin.root_event_id,
        "workspace": origin.workspace,
        "tree": shown,
        "detached": cascade.detached,
        "executions": {"count": executions, "complete": len(rows) <= NODES_LIMIT},
        "events": {"count": events, "complete": sight.complete, "records_searched": sight.records},
    }
