"""The route of why: did this event fire this trigger, and why, or why not, clause by clause (`streams/why.py` judges)."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict
from starlette.responses import Response

from ingest.answers import answer
from ingest.authentication import EVERYBODY, TriggersCaller
from ingest.connections import Connected, Connections
from ingest.evidence import Evidence, Place, instant
from ingest.execution_rows import FIELDS, ExecutionPage, list_executions
from ingest.problems import problem
from ingest.record_search import Result, searching
from ingest.trigger_rows import find_trigger
from ingest.validation import Name
from streams.errors import InvalidTrigger, Unavailable
from streams.event import Event, derived_id
from streams.language.scale import Scales
from streams.preparation import describe_event
from streams.trigger import Trigger, parse_condition
from streams.why import Facts, check_condition, judge

router = APIRouter(prefix="/api/v1/why", tags=["why"])


class Question(BaseModel):
    """Which event, which trigger. The rest tells where to search, when the event is not among the last few million."""

    model_config = ConfigDict(extra="forbid")

    event_id: Name
    trigger_id: Name
    source: Name | None = None
    subject: Name | None = None
    around: AwareDatetime | None = None


@router.get("")
async def why(
    request: Request, connections: Connected, caller: TriggersCaller, question: Annotated[Question, Query()]
) -> Response:
    """`{"outcome", "sentence", "checks", "event", "trigger", "execution", …}`; 404 says what was searched."""
    row = await find_trigger(connections.database, caller, question.trigger_id)
    now: Trigger = msgspec.json.decode(msgspec.json.encode(row), type=Trigger)
    async with searching(request.app.state.search_turn, connections.settings) as search:
        evidence = Evidence(connections.settings, search, connections.rows.spread_sources, caller)
        return answer(await _answer(connections, evidence, question, now))


async def _answer(connections: Connections, evidence: Evidence, question: Question, now: Trigger) -> dict[str, Any]:
    execution = await _find_execution(
        connections, now.id, [question.event_id, *_crossing_ids(connections, now, question.event_id)]
    )
    around = question.around or (execution["accepted_at"] if execution else None)
    around_ms = None if around is None else int(around.timestamp() * 1000)
    result = await evidence.find_event(question.event_id, question.source, question.subject, around_ms)
    if not result.found:
        raise _no_event(question, evidence, result, execution, around)
    place = min(result.found, key=lambda one: (one.event.workspace != now.workspace, one.offset))
    event = place.event
    scales = _scales(connections, now.workspace)
    then = await evidence.row_then(now, event)
    existed = now.created_at is None or datetime.fromisoformat(now.created_at) <= instant(event.accepted_at_ms)
    judged = then or now
    facts = Facts(enabled_now=now.enabled, existed=existed, enabled=then.enabled if then else None, execution=execution)
    facts = await _recorded(connections, evidence, event, judged, facts)
    verdict = judge(event, judged, facts, scales)
    as_now = None if judged is now else check_condition(event, now, facts, scales)
    return {
        "outcome": verdict.outcome,
        "sentence": verdict.sentence,
        "checks": verdict.checks,
        "event": _described(place),
        "trigger": {name: getattr(now, name) for name in ("id", "name", "workspace", "enabled", "created_at", "updated_at")},
        "judged_by": "the row as it was then" if then else "the row as it is now",
        "checks_now": as_now,
        "execution": facts.execution,
        "crossing": None if facts.crossing is None else describe_event(facts.crossing),
        "searched": {"records": evidence.search.records},
    }


async def _recorded(connections: Connections, evidence: Evidence, event: Event, judged: Trigger, facts: Facts) -> Facts:
    """The facts with what lies on the topics, and in Postgres, from the event on."""
    concerned = event
    if not event.watch:
        for crossing_id in _crossing_ids(connections, judged, event.id):
            crossing = await evidence.find_crossing(crossing_id, event)
            facts = facts._replace(crossings_searched=crossing.complete)
            if crossing.found:
                concerned = crossing.found[0]
                facts = facts._replace(crossing=concerned)
    if facts.execution is None:
        facts = facts._replace(execution=await _find_execution(connections, judged.id, [concerned.id]))
    if facts.execution is not None:
        return facts._replace(fired=True)
    facts = facts._replace(fired=await evidence.has_fired(judged.id, concerned))
    if facts.fired and judged.one_shot:
        facts = facts._replace(spent_by=await _last_execution(connections, judged.id))
    return facts


def _scales(connections: Connections, workspace: str) -> Scales:
    row = connections.rows.workspaces.get(workspace)
    return {} if row is None else row.scales


def _crossing_ids(connections: Connections, trigger: Trigger, event_id: str) -> list[str]:
    """The id of the crossing this event would cause, if the trigger has a watch."""
    try:
        watch = parse_condition(trigger, _scales(connections, trigger.workspace)).watch
    except InvalidTrigger:
        return []
    return [] if watch is None else [derived_id("crossing", watch.id, event_id)]


async def _find_execution(connections: Connections, trigger_id: str, event_ids: list[str]) -> dict[str, Any] | None:
    execution_ids = [derived_id("execution", trigger_id, event_id) for event_id in event_ids]
    async with connections.database.transaction() as connection:
        row = await connection.fetchrow(
            f"SELECT {FIELDS} FROM executions WHERE execution_id = ANY($1::text[])",  # noqa: S608 -- columns of our own
            execution_ids,
        )
    return None if row is None else dict(row)


async def _last_execution(connections: Connections, trigger_id: str) -> str | None:
    rows = await list_executions(connections.database, EVERYBODY, ExecutionPage(limit=1), trigger_id)
    return rows[0]["execution_id"] if rows else None


def _described(place: Place) -> dict[str, Any]:
    event = place.event
    return describe_event(event) | {
        "workspace": event.workspace or None,
        "accepted_at": instant(event.accepted_at_ms),
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
    }


def _no_event(
    question: Question, evidence: Evidence, result: Result[Place], execution: dict[str, Any] | None, around: datetime | None
) -> Exception:
    search = evidence.search
    if not search.records and not result.complete:
        return Unavailable("Kafka did not answer in time, so the event could not be searched for; try again")
    where = "around the time given" if question.around else "around its execution" if around else "on events and crossings"
    what = f"there is no event {question.event_id} among the {search.records} records {where}"
    if question.source is not None:
        what += f" in the partition of {question.source}"
    if not result.complete and search.oldest_ms is not None:
        since = datetime.fromtimestamp(search.oldest_ms / 1000, UTC).isoformat(timespec="seconds")
        what += f" (there are more, from before {since}); give source, subject or around to look there"
    else:
        what += "; it was never accepted, lies elsewhere, or has expired: events are kept for 7 days"
    if execution is not None:
        what += f". It fired: execution {execution['execution_id']} is {execution['status']}"
    searched = {"records": search.records, "complete": result.complete}
    return problem(HTTPStatus.NOT_FOUND, what, "no-such-event", searched=searched)
