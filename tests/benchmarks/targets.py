"""What must be reached, as bounds on what was measured: most are ratios within one run, so that they hold on any machine."""

from collections.abc import Iterator
from itertools import chain

from tests.benchmarks.engines.garage import BARE_LOOP, KAFKA_STREAMS, PLAIN_FAUST, TOUCHLINE
from tests.benchmarks.executions import RECORDS_PER_SECOND
from tests.benchmarks.race import Lap
from tests.benchmarks.results import Detect, Executions, Firings, Latency, Match, Matcher, Results, Rows, Soak, middle, ratio
from tests.benchmarks.rowsets import MIX

Target = tuple[str, str, float, bool]
"""A promise: what, its bound, what was measured, whether it is reached."""

MATCHED_PER_SECOND = {(MIX.name, 100_000): 300_000, (MIX.name, 1_000_000): 180_000}
FLAT = 1.05
"""Memory that grows by less over the run is flat: it moves that much with the allocator's moods."""


def targets(results: Results) -> Iterator[Target]:
    """Each promise that this run can judge."""
    return chain(
        _detect(results.detect) if results.detect else (),
        _match(results.match) if results.match else (),
        _matcher(results.matcher) if results.matcher else (),
        _rows(results.rows) if results.rows else (),
        _latency(results.latency) if results.latency else (),
        _firings(results.firings) if results.firings else (),
        _executions(results.executions) if results.executions else (),
        _soak(results.soak) if results.soak else (),
    )


def best(detect: Detect) -> dict[str, Lap]:
    """Each engine's middle lap, in the order they ran."""
    return {name: middle(laps_of(detect, name)) for name in dict.fromkeys(lap.engine for lap in detect.laps)}


def laps_of(detect: Detect, engine: str) -> list[Lap]:
    """One engine's laps, round by round."""
    return [lap for lap in detect.laps if lap.engine == engine]


def _detect(detect: Detect) -> Iterator[Target]:
    for what, bound, measure, other in (
        ("detect to the bare loop, records/s", 0.8, "records_per_second", BARE_LOOP),
        ("detect to Kafka Streams, records per CPU second", 1.1, "records_per_cpu_second", KAFKA_STREAMS),
        ("detect to plain Faust, records/s", 40, "records_per_second", PLAIN_FAUST),
    ):
        found = ratio(laps_of(detect, TOUCHLINE), laps_of(detect, other), measure)
        if found is not None:
            yield _at_least(what, bound, found)


def _match(match: Match) -> Iterator[Target]:
    size = match.sizes[-1]
    what = f"detect and match, {size.triggers:,} triggers, to the bare loop"
    for workers, laps in (("one worker", size.touchline), ("two workers", size.two_workers)):
        found = ratio(laps, size.bare)
        if found is not None:
            yield _at_least(f"{what}, {workers}", 0.5, found)


def _matcher(matcher: Matcher) -> Iterator[Target]:
    for one in matcher.sets:
        least = MATCHED_PER_SECOND.get((one.name, one.rows))
        if least:
            yield _at_least(f"matching alone, {one.rows:,} triggers of the mix, events/s", least, one.events_per_second)


def _rows(rows: Rows) -> Iterator[Target]:
    loading, live = rows.loading, rows.live
    yield _at_most(f"loading {loading.rows:,} rows, s", 60, loading.seconds)
    yield _at_most(f"memory with {loading.rows:,} rows, MiB", 1_200, loading.peak_mib)
    yield _at_most(f"create to live beside {live.rows:,} rows, p50, ms", 30, live.p50_ms)
    yield _at_most(f"create to live beside {live.rows:,} rows, p99, ms", 150, live.p99_ms)


def _latency(latency: Latency) -> Iterator[Target]:
    for pace in latency.paces:
        if pace.events_per_second == 1_000:
            yield _at_most(f"POST to inject at 1,000 events/s, {pace.batch} a POST, p50, ms", 25, pace.inject_p50_ms)
            yield _at_most(f"POST to inject at 1,000 events/s, {pace.batch} a POST, p99, ms", 100, pace.inject_p99_ms)


def _firings(firings: Firings) -> Iterator[Target]:
    fired, beside = firings.figures.fired, firings.figures.beside
    yield _at_least("firings through gate and dispatch into a hub, injects/s", 2_000, fired.injects_per_second)
    if beside.without_p99_ms:
        ratio = beside.with_p99_ms / beside.without_p99_ms
        yield _at_most("20 hubs beside a dead one, p99 to p99 without it", 1.2, ratio)


def _executions(executions: Executions) -> Iterator[Target]:
    figures = executions.figures
    pace = f"projection of {RECORDS_PER_SECOND:,} records/s"
    yield _at_least(f"{pace}, records/s that were written", 0.99 * RECORDS_PER_SECOND, figures.lag.records_per_second)
    yield _at_most(f"{pace}, lag p99, ms", 1_000, figures.lag.p99_ms)
    slowest = max(figures.lists, key=lambda listed: listed.p99_ms)
    yield _at_most(
        f"a page of {figures.executions:,} executions, the slowest list ({slowest.asked}), p99, ms", 20, slowest.p99_ms
    )


def _soak(soak: Soak) -> Iterator[Target]:
    yield _at_most(f"memory of a worker, the end of {soak.minutes:g} minutes to their beginning", FLAT, soak.growth)


def _at_least(what: str, bound: float, value: float) -> Target:
    return what, f"≥ {bound:,}", value, value >= bound


def _at_most(what: str, bound: float, value: float) -> Target:
    return what, f"≤ {bound:,}", value, value <= bound
