"""Running the demo: the recording goes in at one end, and what comes out at the other must balance."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from rich.console import Console

from connectors.feeds.prices import Prices
from connectors.feeds.publisher import HttpPublisher, KafkaPublisher
from connectors.feeds.sports_feed import SportsFeed
from streams.settings import Settings
from touchline.addresses import Addresses
from touchline.demo.balance import Line, Truth, balance
from touchline.demo.closes import load_closes, upward_crossings
from touchline.demo.heard import Heard
from touchline.demo.registration import TEAM, THRESHOLD_USD, Registered, registered, workspace
from touchline.demo.replay import Replay
from touchline.demo.serving import served
from touchline.demo.stages import Stages
from touchline.demo.tally import Tally
from touchline.demo.tournament import load_tournament
from touchline.demo.view import Moment, View, print_summary, view_on

REPLAY_SECONDS = 30.0
"""How long the whole tournament takes unless a speed is given: long enough to watch, short enough to wait for."""
POLL_SECONDS = 0.05
"""How often the producers poll the replay: at the default speed about every 18 minutes of play."""
SETTLE_SECONDS = 45.0
"""How long the stages may take after the last whistle: a worker killed at the end has time to be replaced and recover."""
LOOK_SECONDS = 0.25
"""How often the view is drawn and the sums are looked at."""


class Demo:
    """One run. `truth` follows from the recording alone; all else is observed."""

    def __init__(self, replay: Replay, truth: Truth, stages: Stages, heard: Heard, triggers: Registered) -> None:
        self._replay = replay
        self._truth = truth
        self._stages = stages
        self._heard = heard
        self._triggers = triggers
        self.tally = Tally(triggers.watch)

    async def play(self, view: View, settle_seconds: float) -> Moment:
        """Show what happens until all is balanced and nothing is left to read, or the deadline; the last moment."""
        self._replay.begin()
        settled_by = float("inf")
        while True:
            moment = await self._look()
            view.show(moment)
            if self._replay.progress >= 1:
                settled_by = min(settled_by, time.monotonic() + settle_seconds)
                read_all = moment.lag_records and not any(moment.lag_records.values())
                if read_all and all(line.balances for line in await self.lines()):
                    return moment
            if time.monotonic() > settled_by:
                return moment
            await asyncio.sleep(LOOK_SECONDS)

    async def lines(self) -> list[Line]:
        """The sums as they stand."""
        return balance(self._truth, self._triggers, self.tally, await self._heard.injects())

    async def _look(self) -> Moment:
        counts = {
            "events": len(self.tally.events),
            "crossings": len(self.tally.crossings),
            "firings": self._of_triggers(self.tally.firings),
            "executions": self._of_triggers(self.tally.completed),
            "failed": self._of_triggers(self.tally.failed),
        }
        lag_records = await self._stages.lag_records()
        return Moment(self._replay.progress, self._replay.instant, counts, lag_records, list(self.tally.last_goals))

    def _of_triggers(self, ids: dict[str, set[str]]) -> int:
        asked = (self._triggers.goals, self._triggers.team_goals, self._triggers.crossings)
        return sum(len(ids.get(trigger_id, ())) for trigger_id in asked)


async def run(
    addresses: Addresses,
    settings: Settings,
    speed: float | None = None,
    settle_seconds: float = SETTLE_SECONDS,
    console: Console | None = None,
) -> int:
    """Run the demo against a running installation; 0 when every sum balances, else 1.

    `speed` is how many times faster than real play matches go; None plays them all in REPLAY_SECONDS. Raises
    TouchlineError when the installation refuses what the demo registers.
    """
    settings = settings.model_copy(update={"kafka_bootstrap_servers": addresses.kafka, "database_url": addresses.database})
    console = console or Console()
    run_id = uuid.uuid4().hex[:8]
    tournament, closes = load_tournament(), load_closes()
    truth = Truth(tournament.goals, tournament.goals_of(TEAM), len(closes), upward_crossings(closes, THRESHOLD_USD))
    replay = Replay(tournament, closes, speed or tournament.playing / timedelta(seconds=REPLAY_SECONDS))
    async with AsyncExitStack() as stack:
        # No proxy from the environment: all that is called is this installation and the replay.
        client = httpx.AsyncClient(base_url=addresses.api, timeout=settings.hub_timeout_seconds, trust_env=False)
        api = await stack.enter_async_context(client)
        stages = await stack.enter_async_context(Stages(settings))
        triggers = await stack.enter_async_context(registered(api, addresses.hub, run_id))
        heard = await stack.enter_async_context(Heard(settings, triggers[:3]))
        demo = Demo(replay, truth, stages, heard, triggers)
        url = await stack.enter_async_context(served(replay.app()))
        kafka = await stack.enter_async_context(KafkaPublisher(settings, workspace=workspace(run_id)))
        http = HttpPublisher(api, addresses.api, api_key=settings.api_key, workspace=workspace(run_id))
        sports = SportsFeed(http, api, f"{url}/games", run_id, POLL_SECONDS)
        stocks = Prices(kafka, api, f"{url}/prices", run_id, POLL_SECONDS)
        async with _beside(stages.count_into(demo.tally), sports.run(), stocks.run()):
            with view_on(console) as view:
                moment = await demo.play(view, settle_seconds)
        lines = await demo.lines()
        print_summary(console, lines, moment, await heard.latency(demo.tally.accepted_at_ms))
    return 0 if all(line.balances for line in lines) else 1


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on beside a block and ends with it. When one of it fails, so does the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()
