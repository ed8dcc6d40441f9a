"""What the gate keeps in memory for a partition while it has it: the times it waits for, and what is to be tidied up."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import chain, islice, takewhile

from streams.engine.batch import Batch
from streams.engine.work import Work
from streams.gating.books import Books, Tables, uncounted
from streams.gating.state import Gate
from streams.rows import Rows

HOUR_MS = 60 * 60 * 1000
LONGEST_MS = 31 * 24 * HOUR_MS
"""How long counts and rates may look back, and a day: what is older says nothing."""
KEYS_A_BATCH = 1_000
"""Keys a sweep looks at within one batch: a million take a thousand batches, and each of those less than a millisecond."""
FORGOTTEN_AT_ONCE = 10_000
"""Execution ids that one batch forgets at most: after a quiet day all of the day before are due, and nobody waits for that."""


class Care:
    """One partition."""

    def __init__(self, tables: Tables, partition: int) -> None:
        self._tables = tables
        self._partition = partition
        self._due: list[tuple[int, str]] = []
        self._sweeping: Iterator[bytes] = iter(())
        self._swept_at_ms = 0
        self.outdated = list(uncounted(tables, partition))
        """Where firings waited that the written state no longer counts; the next batch removes them."""
        gates = tables.gates.partition(partition)
        for key in chain.from_iterable(gates.pages()):
            gate = gates.get(key)
            if gate is not None:
                self.expect(key.decode(), gate)

    def expect(self, slot: str, gate: Gate) -> None:
        """Wait for the next time that means something to this state, if there is one."""
        due_ms = gate.due_ms
        if due_ms is not None:
            heapq.heappush(self._due, (due_ms, slot))

    def take_due(self, now_ms: int) -> set[str]:
        """The keys whose time has come."""
        due = set()
        while self._due and self._due[0][0] <= now_ms:
            due.add(heapq.heappop(self._due)[1])
        return due

    def tidy(self, books: Books, work: Work, batch: Batch, rows: Rows, seen_ms: int) -> None:
        """At the beginning of a batch: remove what earlier ones left behind, and forget what is too old to matter."""
        places, self.outdated = self.outdated, []
        for place in places:
            books.remove_waiting(place)
        now_ms = batch.timestamp_ms
        if now_ms <= 0:
            return  # no record tells the time
        self._forget_seen(work, now_ms - seen_ms)
        if now_ms - self._swept_at_ms > HOUR_MS:
            self._swept_at_ms = now_ms
            self._sweeping = chain.from_iterable(self._tables.gates.partition(self._partition).pages())
        self._forget_gates(work, islice(self._sweeping, KEYS_A_BATCH), rows, now_ms, seen_ms)

    def _forget_seen(self, work: Work, horizon_ms: int) -> None:
        # All in one look: to ask a dictionary for its first key again and again passes over all that was deleted before.
        seen = self._tables.seen.partition(self._partition)
        expired = takewhile(lambda key: seen[key].at_ms < horizon_ms, seen)
        for oldest in list(islice(expired, FORGOTTEN_AT_ONCE)):
            del seen[oldest]
            work.remember(self._tables.seen, oldest, None)

    def _forget_gates(self, work: Work, keys: Iterable[bytes], rows: Rows, now_ms: int, seen_ms: int) -> None:
        gates = self._tables.gates.partition(self._partition)
        for key in keys:
            gate = gates.get(key)
            if gate is None or gate.waits:
                continue
            if gate.spent_generation and key.decode() in rows.triggers:
                continue  # it holds the line for as long as the row is there
            kept_ms = LONGEST_MS if gate.matches or gate.passed else seen_ms
            if gate.at_ms < now_ms - kept_ms:
                del gates[key]
                work.remember(self._tables.gates, key, None)
