"""What a run of the benchmarks found, part by part; kept as JSON so that a part can be measured again alone."""

from pathlib import Path
from statistics import median, median_low
from typing import Any

import msgspec

from tests.benchmarks.executions import ExecutionFigures
from tests.benchmarks.firings import FiringFigures
from tests.benchmarks.hop import Hop
from tests.benchmarks.live import Live
from tests.benchmarks.loading import Loading
from tests.benchmarks.machine import Conditions, Machine
from tests.benchmarks.matching import Matching
from tests.benchmarks.race import Lap


class Detect(msgspec.Struct):
    """Every engine's laps over the same prices, in the order they were run."""

    conditions: Conditions
    records: int
    laps: list[Lap]


class MatchSize(msgspec.Struct):
    """Laps with this many triggers beside those that watch a crossing: round by round the bare loop, one worker and two."""

    triggers: int
    firings: int
    bare: list[Lap]
    touchline: list[Lap]
    two_workers: list[Lap] = []


class Match(msgspec.Struct):
    """Detect and match together."""

    conditions: Conditions
    records: int
    sizes: list[MatchSize]


class Pace(msgspec.Struct):
    """One rate of events, one in `fires_every` firing. Milliseconds from POST to inject, and from POST to its 202.

    `injects_per_second` falls short of what was asked when something is saturated; then latencies grow with the run's
    length and say little. `cores` is each process's share of a core.
    """

    events_per_second: int
    fires_every: int
    batch: int
    events: int
    injects_per_second: float
    missing: int
    doubled: int
    inject_p50_ms: float
    inject_p99_ms: float
    accept_p50_ms: float
    accept_p99_ms: float
    cores: dict[str, float]


class Latency(msgspec.Struct):
    """From POST to inject, through a whole installation; and what a bare hop takes on its broker while it is idle."""

    conditions: Conditions
    paces: list[Pace]
    hops: list[Hop] = []


class Door(msgspec.Struct):
    """Requests a second that are answered 202, with this many events in each."""

    events_per_request: int
    connections: int
    requests_per_second: float
    events_per_second: float
    p50_ms: float
    p99_ms: float
    cores: dict[str, float]


class Ingest(msgspec.Struct):
    """How much the door takes."""

    conditions: Conditions
    doors: list[Door]


class Restart(msgspec.Struct):
    """Whatever `restart.measure_restart` tells."""

    conditions: Conditions
    figures: dict[str, Any]


class Soak(msgspec.Struct):
    """A worker fed at half of the rate it reached just before: its resident memory, sampled evenly over the time.

    `lag_records` is what lay unread on `events` when the feed ended.
    """

    conditions: Conditions
    minutes: float
    events_per_second: float
    memory_mib: list[float]
    lag_records: int

    @property
    def growth(self) -> float:
        """The last fifth's median to the second fifth's; the first fifth is still filling its buffers."""
        fifth = len(self.memory_mib) // 5
        return median(self.memory_mib[-fifth:]) / median(self.memory_mib[fifth : 2 * fifth])


class Matcher(msgspec.Struct):
    """The index alone, on one core."""

    conditions: Conditions
    sets: list[Matching]


class Rows(msgspec.Struct):
    """Rows read from their topic by a worker, and how soon a new one is live beside many."""

    conditions: Conditions
    loading: Loading
    live: Live


class Executions(msgspec.Struct):
    """Executions in Postgres: their projection, and lists of them."""

    conditions: Conditions
    figures: ExecutionFigures


class Firings(msgspec.Struct):
    """Firings through gate and dispatch, and healthy hubs beside a dead one."""

    conditions: Conditions
    figures: FiringFigures


class Results(msgspec.Struct, omit_defaults=True):
    """One day's results on one machine. A part is missing when it was not measured."""

    machine: Machine
    detect: Detect | None = None
    match: Match | None = None
    latency: Latency | None = None
    ingest: Ingest | None = None
    restart: Restart | None = None
    soak: Soak | None = None
    matcher: Matcher | None = None
    rows: Rows | None = None
    executions: Executions | None = None
    firings: Firings | None = None


def read_results(path: Path, machine: Machine) -> Results:
    """The results in this file, with the machine as it is now; empty ones when there is no file."""
    if not path.exists():
        return Results(machine)
    results = msgspec.json.decode(path.read_bytes(), type=Results)
    results.machine = machine
    return results


def write_results(path: Path, results: Results) -> None:
    """Write them, for people too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def ratio(laps: list[Lap], others: list[Lap], measure: str = "records_per_second") -> float | None:
    """The median of the rounds' ratios, since a machine's pace changes between rounds.

    0 when one of the laps failed; None when one of the others did, or none was run.
    """
    pairs = [(getattr(lap, measure), getattr(other, measure)) for lap, other in zip(laps, others, strict=False)]
    if not pairs or not all(theirs for _, theirs in pairs):
        return None
    return median(ours / theirs for ours, theirs in pairs) if all(ours for ours, _ in pairs) else 0.0


def middle(laps: list[Lap]) -> Lap:
    """The lap whose pace is the median; one that failed, when one did."""
    failed = [lap for lap in laps if lap.failure]
    pace = median_low([lap.records_per_second for lap in laps])
    return failed[0] if failed else next(lap for lap in laps if lap.records_per_second == pace)
