"""The results as a page: what must be reached, every table, and what it was measured on."""

from collections.abc import Iterable, Sequence

from tests.benchmarks.engines.garage import BARE_LOOP
from tests.benchmarks.feed import SYMBOLS
from tests.benchmarks.machine import Conditions
from tests.benchmarks.matching import COLUMNS, cells
from tests.benchmarks.race import Lap
from tests.benchmarks.results import (
    Detect,
    Executions,
    Firings,
    Ingest,
    Latency,
    Match,
    Matcher,
    Pace,
    Restart,
    Results,
    Rows,
    Soak,
    middle,
    ratio,
)
from tests.benchmarks.targets import best, laps_of, targets

PROMISED_RECORDS = 5_000_000
"""What the ratios are promised for: so many that a JVM is warm."""
ENGINES = (
    "By the median of its laps. "
    "Ratios are to the bare loop, round by round, and their median. "
    "Every engine is a process of its own, beside the broker on the same machine; its output was "
    "compared with the truth, record by record."
)


def page(results: Results, picture: str) -> str:
    """The whole page, Markdown. `picture` is the file beside it."""
    parts = [f"# touchline, measured\n\n![the same as bars]({picture})\n", _targets(results)]
    told: list[str | None] = [
        _detect(results.detect) if results.detect else None,
        _match(results.match) if results.match else None,
        _matcher(results.matcher) if results.matcher else None,
        _rows(results.rows) if results.rows else None,
        _latency(results.latency) if results.latency else None,
        _ingest(results.ingest) if results.ingest else None,
        _firings(results.firings) if results.firings else None,
        _executions(results.executions) if results.executions else None,
        _restart(results.restart) if results.restart else None,
        _soak(results.soak) if results.soak else None,
    ]
    return "\n".join([*parts, *filter(None, told), _machine(results)])


def _targets(results: Results) -> str:
    records = results.detect.records if results.detect else PROMISED_RECORDS
    short = (
        ""
        if records >= PROMISED_RECORDS
        else f"Promised for {PROMISED_RECORDS:,} prices; these were {records:,}, a JVM is cold.\n\n"
    )
    return f"## What must be reached\n\n{short}" + _table(
        ("promise", "at least / at most", "measured", ""),
        [(what, bound, f"{value:,.2f}", "yes" if reached else "**no**") for what, bound, value, reached in targets(results)],
    )


def _detect(detect: Detect) -> str:
    laps, bare = best(detect), laps_of(detect, BARE_LOOP)
    rows = [
        (
            name,
            *_figures(lap),
            _ratio(ratio(laps_of(detect, name), bare)),
            f"{lap.cpu_seconds / lap.seconds:.2f}" if lap.seconds else "",
            f"{lap.memory_mib:,.0f}",
        )
        for name, lap in laps.items()
    ]
    head = ("engine", "records/s", "records per CPU second", "ratio", "cores used", "memory, MiB")
    title = f"## Crossings out of {detect.records:,} prices\n\n"
    return title + ENGINES + "\n\n" + _table(head, rows) + _when(detect.conditions)


def _match(match: Match) -> str:
    rows = []
    for size in match.sizes:
        for workers, laps in (("1", size.touchline), ("2", size.two_workers)):
            if laps:
                firings, to_bare = f"{size.firings / match.records:.3f}", _ratio(ratio(laps, size.bare))
                rows.append((f"{size.triggers:,}", workers, firings, *_figures(middle(laps)), to_bare))
    head = ("triggers", "workers", "firings per event", "events/s", "events per CPU second", "to the bare loop's detect")
    told = (
        f"Both stages in one process, or in two that share the partitions, on the same prices. "
        f"The triggers stand beside {SYMBOLS:,} that watch a crossing each. "
        "40 % ask for one equality, 30 % for an equality and a range, 20 % for `in` and a range, 10 % for a rare id. "
        "The bare loop, which matches nothing, ran before each lap.\n\n"
    )
    return f"## Detect and match together, {match.records:,} prices\n\n" + told + _table(head, rows) + _when(match.conditions)


def _matcher(matcher: Matcher) -> str:
    rows = [cells(one) for one in matcher.sets]
    told = (
        "One process, JSON decoding included, Kafka not. The naive loop asks every row's compiled filter, in the same run, and "
        "must find the same. Memory is the index's; a change is one row replaced while the others are there.\n\n"
    )
    return "## Matching alone\n\n" + told + _table(COLUMNS, rows) + _when(matcher.conditions)


def _rows(rows: Rows) -> str:
    loading, live = rows.loading, rows.live
    told = (
        f"A worker loads {loading.rows:,} rows of the mix from their compacted topic in {loading.seconds:.1f} s "
        f"({loading.cpu_seconds:.1f} CPU seconds), and then weighs {loading.memory_mib:,.0f} MiB, at most "
        f"{loading.peak_mib:,.0f}. "
        f"Beside {live.rows:,} rows a create call returns, its trigger live, after {live.p50_ms} ms (p50) and {live.p99_ms} ms "
        f"(p99 of {live.creates}).\n"
    )
    return "## Rows\n\n" + told + _when(rows.conditions)


