"""The check of a run, event by event: what was found against what had to be. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from streams.event import RESERVED_SOURCES
from touchline.torture.deliveries import Delivery
from touchline.torture.feed import POISON
from touchline.torture.tables import Tables
from touchline.torture.topic_log import TopicLog
from touchline.torture.truth import Pair, Truth

LOST, SPURIOUS, DOUBLED, OUT_OF_ORDER, UNACCOUNTED = "lost", "spurious", "doubled", "out of order", "unaccounted"
UNEXPECTED = "unexpected answers"
KINDS = (LOST, SPURIOUS, DOUBLED, OUT_OF_ORDER, UNACCOUNTED, UNEXPECTED)


class Finding(NamedTuple):
    """One thing that is wrong. `at_ms` is when it showed, or when it should have; `told` has ids and places."""

    kind: str
    title: str
    at_ms: int
    told: dict[str, Any]


class Evidence(NamedTuple):
    """All that was observed. `accepted_at_ms`: fact id → when its sender was told that it is accepted."""

    deliveries: Sequence[Delivery]
    log: TopicLog
    tables: Tables
    accepted_at_ms: Mapping[str, int]
    lag_records: Mapping[str, int]


class Verdict:
    """Compares. `findings` is empty when every promise was kept."""

    def __init__(self, truth: Truth, evidence: Evidence) -> None:
        self._truth = truth
        self._seen = evidence
        self._effects: dict[Pair, list[Delivery]] = defaultdict(list)
        for delivery in evidence.deliveries:
            if delivery.taken and not delivery.repeated:
                self._effects[delivery.trigger_id, delivery.cause].append(delivery)

    def findings(self) -> list[Finding]:
        """All, by kind."""
        return [
            *self._lost(),
            *self._spurious(),
            *self._doubled(),
            *self._out_of_order(),
            *self._events_unaccounted(),
            *self._dead_unaccounted(),
            *self._rows_unaccounted(),
        ]

    def _lost(self) -> Iterator[Finding]:
        for fact_id, at_ms in self._seen.accepted_at_ms.items():
            if self._truth.facts[fact_id].source != POISON and fact_id not in self._seen.log.events_of:
                yield Finding(LOST, f"{fact_id} was accepted and is not on the topic", at_ms, {"fact": fact_id})
        for pair in sorted(self._truth.expected - self._effects.keys()):
            at_ms = self._seen.accepted_at_ms.get(pair[1], 0)
            yield Finding(LOST, self._name(pair), at_ms, self._trace(pair))

    def _spurious(self) -> Iterator[Finding]:
        for pair in sorted(self._effects.keys() - self._truth.expected):
            yield Finding(SPURIOUS, self._name(pair), self._effects[pair][0].at_ms, self._trace(pair))

    def _doubled(self) -> Iterator[Finding]:
        for pair, effects in self._effects.items():
            if len(effects) > 1:
                told = self._trace(pair) | {"keys": [delivery.key for delivery in effects]}
                yield Finding(DOUBLED, self._name(pair), effects[1].at_ms, told)

    def _out_of_order(self) -> Iterator[Finding]:
        last: dict[tuple[str, str], tuple[int, str]] = {}
        for (trigger_id, cause), effects in self._effects.items():  # in the order of the first effects
            fact = self._truth.facts.get(cause)
            if fact is None or trigger_id not in self._truth.ordered:
                continue
            sequence, before = last.get((trigger_id, fact.key), (0, ""))
            if fact.sequence < sequence:
                told = self._trace((trigger_id, cause)) | {"after": before, "trace_of_after": self._trace((trigger_id, before))}
                what = f"{self._name((trigger_id, cause))} after {before}"
                yield Finding(OUT_OF_ORDER, what, effects[0].at_ms, told)
            else:
                last[trigger_id, fact.key] = fact.sequence, cause

    def _events_unaccounted(self) -> Iterator[Finding]:
        """Every record on `events` has one outcome: dead, forwarded, or judged, and then fired all it had to."""
        log = self._seen.log
        dead = {f"{letter.get('topic')}/{letter.get('partition')}/{letter.get('offset')}" for letter in log.dead}
        forwarded = {record.origin for record in log.events if record.origin}
        fired: dict[str, set[str]] = defaultdict(set)
        for trigger_id, cause in log.firings:
            fired[cause].add(trigger_id)
        wanted: dict[str, set[str]] = defaultdict(set)
        for trigger_id, fact_id in self._truth.expected:
            wanted[fact_id].add(trigger_id)
        for record in log.events:
            told: dict[str, Any] = {"place": record.place, "key": record.key, "fact": record.cause}
            if record.cause is None:
                if record.place not in dead:
                    yield Finding(UNACCOUNTED, f"nobody can read {record.place}, and it is not in dead", 0, told)
            elif record.cause not in self._truth.facts and record.key not in RESERVED_SOURCES:
                yield Finding(UNACCOUNTED, f"nobody sent {record.cause}", 0, told)
            elif missing := wanted[record.cause] - fired[record.cause]:
                labels = sorted(self._truth.labels[trigger_id] for trigger_id in missing)
                told |= {"forwarded": record.place in forwarded, "crossings": log.crossings_of.get(record.cause, [])}
                yield Finding(UNACCOUNTED, f"{record.cause} fired no {labels}", self._accepted(record.cause), told)
        for stage, records in self._seen.lag_records.items():
            if records:
                yield Finding(UNACCOUNTED, f"{stage} has not read {records} records", 0, {"stage": stage, "records": records})

    def _dead_unaccounted(self) -> Iterator[Finding]:
        unreadable = {record.place for record in self._seen.log.events if record.cause is None}
        for letter in self._seen.log.dead:
            if f"{letter.get('topic')}/{letter.get('partition')}/{letter.get('offset')}" not in unreadable:
                yield Finding(UNACCOUNTED, f"a dead letter of {letter.get('stage')}: {letter.get('error')}", 0, letter)

    def _rows_unaccounted(self) -> Iterator[Finding]:
        rows = {row.execution_id: row for row in self._seen.tables.executions}
        for execution_id, row in rows.items():
            if row.status != "COMPLETED":
                pair = self._seen.log.pair_of.get(execution_id, (row.trigger_id, ""))
                told = self._trace(pair) | {"execution_id": execution_id}
                yield Finding(UNACCOUNTED, f"the execution of {self._name(pair)} is {row.status}", 0, told)
        for pair, effects in self._effects.items():
            if effects[0].key not in rows:
                yield Finding(UNACCOUNTED, f"no row of executions for {self._name(pair)}", effects[0].at_ms, self._trace(pair))
        for trigger_id in self._truth.one_shots & self._seen.tables.enabled:
            what = f"the one-shot {self._truth.labels[trigger_id]} is enabled still"
            yield Finding(UNACCOUNTED, what, 0, {"trigger_id": trigger_id})

    def _accepted(self, fact_id: str) -> int:
        return self._seen.accepted_at_ms.get(fact_id, 0)

    def _name(self, pair: Pair) -> str:
        trigger_id, cause = pair
        return f"[{self._truth.labels.get(trigger_id, trigger_id)}] of {cause or '?'}"

    def _trace(self, pair: Pair) -> dict[str, Any]:
        """Where this execution can be seen, stage by stage."""
        trigger_id, cause = pair
        log = self._seen.log
        executions = sorted(execution_id for execution_id, found in log.pair_of.items() if found == pair)
        deliveries = [delivery for delivery in self._seen.deliveries if (delivery.trigger_id, delivery.cause) == pair]
        return {
            "trigger_id": trigger_id,
            "fact": cause,
            "accepted_at_ms": self._accepted(cause),
            "events": log.events_of.get(cause, []),
            "crossings": log.crossings_of.get(cause, []),
            "firings": log.firings.get(pair, []),
            "execution_ids": executions,
            "dispatches": [place for one in executions for place in log.dispatches_of.get(one, [])],
            "executions": [place for one in executions for place in log.executions_of.get(one, [])],
            "deliveries": [[delivery.at_ms, delivery.mood, delivery.taken, delivery.repeated] for delivery in deliveries],
        }
