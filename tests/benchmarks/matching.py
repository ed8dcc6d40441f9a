"""Matching alone, on one core: `python -m tests.benchmarks.matching`. JSON decoding is included, Kafka is not.

Each set of rows is measured in a process of its own: how long they take to file and how much memory, how many events a second
they are matched with, what a naive loop over the same rows does, and what it costs to change one row. That both find the same
matches is checked on the way.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Annotated, Any

import msgspec
import psutil
import typer

from streams.app import GARBAGE_THRESHOLDS
from streams.event import Event, decode_event
from streams.language.filter import compile_filter
from streams.matching.index import Index
from streams.registry import Registry
from streams.topics import TRIGGERS
from streams.trigger import parse_condition
from tests.benchmarks.loading import measure_loading
from tests.benchmarks.rowsets import ALONE, MIX, RowSet, triggers

SIZES = (1_000, 10_000, 100_000, 1_000_000)
"""Rows of the mix."""
ALONE_SIZE = 100_000
"""Rows of each other set."""
MEASURED_SECONDS = 3.0
EVENTS = 200_000
CHANGES = 1_000
CHECKED = 3
"""Events on which the index and the loop must agree; a property test does the rest."""
MIB = 1024 * 1024


class Matching(msgspec.Struct):
    """One set of rows. `change_us`: median microseconds to replace a row. `ratio`: how many times the naive loop's pace."""

    rows: int
    name: str
    build_seconds: float
    memory_mib: float
    events_per_second: float
    matches_per_event: float
    naive_events_per_second: float
    ratio: float
    change_us: float


def measure(rows: RowSet, count: int) -> Matching:
    """Measure one set in this process."""
    registry = Registry()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    before = psutil.Process().memory_info().rss
    seconds = _seconds(lambda: _fill(registry, triggers(rows, count))) - _seconds(lambda: _drain(triggers(rows, count)))
    gc.collect()
    gc.freeze()
    memory_mib = (psutil.Process().memory_info().rss - before) / MIB
    records = _records(rows, count)
    events, matches, pace = _paced(records, lambda record: len(registry.index.matches(decode_event(record))))
    change_us = _change_us(registry, rows, count)
    naive_pace = _naive_pace(registry.index, rows, count, records)
    return Matching(count, rows.name, seconds, memory_mib, pace, matches / events, naive_pace, pace / naive_pace, change_us)


def _fill(registry: Registry, given: Iterable[Any]) -> None:
    for trigger in given:
        registry.apply(TRIGGERS.name, trigger.id, None, trigger)


def _drain(given: Iterable[Any]) -> None:
    for _ in given:
        pass


def _seconds(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _records(rows: RowSet, count: int) -> list[bytes]:
    chance = random.Random(7)
    encode = msgspec.json.Encoder().encode
    return [encode({"source": "stocks", "type": "price", "payload": rows.payload(chance, count)}) for _ in range(EVENTS)]


def _paced(records: list[bytes], judge: Callable[[bytes], int]) -> tuple[int, int, float]:
    """Events judged in MEASURED_SECONDS at most, their matches, and events a second."""
    judged = matched = 0
    begun = time.process_time()
    while judged < len(records) and (spent := time.process_time() - begun) < MEASURED_SECONDS:
        step = records[judged : judged + max(1, min(1_000, int(judged / 10)))]
        matched += sum(map(judge, step))
        judged += len(step)
    spent = time.process_time() - begun
    return judged, matched, judged / spent


def _naive_pace(index: Index, rows: RowSet, count: int, records: list[bytes]) -> float:
    """Events a second of a loop over all rows, which share one key: their filters compiled, and asked one after the other."""
    tests = [(trigger.id, compile_filter(parse_condition(trigger).clauses)) for trigger in triggers(rows, count)]

    def ask_all(event: Event) -> list[str]:
        payload = event.payload
        return [trigger_id for trigger_id, test in tests if test(payload)]

    for event in map(decode_event, records[-CHECKED:]):
        if sorted(ask_all(event)) != sorted(index.matches(event)):
            raise AssertionError(f"{rows.name}: the index and the loop disagree on {event}")
    return _paced(records, lambda record: len(ask_all(decode_event(record))))[2]


def _change_us(registry: Registry, rows: RowSet, count: int) -> float:
    """Each of the first rows gets the filter of another, and its own again."""
    first = list(islice(triggers(rows, count), CHANGES))
    times = []
    for one, other in zip(first, reversed(first), strict=True):
        changed = msgspec.structs.replace(one, match_filter=other.match_filter, schedule_expression=other.schedule_expression)
        for before, after in ((one, changed), (changed, one)):
            begun = time.perf_counter()
            registry.apply(TRIGGERS.name, one.id, before, after)
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def measure_matching(sizes: Iterable[int], alone_size: int, say: Callable[[str], None]) -> list[Matching]:
    """The mix in all sizes, and each other set in one, unless that is 0."""
    found = []
    for rows, count in [*((MIX, size) for size in sizes), *((rows, alone_size) for rows in ALONE if alone_size)]:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            one = process.submit(_measure_named, rows.name, count).result()
        say(_row(*cells(one)))
        found.append(one)
    return found


def _measure_named(name: str, count: int) -> Matching:
    return measure(next(rows for rows in (MIX, *ALONE) if rows.name == name), count)


COLUMNS = ("rows", "that ask", "events/s", "matches an event", "naive loop", "times", "filed in", "memory", "one change")


def cells(one: Matching) -> tuple[str, ...]:
    """A row of the table under COLUMNS."""
    matches, naive, ratio = f"{one.matches_per_event:,.1f}", f"{one.naive_events_per_second:,.1f}", f"{one.ratio:,.0f}"
    filed, memory, change = f"{one.build_seconds:.1f} s", f"{one.memory_mib:,.0f} MiB", f"{one.change_us:.0f} µs"
    return f"{one.rows:,}", one.name, f"{one.events_per_second:,.0f}", matches, naive, ratio, filed, memory, change


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(
    sizes: Annotated[list[int] | None, typer.Option(help="Rows of the mix; may be repeated.")] = None,
    alone: Annotated[int, typer.Option(help="Rows of each other set; 0 leaves them out.")] = ALONE_SIZE,
    load: Annotated[int, typer.Option(help="Rows loaded from a compacted topic; 0 leaves that out.")] = 1_000_000,
) -> None:
    """Measure, and print a table."""
    say = partial(print, flush=True)
    say(_row(*COLUMNS))
    say(_row(*("---" for _ in COLUMNS)))
    measure_matching(sizes or SIZES, alone, say)
    if load:
        say(str(measure_loading(load)))


if __name__ == "__main__":
    typer.run(main)
