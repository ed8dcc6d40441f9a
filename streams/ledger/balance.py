"""What must add up, over partitions and stages, and what is said when it does not. Pure.

What is under way is no fault: it is what a stage has not come to yet, told apart by offsets. So everything here holds at any
moment, under load too, if the observations are made in the order in which `Observed` lists them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from streams.ledger.account import STAGES, Account, Owner
from streams.topics import EXECUTIONS

Accounts = Mapping[tuple[int, Owner], Account]
"""By partition and owner."""
Spans = Mapping[tuple[str, int], tuple[int, int]]
"""By stage and partition of its topic: the first offset that is there, and the one after the last."""

_TAKEN = "retention or somebody's DeleteRecords took them"

TOLD, PASSED = "told", "passed"
"""Outcomes at the gate that are not a firing's end: a word of an execution's, and a firing that comes again elsewhere."""
FIRINGS_NOTE = "firings"
TELLING = ("fired", "queued", "skipped", "refused")
"""Outcomes at the gate that make an execution, which Postgres then has a row of."""
TELLING_NOTES = ("released", "queued", "skipped", "refused")
"""The same for what a debounce delivered at its end."""


class Fault(msgspec.Struct, omit_defaults=True):
    """Something does not add up: `records` are missing, or too many. `partition` is None where it concerns all."""

    stage: str
    records: int
    sentence: str
    partition: int | None = None


class PartitionSums(msgspec.Struct):
    """One stage in one partition. `next_offset` is the first that is not counted; `difference` is records less outcomes."""

    partition: int
    next_offset: int
    records: int
    outcomes: int
    blank: int
    vanished: int
    under_way: int
    difference: int


class StageSums(msgspec.Struct):
    """One stage over all partitions: each field is the sum of theirs, and `outcomes` and `notes` say by name of what."""

    stage: str
    topic: str
    records: int
    outcomes: dict[str, int]
    notes: dict[str, int]
    vanished: int
    under_way: int
    difference: int
    partitions: list[PartitionSums]


class Projected(NamedTuple):
    """What Postgres has: executions by workspace and status, and how many records on `executions` it has yet to take in.

    `vanished` by partition: how many it will never take in, since they were deleted before.
    """

    executions: Mapping[tuple[str, str], int]
    under_way: int
    vanished: Mapping[int, int] = {}


class Observed(NamedTuple):
    """`before` is read first, then `projected` (None: Postgres did not answer), then `accounts`, then `spans`."""

    before: Accounts
    projected: Projected | None
    accounts: Accounts
    spans: Spans


class ExecutionSums(msgspec.Struct):
    """`told`: executions that the gate has made. `statuses`: those in Postgres, by where they stand.

    Postgres may have a few more than were counted: one whose records went out just before a crash, and which was judged again
    by a row that had changed since (a one-shot's own execution disables it), is there and counted as `disabled`.
    """

    told: int
    statuses: dict[str, int]
    under_way: int


class Report(msgspec.Struct):
    """All of it. `workspaces` has each workspace's outcomes and notes by stage; `executions` is None when nobody knows."""

    balanced: bool
    faults: list[Fault]
    stages: list[StageSums]
    executions: ExecutionSums | None
    workspaces: dict[str, dict[str, dict[str, dict[str, int]]]]


def report(observed: Observed) -> Report:
    """Add up, and compare."""
    stages = [_add_up(stage, observed) for stage in STAGES]
    executions = _executions(observed)
    faults = [*_of_partitions(stages), *_of_firings(stages), *_of_executions(observed)]
    return Report(not faults, faults, stages, executions, _by_workspace(observed.accounts))


def _add_up(stage: str, observed: Observed) -> StageSums:
    places = sorted(partition for name, partition in observed.spans if name == stage)
    outcomes: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    by_partition: Counter[int] = Counter()
    own: dict[int, Account] = {}
    for (partition, owner), account in observed.accounts.items():
        if owner.stage == stage and owner.workspace is None:
            own[partition] = account
        elif owner.stage == stage:
            outcomes.update(account.outcomes)
            notes.update(account.notes)
            by_partition[partition] += sum(account.outcomes.values())
    partitions = [
        _sums(place, own.get(place) or Account(offset=-1), by_partition[place], observed.spans[stage, place])
        for place in places
    ]
    return StageSums(
        stage=stage,
        topic=STAGES[stage].name,
        records=sum(sums.records for sums in partitions),
        outcomes=dict(outcomes),
        notes=dict(notes),
        vanished=sum(sums.vanished for sums in partitions),
        under_way=sum(sums.under_way for sums in partitions),
        difference=sum(abs(sums.difference) for sums in partitions),
        partitions=partitions,
    )


def _sums(partition: int, own: Account, outcomes: int, span: tuple[int, int]) -> PartitionSums:
    begin, end = span
    next_offset = own.offset + 1
    return PartitionSums(
        partition=partition,
        next_offset=next_offset,
        records=own.records,
        outcomes=outcomes,
        blank=own.blank,
        vanished=own.vanished + max(0, begin - next_offset),  # these the stage has yet to miss
        under_way=end - max(begin, next_offset),
        difference=own.records - outcomes,
    )


def _of_partitions(stages: Iterable[StageSums]) -> Iterator[Fault]:
    for stage in stages:
        for sums in stage.partitions:
            name, place = stage.stage, f"{stage.topic}, partition {sums.partition}"
            if sums.vanished:
                what = f"{place}: {sums.vanished} records were gone before {name} had judged them"
                yield Fault(name, sums.vanished, f"{what}; {_TAKEN}", sums.partition)
            if sums.difference:
                what = f"{place}: {name} has judged {sums.records} records, and {sums.outcomes} have an outcome"
                yield Fault(name, abs(sums.difference), what, sums.partition)
            if sums.under_way < 0:
                end = sums.next_offset + sums.under_way
                what = f"{place}: ends at offset {end}, and {name} has counted up to {sums.next_offset}"
                yield Fault(name, -sums.under_way, f"{what}; the broker lost what it had, or the topic was made anew")
        if unaccounted := stage.outcomes.get("unaccounted", 0):
            yield Fault(stage.stage, unaccounted, f"{stage.stage} named no outcome for {unaccounted} records of {stage.topic}")


def _of_firings(stages: Iterable[StageSums]) -> Iterator[Fault]:
    """Firings written are judged, or under way, or gone. More are judged than were written once a crash wrote some again."""
    by_name = {stage.stage: stage for stage in stages}
    gate = by_name["gate"]
    written = sum(stage.notes.get(FIRINGS_NOTE, 0) for stage in by_name.values())
    judged = sum(gate.outcomes.values()) - gate.outcomes.get(TOLD, 0) - gate.outcomes.get(PASSED, 0)
    lost = written - judged - max(0, gate.under_way) - gate.vanished
    if lost > 0:
        yield Fault("gate", lost, f"match has written {written} firings, and {judged} have come to the gate: {lost} were lost")


def _of_executions(observed: Observed) -> Iterator[Fault]:
    projected = observed.projected
    if projected is None:
        return
    for partition, records in projected.vanished.items():
        if records:
            what = f"{EXECUTIONS.name}, partition {partition}: {records} records were gone before Postgres had taken them in"
            yield Fault(EXECUTIONS.name, records, f"{what}; {_TAKEN}", partition)
    there, told = sum(projected.executions.values()), _told(observed.before)
    if projected.under_way == 0 and there < told:
        what = f"the gate has made {told} executions, and Postgres has {there}: {told - there} are missing"
        dead = "what Postgres cannot hold is a dead letter (touchline dead list --stage executions_in)"
        again = "an event sent again after TOUCHLINE_SEEN_HOURS makes its execution a second time"
        yield Fault(EXECUTIONS.name, told - there, f"{what}; {dead}, and {again}")


def _executions(observed: Observed) -> ExecutionSums | None:
    if observed.projected is None:
        return None
    statuses: Counter[str] = Counter()
    for (_, status), executions in observed.projected.executions.items():
        statuses[status] += executions
    return ExecutionSums(_told(observed.accounts), dict(statuses), observed.projected.under_way)


def _told(accounts: Accounts) -> int:
    """Executions that the gate has made."""
    return sum(
        sum(account.outcomes.get(name, 0) for name in TELLING) + sum(account.notes.get(name, 0) for name in TELLING_NOTES)
        for (_, owner), account in accounts.items()
        if owner.stage == "gate"
    )


def _by_workspace(accounts: Accounts) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    for (_, owner), account in accounts.items():
        if owner.workspace is not None:
            for kind, counts in (("outcomes", account.outcomes), ("notes", account.notes)):
                sums.setdefault((owner.workspace, owner.stage, kind), Counter()).update(counts)
    found: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for (workspace, stage, kind), counts in sums.items():
        found.setdefault(workspace, {}).setdefault(stage, {})[kind] = dict(counts)
    return found
