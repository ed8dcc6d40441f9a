"""The track: an embedded broker, the data on it, and laps of every engine with topics of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path

import psutil

from connectors.kafka.topics import create_topics
from streams.topics import CROSSINGS, EVENTS, FIRINGS
from streams.trigger import Trigger
from tests.acceptance.installation import command_environment
from tests.benchmarks.broker import Broker
from tests.benchmarks.engines.garage import Entry, engine, touchline_engine
from tests.benchmarks.engines.lap_settings import LapSettings
from tests.benchmarks.feed import PARTITIONS, crossings, fill
from tests.benchmarks.race import Course, Engine, Lap, run_lap
from tests.benchmarks.triggers import firings, write_rows
from tests.benchmarks.truth import check_crossings, check_firings
from touchline.stack.guardian import start_guarded
from touchline.stack.kafka import EmbeddedKafka

Say = Callable[[str], None]
PREFIX = "bench."
SAMPLE_SECONDS = 2.0
"""How often a worker's memory is looked at while it is fed."""
truth_of = cache(crossings)


class Track:
    """Laps over the first `records` prices, or over fewer of them."""

    def __init__(self, broker: Broker, scratch: Path, records: int, say: Say) -> None:
        self.records = records
        self.scratch = scratch
        self._broker = broker
        self._say = say
        self._numbers = count(1)
        self._shorter: dict[int, str] = {}

    async def prepare(self, triggers: Iterable[Trigger]) -> None:
        """Make touchline's topics, fill `events`, and write the triggers that every lap of touchline has."""
        await create_topics(self._settings("setting-up"))
        self._say(f"writing {self.records:,} prices")
        await fill(self._broker.bootstrap_servers, PREFIX + EVENTS.name, self.records)
        await self.add_triggers(triggers)

    async def add_triggers(self, triggers: Iterable[Trigger]) -> None:
        """Write more rows; they are there for all later laps."""
        await write_rows(self._settings("setting-up"), triggers)

    async def run_entry(self, entry: Entry) -> Lap:
        """A lap of another engine: crossings out of prices."""
        name = f"lap-{next(self._numbers)}"
        records = min(self.records, entry.at_most)
        events = await self._feed_of(records)
        await self._broker.make_topic(f"{name}-crossings")
        await self._broker.make_topic(f"{name}-sides", {"cleanup.policy": "compact"})
        runner = engine(entry, self._broker.bootstrap_servers, events, f"{name}-crossings", name, self.scratch)
        return await self._lap(name, runner, self._detect_course(f"{name}-crossings", records))

    async def run_detect(self, workers: int = 1) -> Lap:
        """A lap of touchline's detect alone: the same job."""
        return await self._touchline(self._detect_course(PREFIX + CROSSINGS.name, self.records), "detect", workers=workers)

    async def run_match(self, mixed: int, workers: int = 1) -> tuple[Lap, int]:
        """A lap of detect and match together, with the crossing triggers and `mixed` others; and how many firings are right."""
        truth = firings(self.records, truth_of(self.records), mixed)
        output = PREFIX + FIRINGS.name
        course = Course(output, truth.total(), self.records, lambda broker, since: check_firings(truth, broker, output, since))
        return await self._touchline(course, "detect", "match", workers=workers), truth.total()

    async def soak(self, seconds: float, memory_mib: list[float]) -> tuple[float, int]:
        """Feed detect and match half of what they just did, for so long, and sample the worker's memory into `memory_mib`.

        The rate, and how many records lay unread when the feed ended.
        """
        lap, _ = await self.run_match(0)
        assert not lap.failure, lap.failure
        per_second = lap.records_per_second / 2
        events = PREFIX + EVENTS.name
        await self._broker.empty(events)
        settings = self._settings(name := f"lap-{next(self._numbers)}")
        await create_topics(settings)
        _, command, environment, _ = touchline_engine(settings, "detect", "match")
        log = self.scratch / f"{name}.log"
        process = start_guarded(command, environment=command_environment(environment), log_path=log)
        try:
            feed = asyncio.create_task(fill(self._broker.bootstrap_servers, events, int(per_second * seconds), per_second))
            watched = psutil.Process(process.pid)
            while not feed.done():
                assert process.poll() is None, log.read_text()[-2_000:]
                memory_mib.append(watched.memory_info().rss / 2**20)
                await asyncio.wait([feed], timeout=SAMPLE_SECONDS)
            await feed
            return per_second, await self._broker.lag(settings.group, events)
        finally:
            await asyncio.to_thread(process.stop)

    async def _touchline(self, course: Course, *stages: str, workers: int = 1) -> Lap:
        name = f"lap-{next(self._numbers)}"
        settings = self._settings(name)
        await self._broker.empty(PREFIX + CROSSINGS.name)  # what earlier laps wrote is no input of match
        await create_topics(settings)  # the changelogs of this lap's group
        return await self._lap(name, touchline_engine(settings, *stages, workers=workers), course)

    async def _lap(self, name: str, runner: Engine, course: Course) -> Lap:
        lap = await run_lap(runner, course, self._broker, self.scratch / f"{name}.log")
        pace = f"{lap.records_per_second:,.0f} records/s, {lap.records_per_cpu_second:,.0f} a CPU second"
        self._say(f"  {lap.engine}: {pace} {lap.failure}".rstrip())
        return lap

    def _detect_course(self, output: str, records: int) -> Course:
        truth = truth_of(records)
        check = partial(check_crossings, truth)
        return Course(output, sum(map(len, truth.values())), records, lambda broker, since: check(broker, output, since))

    async def _feed_of(self, records: int) -> str:
        """A topic with the first `records` prices."""
        if records == self.records:
            return PREFIX + EVENTS.name
        if records not in self._shorter:
            topic = f"prices-{records}"
            await self._broker.make_topic(topic)
            await fill(self._broker.bootstrap_servers, topic, records)
            self._shorter[records] = topic
        return self._shorter[records]

    def _settings(self, lap: str) -> LapSettings:
        return LapSettings(
            kafka_bootstrap_servers=self._broker.bootstrap_servers, topic_prefix=PREFIX, partitions=PARTITIONS, lap=lap
        )


@asynccontextmanager
async def opened(scratch: Path, records: int, say: Say) -> AsyncIterator[Track]:
    """A track on a broker of its own."""
    with EmbeddedKafka(scratch / "kafka") as kafka:
        async with Broker(kafka.bootstrap_servers) as broker:
            yield Track(broker, scratch, records, say)
