"""What adds up, what is still under way, and what is a fault, as a table of observations."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from streams.ledger.account import STAGES, Account, Owner
from streams.ledger.balance import Accounts, Observed, Projected, report

Given = dict[tuple[int, Owner], Account]


def judged(stage: str, offset: int, outcomes: Mapping[str, int], notes: Mapping[str, int] | None = None, **own: int) -> Given:
    """The two accounts of a stage that has judged one workspace's records in partition 0, up to this offset."""
    own_account = msgspec.structs.replace(Account(offset, records=sum(outcomes.values())), **own)
    return {
        (0, Owner(stage, None)): own_account,
        (0, Owner(stage, "default")): Account(offset, dict(outcomes), dict(notes or {})),
    }


def observed(
    accounts: Accounts,
    ends: Mapping[str, tuple[int, int]],
    projected: Projected | None = None,
    before: Accounts | None = None,
) -> Observed:
    """All of it; topics that are not named are empty."""
    spans = {(stage, 0): ends.get(stage, (0, 0)) for stage in STAGES}
    return Observed(accounts if before is None else before, projected, accounts, spans)


MATCHED = judged("match", 9, {"fired": 3, "filtered": 6, "dead": 1}, {"firings": 4})
GATED = judged("gate", 5, {"fired": 2, "queued": 1, "skipped": 1, "told": 1, "passed": 1}, {"released": 1})
ENDS = {"match": (0, 10), "gate": (0, 6)}
DONE = Projected({("default", "COMPLETED"): 4, ("default", "QUEUED"): 1}, under_way=0)

BALANCED: dict[str, Observed] = {
    "nothing has happened": observed({}, {}),
    "all is judged": observed(MATCHED | GATED, ENDS, DONE),
    "Postgres does not answer": observed(MATCHED | GATED, ENDS),
    "events are under way": observed(MATCHED | GATED, ENDS | {"match": (0, 90)}, DONE),
    "firings are under way": observed(
        MATCHED | judged("gate", 1, {"fired": 2}), ENDS, Projected({("default", "PENDING"): 3}, 0)
    ),
    "executions are under way to Postgres": observed(MATCHED | GATED, ENDS, Projected({}, under_way=5)),
    "firings were written again after a crash": observed(
        MATCHED | judged("gate", 7, {"fired": 4, "repeated": 4}), ENDS | {"gate": (0, 8)}
    ),
    "records are deleted that were judged": observed(MATCHED | GATED, {"match": (10, 10), "gate": (3, 6)}, DONE),
    "the gate goes on while Postgres is read": observed(
        MATCHED | GATED, ENDS, DONE, before=MATCHED | judged("gate", 1, {"fired": 2})
    ),
    "an execution was made before a crash, and counted as disabled after it": observed(
        MATCHED | judged("gate", 3, {"fired": 3, "disabled": 1}),
        ENDS | {"gate": (0, 4)},
        Projected({("default", "PENDING"): 4}, 0),
    ),
    "offsets without a record": observed(judged("match", 19, {"filtered": 7}, blank=13), {"match": (0, 20)}),
}

UNBALANCED: dict[str, tuple[Observed, str, int, str]] = {
    "records vanished before they were judged": (
        observed(judged("match", 19, {"filtered": 7}, vanished=13), {"match": (13, 20)}),
        "match",
        13,
        "events, partition 0: 13 records were gone before match had judged them",
    ),
    "records vanished, and no stage has missed them yet": (
        observed(judged("match", 6, {"filtered": 7}), {"match": (12, 12)}),
        "match",
        5,
        "events, partition 0: 5 records were gone before match had judged them",
    ),
    "a workspace's account is lost": (
        observed(judged("match", 9, {"filtered": 7}, records=10), {"match": (0, 10)}),
        "match",
        3,
        "events, partition 0: match has judged 10 records, and 7 have an outcome",
    ),
    "a stage named no outcome": (
        observed(judged("match", 9, {"filtered": 7, "unaccounted": 3}), {"match": (0, 10)}),
        "match",
        3,
        "match named no outcome for 3 records of events",
    ),
    "the broker lost what was judged": (
        observed(judged("match", 9, {"filtered": 10}), {"match": (0, 4)}),
        "match",
        6,
        "events, partition 0: ends at offset 4, and match has counted up to 10",
    ),
    "firings are lost": (
        observed(MATCHED | judged("gate", 3, {"fired": 2, "told": 1, "passed": 1}), {"match": (0, 10), "gate": (0, 4)}),
        "gate",
        2,
        "match has written 4 firings, and 2 have come to the gate: 2 were lost",
    ),
    "executions are missing": (
        observed(MATCHED | GATED, ENDS, Projected({("default", "COMPLETED"): 3}, under_way=0)),
        "executions",
        2,
        "the gate has made 5 executions, and Postgres has 3: 2 are missing",
    ),
    "records of executions vanished": (
        observed(MATCHED | GATED, ENDS, Projected(DONE.executions, under_way=0, vanished={0: 0, 3: 7})),
        "executions",
        7,
        "executions, partition 3: 7 records were gone before Postgres had taken them in",
    ),
}


@pytest.mark.parametrize("case", BALANCED)
def test_what_adds_up_or_is_under_way_is_no_fault(case: str) -> None:
    """At any moment, under load and after crashes too."""
    found = report(BALANCED[case])
    assert (found.balanced, found.faults) == (True, [])


@pytest.mark.parametrize("case", UNBALANCED)
def test_what_does_not_add_up_is_told_with_its_place_and_how_much(case: str) -> None:
    """One fault, in words."""
    given, stage, records, sentence = UNBALANCED[case]
    found = report(given)
    assert not found.balanced
    [fault] = found.faults
    assert (fault.stage, fault.records) == (stage, records)
    assert fault.sentence.startswith(sentence)


def test_sums_are_told_by_stage_partition_and_workspace() -> None:
    """What is shown: the outcomes by name, and what is under way in each partition."""
    found = report(observed(MATCHED | GATED, {"match": (0, 15), "gate": (0, 6)}, DONE))
    match = next(stage for stage in found.stages if stage.stage == "match")
    assert (match.topic, match.records, match.under_way) == ("events", 10, 5)
    assert match.outcomes == {"fired": 3, "filtered": 6, "dead": 1}
    assert [sums.next_offset for sums in match.partitions] == [10]
    expected: dict[str, Any] = {"outcomes": match.outcomes, "notes": {"firings": 4}}
    assert found.workspaces["default"]["match"] == expected
    assert found.executions is not None
    assert (found.executions.told, found.executions.statuses) == (5, {"COMPLETED": 4, "QUEUED": 1})
