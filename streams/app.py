"""The worker process: the Faust app with its four stages, wired in the order an event flows through them."""

import asyncio
import gc
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import faust
import structlog
from faust.types.auth import CredentialsT

from streams.crossings.edge import Edge
from streams.delivery.parked import Parked
from streams.detect import Detect
from streams.dispatch import Dispatch
from streams.engine.batch import BatchSchema
from streams.engine.batch_app import BatchApp
from streams.engine.recovery import AssignedTables
from streams.engine.stage import Judge, Stage
from streams.engine.store import choose_store
from streams.engine.table import StateTable
from streams.engine.writer import Writer
from streams.event_loop import new_event_loop
from streams.gate import Gate
from streams.gating.books import Tables
from streams.gating.clock import Clock
from streams.gating.state import Gate as GateState
from streams.gating.state import Seen, Waiting
from streams.heartbeat import Heartbeat
from streams.lease import Lease
from streams.ledger.account import Account
from streams.ledger.page import Ledger
from streams.match import Match
from streams.panel import Panel
from streams.pulse import Pulse
from streams.reading import Reader
from streams.registry import Registry
from streams.release import Release
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import CROSSINGS, DISPATCHES, EVENTS, EXECUTIONS, FIRINGS, Topic

log = structlog.get_logger()

SESSION_TIMEOUT_SECONDS = 10.0
"""Silence after which the group gives a worker's partitions to others: a dead worker's events wait this long."""
GROUP_HEARTBEAT_SECONDS = 0.5
"""How soon a worker hears that the group rebalances: events wait so long, at most, when a worker joins or leaves."""
COMMIT_SECONDS = 0.5
"""How often offsets are committed: what the successor of a killed worker reads again, and skips, is at most this much."""
BUFFERED_BATCHES = 16
"""Batches an agent's queue holds before its partitions are fetched no further: enough for every partition to have one."""

GARBAGE_THRESHOLDS = (1_000_000, 20, 100)
"""Net allocations between collections. A batch is tens of thousands of objects that live until it is judged, none in a
cycle; all that may be in flight is below the first threshold, so that the collector looks at what stays, not at what
passes. With Python's (700, 10, 10) it took half of detect's time, with (50_000, 50, 100) a sixth (tests/benchmarks)."""

STAGES: dict[str, tuple[Topic, ...]] = {
    "detect": (EVENTS,),
    "match": (EVENTS, CROSSINGS),
    "gate": (FIRINGS,),
    "dispatch": (DISPATCHES,),
    "release": (EXECUTIONS,),
}


