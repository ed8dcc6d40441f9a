"""`python -m tests.benchmarks`: measure, and write results/<date>.json, .md and .svg. See the package for what is measured."""

import asyncio
import gc
import tempfile
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from tests.benchmarks.engines.garage import bare_loop, other_engines
from tests.benchmarks.executions import measure_executions
from tests.benchmarks.firings import measure_firings
from tests.benchmarks.hop import measure_hop
from tests.benchmarks.ingest import measure_ingest
from tests.benchmarks.latency import measure_latency
from tests.benchmarks.live import measure_live
from tests.benchmarks.loading import measure_loading
from tests.benchmarks.machine import conditions, this_machine
from tests.benchmarks.matching import ALONE_SIZE, SIZES, measure_matching
from tests.benchmarks.picture import picture
from tests.benchmarks.report import page
from tests.benchmarks.restart import measure_restart
from tests.benchmarks.results import (
    Detect,
    Executions,
    Firings,
    Ingest,
    Latency,
    Match,
    Matcher,
    MatchSize,
    Restart,
    Results,
    Rows,
    Soak,
    read_results,
    write_results,
)
from tests.benchmarks.targets import targets
from tests.benchmarks.track import Track, opened
from tests.benchmarks.triggers import crossing_triggers, mixed_triggers
from tests.benchmarks.whole import Hub, whole_installation
from touchline.up import stopped_by_signals

RESULTS = Path(__file__).with_name("results")
TRIGGERS = (1, 1_000, 100_000)
"""Triggers that match is measured with, ascending: rows are only ever added."""

HOP_RATES = (100, 1_000)
"""Records a second through the bare hop."""
LOADED_ROWS, LIVE_ROWS = 1_000_000, 100_000
"""Rows that a worker loads, and rows beside which a new one becomes live."""


class Part(StrEnum):
    """What can be measured alone."""

    DETECT = "detect"
    MATCH = "match"
    MATCHER = "matcher"
    ROWS = "rows"
    LATENCY = "latency"
    INGEST = "ingest"
    FIRINGS = "firings"
    EXECUTIONS = "executions"
    RESTART = "restart"
    SOAK = "soak"


