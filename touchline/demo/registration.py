"""What the demo tells a running installation before it begins: its hub, its source, and its three triggers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import structlog

from connectors.feeds import sports_feed
from streams.errors import TouchlineError, Unavailable
from streams.trigger import Trigger, parse_condition

HUB_ID = "local"
"""The reference hub of `touchline up`."""
TEAM = "Argentina"
SYMBOL, THRESHOLD_USD = "AAPL", 100

log = structlog.get_logger()

FRESH_INSTANCE = "commentator-{run_id}"
"""Every firing has an instance of its own, so each is an inject-and-create."""


class Registered(NamedTuple):
    """The ids of the three triggers, and the watch that the third one implies."""

    goals: str
    team_goals: str
    crossings: str
    watch: str


@asynccontextmanager
async def registered(client: httpx.AsyncClient, hub_url: str, run_id: str) -> AsyncIterator[Registered]:
    """Register all, and delete the triggers at the end. Their names and workspace are this run's own.

    The workspace is too because a watch belongs to one: a run that was broken off while the price was below the
    threshold must not lend its side to the next. Raises TouchlineError when the installation refuses something.
    """
    await _call(client, "POST", "/api/v1/hubs", {"hub_id": HUB_ID, "base_url": hub_url})
    await _call(client, "PUT", f"/api/v1/sources/{sports_feed.SOURCE}", {"spread": "subject"})
    ids: list[str] = []
    try:
        for row in trigger_rows(run_id):
            created = await _call(client, "POST", "/api/v1/triggers", row)
            ids.append(created["id"])
        goals, team_goals, crossings = ids
        yield Registered(goals, team_goals, crossings, watch_id(run_id))
    finally:
        for trigger_id in ids:
            try:
                await _call(client, "DELETE", f"/api/v1/triggers/{trigger_id}")
            except TouchlineError as error:  # whether the sums balance is known by now, and is what is to be told
                log.warning("trigger_left", trigger_id=trigger_id, reason=str(error))


def trigger_rows(run_id: str) -> list[dict[str, Any]]:
    """The three rows of one run: every goal, one team's goals, and the price that reaches the threshold. Pure."""
    shared = {
        "workspace": workspace(run_id),
        "agent_id": "commentator",
        "agent_instance_id": FRESH_INSTANCE,
        "hub_id": HUB_ID,
        "schedule_type": "event",
    }
    goal = f"{sports_feed.SOURCE}:goal"
    return [
        shared
        | {"name": f"demo {run_id} goals", "schedule_expression": goal, "supervisor_message": "A goal was scored; call it."},
        shared
        | {
            "name": f"demo {run_id} goals of {TEAM}",
            "schedule_expression": goal,
            "match_filter": {"team": TEAM},
            "supervisor_message": f"{TEAM} scored; call it.",
        },
        shared
        | {
            "name": f"demo {run_id} {SYMBOL} reaches {THRESHOLD_USD}",
            "schedule_expression": "stocks:price_cross_above",
            "match_filter": {"symbol": SYMBOL, "price": {"gte": THRESHOLD_USD}},
            "supervisor_message": f"{SYMBOL} reached {THRESHOLD_USD}; tell the desk.",
        },
    ]


def workspace(run_id: str) -> str:
    """The workspace of one run, of its triggers and of its events."""
    return f"demo-{run_id}"


def watch_id(run_id: str) -> str:
    """The id of the watch that the third trigger implies: crossings carry it."""
    row = trigger_rows(run_id)[-1]
    watch = parse_condition(Trigger(id="", **row)).watch
    assert watch is not None, "a trigger on a crossing implies a watch"  # noqa: S101 -- for mypy: the row above is one
    return watch.id


async def _call(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    """One call of the API; its JSON answer. Raises TouchlineError when it is refused, or not live in every process in time."""
    try:
        answer = await client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise Unavailable(f"{method} {path} was not answered: {error!r}") from error
    if not answer.is_success:
        raise TouchlineError(f"{method} {path} was answered with {answer.status_code}: {answer.text}")
    if answer.status_code == httpx.codes.ACCEPTED:
        raise Unavailable(f"{method} {path} is not live in every process yet; GET /health says which one is missing")
    return answer.json() if answer.content else None