def build_app(settings: Settings, finish: Callable[[], Awaitable[None]]) -> BatchApp:
    """The Faust app, without agents. It makes no topics: `touchline topics create` has."""
    return BatchApp(
        finish,
        id=settings.group,
        broker=[f"kafka://{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=SESSION_TIMEOUT_SECONDS,
        broker_heartbeat_interval=GROUP_HEARTBEAT_SECONDS,
        broker_rebalance_timeout=SESSION_TIMEOUT_SECONDS,
        broker_commit_interval=COMMIT_SECONDS,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=BUFFERED_BATCHES,
        stream_wait_empty=False,  # `finish` waits for what is under way, but for no hub that takes minutes
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        TableManager=AssignedTables,
        web_enabled=False,
        table_standby_replicas=settings.standbys,
    )


class Worker:
    """One worker process: rows, writer, pulse, and the stages on the Faust app."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.registry = Registry()
        self.pulse = Pulse(settings, "worker", self._describe)
        self.rows = Rows(settings, on_change=self.registry.apply, on_applied=self.pulse.beat)
        self.lease = Lease(self.pulse, self.rows)
        self.writer = Writer(settings)
        self.app = build_app(settings, self._finish)
        self._add_stages()

    def _add_stages(self) -> None:
        settings, app = self.settings, self.app
        reader = Reader(settings, self.rows)
        store = choose_store(settings)
        # First, so that a batch which is judged again has been counted: what the other tables say of it then is no outcome.
        accounts = StateTable(app, "ledger", settings.partitions, Account, store)
        edges = StateTable(app, "edges", settings.partitions, Edge, store)
        waiting = StateTable(app, "waiting", settings.partitions, Waiting, store)
        seen = StateTable(app, "seen", settings.partitions, Seen, store, by_age=True)
        gates = StateTable(app, "gates", settings.partitions, GateState, store)
        tables = Tables(waiting, seen, gates)
        detect = Detect(settings, self.registry.watches, edges)
        match = Match(settings, self.rows, self.registry.index, accounts)
        self.panels = [Panel(reader, [detect, match]), Panel(reader, [match])]
        self._gate = gate = Gate(settings, self.rows, tables, Ledger("gate", accounts))
        self._clock = Clock(gate.due, self.writer)
        release = Release(settings)
        judges: list[tuple[Topic, Judge]] = [
            (EVENTS, self.panels[0].judge),
            (CROSSINGS, self.panels[1].judge),
            (FIRINGS, gate.judge),
            (EXECUTIONS, release.judge),
        ]
        ready = self.lease.ensure
        self._judging = [Stage(topic, self.writer, judge, self.counts, ready) for topic, judge in judges]
        parked = StateTable(app, "parked", settings.partitions, Parked, store)
        self._dispatch = Dispatch(settings, self.rows, self.writer, self.counts, ready, parked)
        stages: list[Stage | Dispatch] = [*self._judging, self._dispatch]
        for stage in stages:
            source = app.topic(stage.topic.full_name(settings), schema=BatchSchema())
            app.agent(source, name=stage.topic.name)(stage.run)
        app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        app.on_rebalance_complete.connect(self._on_settled, weak=False)

    async def run(self, stop: asyncio.Event) -> int:
        """Work until `stop` is set or Faust gives up; the process's exit code."""
        await self.pulse.start()
        await self.rows.start()
        await self.writer.start()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        gc.freeze()  # the rows stay: no collection need look at them
        log.info("rows_loaded", triggers=len(self.rows.triggers), hubs=len(self.rows.hubs))
        await self.app.start()
        self._clock.start()
        stopping = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(self.app._crashed.wait())
        await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
        crashed = not stopping.done()
        stopping.cancel()
        await self._clock.stop()
        await self.app.stop()
        await self._dispatch.abandon()
        await self.rows.stop()
        await self.writer.stop()
        await self.pulse.stop()
        return 70 if crashed else 0

    async def _on_assigned(self, _app: Any, assigned: Any, **_: Any) -> None:
        # Triggers made before this worker got its partitions are live in it before it judges an event (invariant 7).
        await self.rows.catch_up()
        log.info("partitions_assigned", partitions=len(assigned))

    async def _finish(self) -> None:
        self._gate.settle(())
        await self._dispatch.finish()
        for stage in self._judging:
            await stage.drain()
        self.pulse.beat()

    async def _on_settled(self, _app: Any, **_: Any) -> None:
        await self._dispatch.abandon()
        ends = await self._ends(DISPATCHES)
        if not self.app.consumer.is_assigned():
            return  # the next rebalance has begun meanwhile
        self._dispatch.take_up(ends)
        self._gate.settle(self._partitions(FIRINGS))
        self.pulse.beat()

    def _partitions(self, topic: Topic) -> list[int]:
        """Which partitions of a topic this process has."""
        name = topic.full_name(self.settings)
        return sorted(tp.partition for tp in self.app.consumer.assignment() if tp.topic == name)

    async def _ends(self, topic: Topic) -> dict[int, int]:
        """The end of each of them."""
        name, consumer = topic.full_name(self.settings), self.app.consumer
        ends = await consumer.highwaters(*[tp for tp in consumer.assignment() if tp.topic == name])
        return {tp.partition: ends[tp] or 0 for tp in sorted(ends)}

    def _describe(self, heartbeat: Heartbeat) -> None:
        heartbeat.counts = dict(self.counts)
        heartbeat.applied = dict(self.rows.applied)
        if self.app.rebalancing:
            return
        with suppress(faust.exceptions.ConsumerNotStarted):
            for stage, (topic, *_) in STAGES.items():
                heartbeat.stages[stage] = self._partitions(topic)


def _credentials(settings: Settings) -> CredentialsT | None:
    client = settings.kafka_client()
    context = client.get("ssl_context")
    if "sasl_mechanism" in client:
        return faust.SASLCredentials(
            username=client["sasl_plain_username"],
            password=client["sasl_plain_password"],
            mechanism=client["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


async def work(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await Worker(settings).run(stop)


def run(settings: Settings) -> int:
    """The worker process; returns its exit code. Raises KafkaError when the broker cannot be reached at the start."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work(settings))
