"""Running the torture: start everything, feed it, hurt it, let it come to rest, and judge."""

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import stamina
from aiokafka.errors import KafkaError
from rich.console import Console

from streams.errors import StackError
from streams.settings import Settings
from touchline.installation import Installation
from touchline.torture.api import Api
from touchline.torture.asks import HUB_ID, Ask, plan_asks
from touchline.torture.deliveries import Deliveries
from touchline.torture.doors import Accepted, Door, HttpDoor, KafkaDoor
from touchline.torture.feed import HTTP, KAFKA, SPREAD_SOURCES, Fact, plan_feed
from touchline.torture.history import FILE_NAME, History
from touchline.torture.hub_process import HubProcess
from touchline.torture.lag import lag_records
from touchline.torture.plan import Fault, plan_faults
from touchline.torture.report import figures, print_report
from touchline.torture.saboteur import Saboteur
from touchline.torture.sender import Sender
from touchline.torture.switches import Cycle, Switches, plan_cycles
from touchline.torture.tables import GONE, read_tables
from touchline.torture.topic_log import read_topics
from touchline.torture.truth import Truth
from touchline.torture.verdict import UNACCOUNTED, UNEXPECTED, Evidence, Finding, Verdict
from touchline.up import INTERRUPTED, running, stopped_by_signals

HUB_ENVIRONMENT = {
    "TOUCHLINE_HUB_ATTEMPTS": "1000",
    "TOUCHLINE_HUB_TIMEOUT_SECONDS": "2",
    "TOUCHLINE_HUB_BACKOFF_CAP_SECONDS": "2",
}
"""A hub that is silent for a while must not make dead letters: they would be right, and hide what is wrong."""
SERVERS = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
CREATED_AT_ONCE = 16
"""Calls that create triggers, side by side."""
SETTLE_SECONDS = 180.0
"""How long what was accepted may take to arrive after the last fault: a session time-out, a recovery, a backlog."""
LOOK_SECONDS = 0.5
PASSING = (KafkaError, *GONE)
"""What a broker and a database that are just coming back raise."""


def prepare_environment() -> None:
    """Set this process's environment for the run, which the processes it starts inherit, and what it hears of its clients.

    The broker and the database are always embedded ones: nobody else's are to be killed.
    """
    for name in SERVERS:
        os.environ.pop(name, None)
    os.environ.update(HUB_ENVIRONMENT)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is no news here
    stamina.instrumentation.set_on_retry_hooks([])


def run(settings: Settings, data_directory: Path | None, seconds: float, seed: int, workers: int) -> int:
    """Run the torture in an empty data directory; 0 when nothing was found, else 1.

    A temporary directory (None) is removed when nothing was found. Raises StackError when it cannot be started,
    TouchlineError when the installation refuses what is registered.
    """
    directory = data_directory or Path(tempfile.mkdtemp(prefix="touchline-torture-"))
    if directory.exists() and any(directory.iterdir()):
        raise StackError(f"{directory} is not empty; choose another --data-dir, or none for a temporary one")
    directory.mkdir(parents=True, exist_ok=True)
    with stopped_by_signals():
        code = _run_in(directory, settings, Plan.of(seed, seconds, workers), workers)
        if code == 0 and data_directory is None:
            shutil.rmtree(directory)
        else:
            print(f"the history is in {directory / FILE_NAME}")
        return code
    return INTERRUPTED


def _run_in(directory: Path, settings: Settings, plan: "Plan", workers: int) -> int:
    history = History(directory)
    hub = HubProcess(directory, history.say)
    try:
        hub.start()
        with running(settings, directory, 0, workers, history.say) as installation:
            return asyncio.run(Torture(installation, settings, hub, history).run(plan))
    finally:
        hub.stop()
        history.close()


class Plan(NamedTuple):
    """All that a seed says."""

    seed: int
    seconds: float
    facts: list[Fact]
    asks: list[Ask]
    faults: list[Fault]
    cycles: list[Cycle]

    @classmethod
    def of(cls, seed: int, seconds: float, workers: int) -> "Plan":
        """The plan of a run."""
        facts = plan_feed(seed, seconds)
        return cls(seed, seconds, facts, plan_asks(seed, facts), plan_faults(seed, seconds, workers), plan_cycles(seconds))