class Bench:
    """One run: its sizes, and what it found so far."""

    def __init__(self, results: Results, records: int, rounds: int, seconds: int, keys: int, soak_minutes: float) -> None:
        self.results = results
        self.records, self.rounds, self.seconds, self.keys = records, rounds, seconds, keys
        self.soak_minutes = soak_minutes

    async def detect(self, scratch: Path) -> None:
        """Every engine, round by round, so that what else the machine does meets all of them."""
        found = Detect(conditions(), self.records, [])
        bare, others = bare_loop(), other_engines(scratch, say)
        async with opened(scratch, self.records, say) as track:
            await track.prepare(crossing_triggers())
            for _ in range(self.rounds):
                found.laps += [await track.run_entry(bare), await track.run_detect(), await track.run_detect(workers=2)]
                found.laps += [await track.run_entry(entry) for entry in others]
        self.results.detect = found

    async def match(self, scratch: Path) -> None:
        """Ever more triggers, the bare loop before each lap."""
        found = Match(conditions(), self.records, [])
        async with opened(scratch, self.records, say) as track:
            await track.prepare(crossing_triggers())
            written = 0
            for triggers in TRIGGERS:
                await track.add_triggers(islice(mixed_triggers(triggers), written, None))
                written = triggers
                say(f" {triggers:,} triggers")
                found.sizes.append(await self._match(track, triggers))
        self.results.match = found

    async def _match(self, track: Track, triggers: int) -> MatchSize:
        size = MatchSize(triggers, 0, [], [])
        for _ in range(self.rounds):
            size.bare.append(await track.run_entry(bare_loop()))
            for laps, workers in ((size.touchline, 1), (size.two_workers, 2)):
                lap, size.firings = await track.run_match(triggers, workers)
                laps.append(lap)
        return size

    async def matcher(self, _scratch: Path) -> None:
        """The index alone."""
        found = conditions()
        sets = await asyncio.to_thread(measure_matching, SIZES, ALONE_SIZE, say)
        self.results.matcher = Matcher(found, sets)

    async def rows(self, scratch: Path) -> None:
        """A worker's rows: loaded from their topic, and one more beside them."""
        found, hub = conditions(), Hub()
        loading = await asyncio.to_thread(measure_loading, LOADED_ROWS)
        say(f"  {loading.rows:,} rows in {loading.seconds:.1f} s, {loading.memory_mib:,.0f} MiB")
        async with hub.listening(), whole_installation(scratch / "rows") as whole:
            live = await measure_live(whole, hub, LIVE_ROWS, say)
        self.results.rows = Rows(found, loading, live)

    async def latency(self, scratch: Path) -> None:
        """A bare hop, then every pace, with a hub of our own."""
        hub = Hub()
        found = conditions()
        async with hub.listening(), whole_installation(scratch / "latency") as whole:
            hops = [await measure_hop(whole.addresses.kafka, rate, self.seconds, scratch) for rate in HOP_RATES]
            self.results.latency = Latency(found, await measure_latency(whole, hub, self.seconds, say), hops)

    async def ingest(self, scratch: Path) -> None:
        """The door alone."""
        found = conditions()
        async with whole_installation(scratch / "ingest") as whole:
            self.results.ingest = Ingest(found, await measure_ingest(whole, self.seconds, say))

    async def firings(self, scratch: Path) -> None:
        """Gate and dispatch, with hubs of our own."""
        found, hub = conditions(), Hub()
        async with hub.listening(), whole_installation(scratch / "firings") as whole:
            self.results.firings = Firings(found, await measure_firings(whole, hub, say))

    async def executions(self, scratch: Path) -> None:
        """The connector and the lists."""
        found = conditions()
        self.results.executions = Executions(found, await measure_executions(scratch, self.seconds, say))

    async def restart(self, _scratch: Path) -> None:
        """A worker that comes back to many keys."""
        found = conditions()
        self.results.restart = Restart(found, await measure_restart(self.keys))

    async def soak(self, scratch: Path) -> None:
        """A worker at half of its rate, for long."""
        found = conditions()
        memory_mib: list[float] = []
        async with opened(scratch, min(self.records, 2_000_000), say) as track:
            await track.prepare(crossing_triggers())
            per_second, lag_records = await track.soak(self.soak_minutes * 60, memory_mib)
        self.results.soak = Soak(found, self.soak_minutes, per_second, memory_mib, lag_records)


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)


def main(
    only: Annotated[list[Part] | None, typer.Option(help="Measure this part alone; may be repeated.")] = None,
    records: Annotated[
        int, typer.Option(min=200_000, help="Prices for detect and match; 5,000,000 warm a JVM up.")
    ] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Laps of each engine; tables show the median.")] = 1,
    seconds: Annotated[int, typer.Option(min=5, help="Length of each latency pace, ingest measurement and lag.")] = 20,
    keys: Annotated[int, typer.Option(min=1, help="Watched keys that a restart restores.")] = 1_000_000,
    soak_minutes: Annotated[float, typer.Option(min=0.2, help="How long a worker is fed while its memory is watched.")] = 10,
    results: Annotated[Path, typer.Option(help="Where results go; the day's other parts are kept.")] = RESULTS,
) -> None:
    """Measure everything, or some parts, and write today's results."""
    name = results / datetime.now(UTC).strftime("%Y-%m-%d")
    found = read_results(name.with_suffix(".json"), this_machine())
    bench = Bench(found, records, rounds, seconds, keys, soak_minutes)
    with stopped_by_signals():
        for part in only or list(Part):
            say(part)
            measure(bench, part)
            write(name, found)
    for what, bound, value, reached in targets(found):
        say(f"{'reached' if reached else 'MISSED '}  {what}: {value:,.2f} ({bound})")
    say(f"written to {name.with_suffix('.md')}")


def measure(bench: Bench, part: Part) -> None:
    """One part, with a scratch directory that is gone afterwards."""
    gc.collect()
    with (
        tempfile.TemporaryDirectory(prefix="touchline-bench-") as scratch,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(getattr(bench, part)(Path(scratch)))


def write(name: Path, found: Results) -> None:
    """What is known so far, after every part, so that a run that is stopped keeps what it had."""
    write_results(name.with_suffix(".json"), found)
    name.with_suffix(".svg").write_text(picture(found))
    name.with_suffix(".md").write_text(page(found, f"{name.name}.svg"))


if __name__ == "__main__":
    typer.run(main)