def _latency(latency: Latency) -> str:
    rows = [
        (
            f"{pace.events_per_second:,}{_in_batches(pace)}",
            f"{pace.events_per_second // pace.fires_every:,}",
            f"{pace.injects_per_second:,.0f}",
            f"{pace.inject_p50_ms:,.1f}",
            f"{pace.inject_p99_ms:,.1f}",
            f"{pace.accept_p50_ms:,.1f}",
            f"{pace.accept_p99_ms:,.1f}",
            f"{pace.missing} / {pace.doubled}",
            _cores(pace.cores),
        )
        for pace in latency.paces
    ]
    head = (
        "events/s",
        "of which fire",
        "injects/s",
        "inject p50, ms",
        "p99",
        "202 p50, ms",
        "p99",
        "missing / doubled",
        "cores used",
    )
    told = (
        "From just before the POST to the arrival at the hub, all of `touchline up`, the client and the hub on this machine. "
    )
    told += "Where injects/s falls short of what fires, something is saturated, and latency grows with the length of the run."
    hops = [f"{hop.p50_ms} ms (p50) and {hop.p99_ms} ms (p99) at {hop.events_per_second:,}/s" for hop in latency.hops]
    if hops:
        told += (
            f" For comparison, from a producer through a bare loop to a consumer on the same broker: {', '.join(hops)}; "
            "that is two topics written and read; an event takes three, and two HTTP calls. The promises suppose 2.5 ms for it."
        )
    told += "\n\n"
    return "## From POST to inject\n\n" + told + _table(head, rows) + _when(latency.conditions)


def _ingest(ingest: Ingest) -> str:
    rows = [
        (
            f"{door.events_per_request}",
            f"{door.connections}",
            f"{door.requests_per_second:,.0f}",
            f"{door.events_per_second:,.0f}",
            f"{door.p50_ms} / {door.p99_ms}",
            _cores(door.cores),
        )
        for door in ingest.doors
    ]
    head = ("events a request", "connections", "requests/s", "events/s", "p50 / p99, ms", "cores used")
    told = "One ingest process, every event acknowledged by the broker before its 202, and found on the topic afterwards.\n\n"
    return "## At the door\n\n" + told + _table(head, rows) + _when(ingest.conditions)


def _firings(firings: Firings) -> str:
    fired, beside = firings.figures.fired, firings.figures.beside
    told = (
        f"{fired.firings:,} events handed in at once, each firing one trigger: {fired.injects_per_second:,.0f} injects a "
        f"second, {fired.missing} missing; all of `touchline up`, the client and the hub on this machine. "
        f"Cores: {_cores(fired.cores)}.\n\n"
        "Then one POST after the other to 20 hubs, in phases without and with a dead one beside them:\n\n"
    )
    rows = [
        ("without", f"{beside.without_p50_ms}", f"{beside.without_p99_ms}"),
        ("with", f"{beside.with_p50_ms}", f"{beside.with_p99_ms}"),
    ]
    head = ("dead hub", "POST to inject p50, ms", "p99, ms")
    return "## Firings\n\n" + told + _table(head, rows) + _when(firings.conditions)


def _executions(executions: Executions) -> str:
    lag, catch_up = executions.figures.lag, executions.figures.catch_up
    rows = [(listed.asked, f"{listed.rows}", f"{listed.p50_ms}", f"{listed.p99_ms}") for listed in executions.figures.lists]
    told = (
        "Three records an execution: PENDING, RUNNING 50 ms later, COMPLETED after 250. "
        f"Written at {lag.records_per_second:,.0f} a second for {lag.seconds:g} s, a record is in Postgres after "
        f"{lag.p50_ms} ms (p50), {lag.p99_ms} ms (p99), {lag.most_ms} ms (most); 10,000 of them cost, in CPU seconds: "
        f"{_cores(lag.cpu_seconds)}. "
        f"{catch_up.records:,} more, written as fast as it goes, are projected at {catch_up.records_per_second:,.0f} a second, "
        f"10,000 for: {_cores(catch_up.cpu_seconds)}.\n\n"
        f"Then pages of {executions.figures.executions:,} executions, over HTTP, one request after the other:\n\n"
    )
    head = ("list", "rows of the page", "p50, ms", "p99, ms")
    return "## Executions\n\n" + told + _table(head, rows) + _when(executions.conditions)


def _restart(restart: Restart) -> str:
    rows = [
        (name.replace("_", " "), f"{value:,.1f}" if isinstance(value, float) else f"{value}")
        for name, value in restart.figures.items()
    ]
    return "## Restart\n\n" + _table(("what", "measured"), rows) + _when(restart.conditions)


def _soak(soak: Soak) -> str:
    step = max(1, len(soak.memory_mib) // 10)
    rows = [(f"{number / len(soak.memory_mib) * soak.minutes:.1f}", f"{soak.memory_mib[number]:,.0f}")
            for number in range(0, len(soak.memory_mib), step)]  # fmt: skip
    told = (
        f"Detect and match in one worker, fed {soak.events_per_second:,.0f} prices a second, half of what it did in a lap just "
        f"before, for {soak.minutes:g} minutes; {soak.lag_records:,} lay unread when the feed ended. "
        f"The last fifth's median is {soak.growth:.3f} of the second fifth's.\n\n"
    )
    return "## Memory of a worker\n\n" + told + _table(("minute", "resident, MiB"), rows) + _when(soak.conditions)


def _machine(results: Results) -> str:
    machine = results.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    return f"""## Measured on

{machine.cores} cores of {machine.processor}, {machine.memory_gib} GiB of memory, {machine.system}. {versions}.
"""


def _figures(lap: Lap) -> tuple[str, str]:
    failed = f" (failed: {lap.failure.splitlines()[0]})" if lap.failure else ""
    return f"{lap.records_per_second:,.0f}{failed}", f"{lap.records_per_cpu_second:,.0f}"


def _ratio(value: float | None) -> str:
    return f"{value:.2f}" if value else ""


def _in_batches(pace: Pace) -> str:
    return f" in batches of {pace.batch}" if pace.batch > 1 else ""


def _cores(cores: dict[str, float]) -> str:
    return ", ".join(f"{name} {share}" for name, share in cores.items() if share >= 0.05)


def _when(when: Conditions) -> str:
    return f"\n{when.at}, commit {when.commit}, load average {when.load_average} before it began.\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