class Torture:
    """One run against a running installation."""

    def __init__(self, installation: Installation, settings: Settings, hub: HubProcess, history: History) -> None:
        addresses = installation.addresses
        self._settings = settings.model_copy(
            update={"kafka_bootstrap_servers": addresses.kafka, "database_url": addresses.database}
        )
        self._hub = hub
        self._history = history
        self._api = Api(addresses.api, history)
        self._accepted = Accepted(history)
        self._deliveries = Deliveries(hub.deliveries_path)
        self._saboteur = Saboteur(installation.pids, hub, history)

    async def run(self, plan: Plan) -> int:
        """Do it; the exit code."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._api.close)
            kafka = KafkaDoor(self._settings, self._accepted, self._history)
            await kafka.start()
            stack.push_async_callback(kafka.stop)
            doors: dict[str, Door] = {HTTP: HttpDoor(self._api, self._accepted), KAFKA: kafka}
            asks = await self._register(plan)
            switches = Switches(self._api, doors, self._deliveries, self._history)
            await self._hurt(plan, asks, doors, switches)
            truth = Truth.of(plan.facts, asks, switches, self._accepted.at_ms)
            evidence = await self._gather()
            ledger = (await self._api.ask("GET", "/api/v1/ledger")).json()
        findings = self._judge(plan, truth, evidence, switches)
        findings += [Finding(UNACCOUNTED, f"by the ledger: {fault['sentence']}", 0, fault) for fault in ledger["faults"]]
        for finding in findings:
            self._history.write("finding", **finding._asdict())
        self._history.append(self._hub.deliveries_path, "delivery")
        began_at_ms = self._history.began_at_ms
        print_report(Console(), figures(truth, evidence, self._saboteur.done), findings, began_at_ms, self._saboteur.done)
        return 1 if findings else 0

    async def _register(self, plan: Plan) -> dict[str, Ask]:
        """The hub, the sources, and every trigger of the plan by the id it got."""
        await self._api.ask("POST", "/api/v1/hubs", {"hub_id": HUB_ID, "base_url": self._hub.base_url})
        for source in sorted(SPREAD_SOURCES):
            await self._api.ask("PUT", f"/api/v1/sources/{source}", {"spread": "subject"})
        free = asyncio.Semaphore(CREATED_AT_ONCE)

        async def create(ask: Ask) -> str:
            async with free:
                return await self._api.create_trigger(ask.row)

        ids = await asyncio.gather(*[create(ask) for ask in plan.asks])
        self._history.say(f"seed {plan.seed}: {len(plan.facts)} facts, {len(ids)} triggers, {len(plan.faults)} faults")
        faults = [[fault.at_seconds, str(fault)] for fault in plan.faults]
        self._history.write("plan", seed=plan.seed, seconds_planned=plan.seconds, faults=faults)
        return dict(zip(ids, plan.asks, strict=True))

    async def _hurt(self, plan: Plan, asks: dict[str, Ask], doors: dict[str, Door], switches: Switches) -> None:
        """Feed and hurt for the time of the plan, then wait until all has arrived, or for SETTLE_SECONDS."""
        self._history.begin()
        senders = [
            Sender(door, [fact for fact in plan.facts if fact.door == name], self._history) for name, door in doors.items()
        ]
        async with asyncio.TaskGroup() as group:
            feeding = [group.create_task(sender.run()) for sender in senders]
            cycling = [group.create_task(switches.run(cycle)) for cycle in plan.cycles]
            await self._saboteur.run(plan.faults)
            await asyncio.sleep(max(0.0, plan.seconds - self._history.seconds))
            self._history.say("no more faults; waiting for what was accepted")
            if await self._settle(plan, asks, switches, [*feeding, *cycling]):
                return
            for sender in senders:
                sender.stop()
            for task in cycling:
                task.cancel()
            await self._settle(plan, asks, switches, feeding)
            for task in feeding:
                task.cancel()

    async def _settle(
        self, plan: Plan, asks: dict[str, Ask], switches: Switches, feeding: Sequence["asyncio.Task[None]"]
    ) -> bool:
        """Wait until the feed has ended and all of it has arrived; whether it has within SETTLE_SECONDS."""
        deadline = self._history.seconds + SETTLE_SECONDS
        while self._history.seconds < deadline:
            self._deliveries.refresh()
            if all(task.done() for task in feeding):
                expected = Truth.of(plan.facts, asks, switches, self._accepted.at_ms).expected
                if expected <= self._deliveries.effects.keys() and await self._is_at_rest():
                    self._history.say("everything has arrived")
                    return True
            await asyncio.sleep(LOOK_SECONDS)
        self._history.say(f"not everything has arrived after {SETTLE_SECONDS:.0f} s")
        return False

    async def _is_at_rest(self) -> bool:
        """Whether every stage has read all, and every execution has ended and is told of."""
        try:
            if any((await lag_records(self._settings)).values()):
                return False
            executions = (await read_tables(self._settings)).executions
        except PASSING:
            return False
        told = {row.execution_id for row in executions if row.status == "COMPLETED"}
        return len(told) == len(executions) and all(delivery.key in told for delivery in self._deliveries.all)

    @stamina.retry(on=PASSING, attempts=None, timeout=SETTLE_SECONDS)
    async def _gather(self) -> Evidence:
        lag = await lag_records(self._settings)
        log, tables = await read_topics(self._settings), await read_tables(self._settings)
        return Evidence(self._deliveries.refresh(), log, tables, self._accepted.at_ms, lag)

    def _judge(self, plan: Plan, truth: Truth, evidence: Evidence, switches: Switches) -> list[Finding]:
        findings = Verdict(truth, evidence).findings()
        findings += [Finding(UNEXPECTED, "the API answered", 0, answer) for answer in self._api.unexpected]
        never = [fact.id for fact in plan.facts if fact.id not in self._accepted.at_ms]
        if never:
            findings.append(Finding(UNEXPECTED, f"{len(never)} facts were never accepted", 0, {"facts": never[:20]}))
        findings += [Finding(UNEXPECTED, f"the cycle of [{label}] did not end", 0, {}) for label in switches.unfinished]
        return findings
