"""A detector under test: real batches, real state in memory, and a changelog that it can be started from again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from faust.types import TP

from streams.crossings.crossing import Watches
from streams.crossings.edge import Edge
from streams.detect import Detect
from streams.engine.batch import Batch
from streams.engine.store import MemoryPartition
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.event import Event, decode_event, encode_event
from streams.language.watch import Watch
from streams.panel import Panel
from streams.reading import Reader
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import CROSSINGS, EVENTS, partition_of
from streams.trigger import Trigger, parse_condition

SETTINGS = Settings(partitions=2)
HOME = partition_of(b"stocks", SETTINGS.partitions)
"""The partition of source stocks, where all is but what a test puts elsewhere."""
_encode = msgspec.json.Encoder().encode


@dataclass
class Record:
    """A record as stages read it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class SpreadSources:
    """The only rows that a reader asks for."""

    spread_sources: frozenset[str] = frozenset()


class Table:
    """The table `edges` of one process, in memory as the engine keeps it, out of what its changelog holds."""

    changelog = "edges-changelog"

    def __init__(self, changelog: Iterable[tuple[bytes, bytes | None]]) -> None:
        self._partitions: defaultdict[int, MemoryPartition[Edge]] = defaultdict(
            lambda: MemoryPartition(msgspec.json.Decoder(Edge).decode)
        )
        records = [Record(number, 0, key, value) for number, (key, value) in enumerate(changelog)]
        self.partition(HOME).restore(records, len(records) - 1)

    def partition(self, number: int) -> MemoryPartition[Edge]:
        """As StateTable."""
        return self._partitions[number]


class Process:
    """One worker's detector. `changelog` is what was written of its state at home, in order."""

    def __init__(self, watches: Watches, changelog: Iterable[tuple[bytes, bytes | None]] = ()) -> None:
        self.changelog = list(changelog)
        self.table = Table(self.changelog)
        reader = Reader(SETTINGS, cast("Rows", SpreadSources()))
        self._panel = Panel(reader, [Detect(SETTINGS, watches, cast("StateTable[Edge]", self.table))])

    def judge(self, records: Sequence[Record], epoch: int = 0, partition: int = HOME) -> Work:
        """One batch, its state not yet written."""
        tp = TP(EVENTS.full_name(SETTINGS), partition)
        return self._panel.judge(Batch(tp, [records], epoch, records[0].offset, records[-1].offset))

    def run(self, *records: Record, epoch: int = 0) -> list[Event]:
        """One batch, its state written; the crossings it led to."""
        work = self.judge(records, epoch)
        self.changelog += states(work)
        return crossings(work)

    def places(self) -> list[bytes]:
        """The keys of the watched values that are remembered."""
        return [place for place in self.table.partition(HOME) if not place.startswith(b"\x1f")]


def states(work: Work) -> list[tuple[bytes, bytes | None]]:
    """What a batch writes to the changelog, in order."""
    return [
        (key, None if state is None else _encode(state)) for changed in work.changed.values() for key, state in changed.items()
    ]


def crossings(work: Work) -> list[Event]:
    """What a batch writes to `crossings`."""
    written = work.outputs.records.get((CROSSINGS.full_name(SETTINGS), HOME), [])
    return [decode_event(value or b"") for _, value, _ in written]


def record(offset: int, payload: Any, at_ms: int | None = None, **event: Any) -> Record:
    """An event of source stocks, as it lies on `events`; it was recorded at `at_ms`, by default a second after the last."""
    at_ms = 1_000 * offset if at_ms is None else at_ms
    fields = {"source": "stocks", "type": "quote", "id": f"e{offset}", **event}
    return Record(offset, at_ms, b"stocks", encode_event(Event(payload=payload, **fields)))


def watch(expression: str, match_filter: Any = None, crossing: Any = None, workspace: str = "default") -> Watch:
    """The watch of a row."""
    row = Trigger("t", "t", expression, "agent", "hub", workspace, match_filter=match_filter, crossing=crossing)
    found = parse_condition(row).watch
    assert found is not None
    return found


def watching(*given: Watch) -> Watches:
    """All of these, each used by one trigger."""
    watches = Watches()
    for one in given:
        watches.add(one)
    return watches
