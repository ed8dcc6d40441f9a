"""What somebody says of an execution: its agent, that it works, is done or has failed; a user, that it is cancelled.

It is said as a record on `executions`, where everybody hears it, and the order there decides: of two who end an execution the
first one has. So the answer is given after the record is in Postgres, by what the row says then.
"""

import asyncio
import time
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import Caller
from ingest.connections import Connections
from ingest.execution_positions import ExecutionPositions
from ingest.execution_rows import Reported, find_reported, no_execution
from ingest.problems import problem
from ingest.producer import Record
from streams.errors import Unavailable
from streams.execution import FINAL, Execution, Status, encode
from streams.topics import EXECUTIONS, partition_of

PROJECTED_SECONDS = 2.0
"""How long the answer waits for Postgres: twice what the projection may lag, and an agent still waits."""

PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)
"""Between looks for an execution that is not there: its hub may be quicker than the record that says that it is pending."""


async def report(
    connections: Connections,
    positions: ExecutionPositions,
    caller: Caller,
    execution_id: str,
    status: Status,
    *,
    of_trigger: str | None = None,
    output: Any = None,
    error: str | None = None,
) -> Response:
    """Say it: 200 when it holds; 202 when it is on the topic, and Postgres does not show yet what came of it.

    Raises 409 when the execution has ended otherwise, or has been redriven since; 404 when the caller sees none of this id (of
    that trigger); InvalidInput, Unavailable or 413 when nothing was said.
    """
    row = await _find_soon(connections, caller, execution_id, output)
    if of_trigger not in (None, row.trigger_id):
        raise no_execution(execution_id)
    if row.status in FINAL:
        raise _ended(row.status)
    execution = Execution(
        execution_id=execution_id,
        trigger_id=row.trigger_id,
        status=status,
        at_ms=time.time_ns() // 1_000_000,
        event_id=row.event_id,
        workspace=row.workspace,
        hub_id=row.hub_id,
        agent_id=row.agent_id,
        agent_instance_id=row.agent_instance_id,
        accepted_at_ms=round(row.accepted_at.timestamp() * 1000) if row.accepted_at else 0,
        output=output,
        error=error,
        slot=row.slot,
        run=row.run,
    )
    key = row.trigger_id.encode()
    partition = partition_of(key, EXECUTIONS.partitions(connections.settings))
    offset = await connections.producer.place(Record(EXECUTIONS, key, encode(execution)))
    passed = await positions.passed(partition, offset, PROJECTED_SECONDS)
    try:
        row = await find_reported(connections.database, caller, execution_id) or row
    except Unavailable:
        passed = False  # it is on the topic all the same
    answered = judge(row, status, (partition, offset), passed=passed)
    if answered is HTTPStatus.CONFLICT:
        raise _ended(row.status)
    return answer({"execution_id": execution_id, "status": status if answered is HTTPStatus.OK else row.status}, answered)


async def _find_soon(connections: Connections, caller: Caller, execution_id: str, output: Any) -> Reported:
    """The execution, waited for a moment. Raises 404."""
    for pause_seconds in (*PAUSES_SECONDS, None):
        row = await find_reported(connections.database, caller, execution_id, output)
        if row is not None:
            return row
        if pause_seconds is not None:
            await asyncio.sleep(pause_seconds)
    raise no_execution(execution_id)


def judge(row: Reported, said: Status, place: tuple[int, int], *, passed: bool) -> HTTPStatus:
    """What became of a record that said this, and lies there: OK it holds, CONFLICT it does not, ACCEPTED nobody knows yet.

    `row` is the execution's as Postgres has it, `passed` says whether the record is among what made it so.
    """
    if (row.topic_partition, row.topic_offset) == place:
        return HTTPStatus.OK
    if row.status in FINAL:
        return HTTPStatus.CONFLICT
    if not passed:
        return HTTPStatus.ACCEPTED
    # Another word for "it works" is as good; but an end that is no end any more is that of a run before.
    return HTTPStatus.OK if said is Status.RUNNING and row.status is Status.RUNNING else HTTPStatus.CONFLICT


def _ended(status: Status) -> Exception:
    detail = (
        f"the execution is {status} already, and stays so"
        if status in FINAL
        else f"the execution is {status}: it was redriven, and this is about a run before"
    )
    return problem(HTTPStatus.CONFLICT, detail, "execution-ended", execution_status=status)
