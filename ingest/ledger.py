"""`GET /api/v1/ledger`: what became of every record, and whether it adds up (streams/ledger says what must)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import AdminCaller
from ingest.connections import Connected, Connections
from ingest.ledger_book import LedgerBook
from ingest.problems import problem
from ingest.validation import Name
from streams.errors import Unavailable
from streams.ledger.balance import Observed, Projected, Report, report

router = APIRouter(prefix="/api/v1/ledger", tags=["operations"])

WORKSPACES_SHOWN = 100
"""Workspaces in one answer, those with the most records; any other can be asked for by its name."""

_POSITIONS = "SELECT topic_partition, next_offset FROM execution_positions"
_COUNTS = "SELECT workspace, status, sum(executions)::bigint AS executions FROM execution_counts GROUP BY workspace, status"


class Question(BaseModel):
    """Of the whole installation, or of one workspace."""

    model_config = ConfigDict(extra="forbid")

    workspace: Name | None = None


@router.get("")
async def ledger(
    request: Request, connections: Connected, caller: AdminCaller, question: Annotated[Question, Query()]
) -> Response:
    """`{"balanced", "faults", "stages", "executions", "workspaces"}`, or one workspace's `stages` and `executions`."""
    workspace = question.workspace or caller.workspace
    if workspace is not None and not caller.sees(workspace):
        detail = f"workspace: the key belongs to {caller.workspace}, not to {workspace}"
        raise problem(HTTPStatus.FORBIDDEN, detail, "other-workspace")
    observed = await observe(connections, book_of(request))
    found = report(observed)
    if workspace is not None:
        statuses = _statuses(observed.projected, workspace)
        return answer({"workspace": workspace, "stages": found.workspaces.get(workspace, {}), "executions": statuses})
    found.workspaces = {name: found.workspaces[name] for name in largest(found, WORKSPACES_SHOWN)}
    return answer(found)


async def observe(connections: Connections, book: LedgerBook) -> Observed:
    """Look at the accounts, at Postgres, at the accounts again, and at the topics, in the order that `Observed` asks for.

    Raises Unavailable when Kafka does not answer.
    """
    before = await book.accounts()
    projected = await _projected(connections, await book.execution_spans())
    return Observed(before, projected, await book.accounts(), await book.spans())


def book_of(request: Request) -> LedgerBook:
    """This application's book."""
    found: LedgerBook = request.app.state.ledger_book
    return found


def largest(found: Report, most: int) -> list[str]:
    """The workspaces with the most records, by name; at most so many."""

    def records(name: str) -> int:
        return sum(sum(stage["outcomes"].values()) for stage in found.workspaces[name].values())

    return sorted(found.workspaces, key=lambda name: (-records(name), name))[:most]


async def _projected(connections: Connections, spans: Mapping[int, tuple[int, int]]) -> Projected | None:
    """None while Postgres does not answer."""
    try:
        async with connections.database.transaction() as connection:
            # The positions first: all that lies before them is in the counts, which are read after.
            positions = {row["topic_partition"]: row["next_offset"] for row in await connection.fetch(_POSITIONS)}
            executions = {(row["workspace"], row["status"]): row["executions"] for row in await connection.fetch(_COUNTS)}
    except Unavailable:
        return None
    under_way = sum(max(0, end - max(begin, positions.get(number, 0))) for number, (begin, end) in spans.items())
    vanished = {number: max(0, begin - positions.get(number, 0)) for number, (begin, _) in spans.items()}
    return Projected(executions, under_way, vanished)


def _statuses(projected: Projected | None, workspace: str) -> dict[str, Any] | None:
    if projected is None:
        return None
    return {status: executions for (name, status), executions in projected.executions.items() if name == workspace}
