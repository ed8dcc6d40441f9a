"""A page: every record has one outcome in the accounts, however often it is judged."""

import pytest

from streams.engine.work import Work
from streams.event import Event
from streams.ledger import page as pages
from streams.ledger.account import NOBODY, OTHERS, Account, Owner, key_of, owner_of
from tests.unit.streams.detecting import Record
from tests.unit.streams.ledger.counting import Process, changes, readables


def test_outcomes_add_up_to_the_records_judged() -> None:
    """By workspace, with what happened beside; the partition's own account says how far it is counted."""
    process = Process()
    page, work, records = process.open(0, 4)
    for record, workspace, outcome in zip(records, "aabab", ("fired", "queued", "fired", "fired", "dead"), strict=True):
        page.count(record, workspace, outcome)
    page.note(records[0], "a", "taken", 2)
    page.close()
    assert process.account("a") == Account(4, {"fired": 2, "queued": 1}, {"taken": 2})
    assert process.account("b") == Account(4, {"fired": 1, "dead": 1})
    assert process.account() == Account(4, records=5, workspaces=2)
    assert [owner_of(key).workspace for key, _ in changes(work)] == ["a", "b", None]


def test_a_batch_judged_again_is_counted_once() -> None:
    """Whole, in part, with other borders, and with another outcome than the first time: the first one stays."""
    process = Process()
    process.count(0, 9)
    again = Process(process.changelog)
    again.count(0, 9, "repeated")
    again.count(5, 14, "repeated")
    assert again.account("default") == Account(14, {"fired": 10, "repeated": 5})
    assert again.account() == Account(14, records=15, workspaces=1)


def test_a_write_of_which_only_a_part_arrived_is_completed() -> None:
    """A workspace whose account is ahead of the partition's is not counted twice; the others are not forgotten."""
    process = Process()
    page, work, records = process.open(0, 3)
    for record, workspace in zip(records, "abab", strict=True):
        page.count(record, workspace, "fired")
    page.close()
    again = Process(changes(work)[:1])
    page, _, records = again.open(0, 3)
    for record, workspace in zip(records, "abab", strict=True):
        page.count(record, workspace, "fired")
    page.close()
    assert [again.account(workspace).outcomes for workspace in "ab"] == [{"fired": 2}, {"fired": 2}]
    assert again.account().records == 4


def test_the_rest_of_a_batch_is_counted_at_once() -> None:
    """All events that nobody asked for, by workspace, without those that have an outcome already; also when judged again."""
    process = Process()
    for _ in range(2):
        page, work, records = process.open(0, 5)
        events = readables(records, ["", "a"])  # an event without a workspace is in the default one
        page.count(records[1], "a", "fired")
        page.count(records[2], "default", "dead")
        page.count_rest(events, "filtered")
        page.close()
        process.write(work)
    assert process.account("default") == Account(5, {"dead": 1, "filtered": 2})
    assert process.account("a") == Account(5, {"fired": 1, "filtered": 2})
    page, _, records = process.open(4, 7)
    page.count_rest([(record, Event(workspace="a"), b"") for record in records], "filtered")
    page.close()
    assert process.account("a").outcomes == {"fired": 1, "filtered": 4}


def test_the_rest_of_a_batch_is_counted_portion_by_portion() -> None:
    """A portion's rest is what has no outcome in it, whatever others ended as; also when half of the batch is judged again."""
    process = Process()
    for first in (0, 2):
        work = Work()
        records = [Record(offset, 0, b"k", b"") for offset in range(first, 6)]
        page = process.page(work, records)
        for portion in (records[:3], records[3:]):
            page.turn(portion)
            page.count(portion[0], "a", "fired")
            page.count_rest(readables(portion[:-1], ["a"]), "filtered")
            page.count(portion[-1], "a", "dead")
        page.close()
        process.write(work)
    assert process.account("a") == Account(5, {"fired": 2, "filtered": 2, "dead": 2})
    assert process.account() == Account(5, records=6, workspaces=1)


def test_offsets_without_a_record_are_blank_and_lost_ones_have_vanished() -> None:
    """What lies inside a batch the broker accounts for; what lies between two batches nobody does."""
    process = Process()
    page, _, records = process.open(0, 9, offsets=(1, 2, 8))
    for record in records:
        page.count(record, "a", "fired")
    page.close()
    page, _, _ = process.open(10, 10, offsets=())
    page.close()
    assert process.account() == Account(10, records=3, blank=8, workspaces=1)
    process.count(18, 19)
    assert process.account() == Account(19, records=5, blank=8, vanished=7, workspaces=2)


def test_a_record_without_an_outcome_is_told_of() -> None:
    """A stage that forgot one: the sums show it under a name of its own."""
    process = Process()
    page, _, records = process.open(0, 2)
    page.count(records[0], "a", "fired")
    page.close()
    assert process.account(NOBODY).outcomes == {pages.UNACCOUNTED: 2}


def test_workspaces_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come in with events; those that have an account keep it."""
    monkeypatch.setattr(pages, "LARGEST_WORKSPACES", 2)
    process = Process()
    for workspace in ("a", "b", "c", "d", "a"):
        offset = process.account().offset + 1 if process.changelog else 0
        process.count(offset, offset, workspace=workspace)
    assert process.account("a").outcomes == {"fired": 2}
    assert process.account(OTHERS).outcomes == {"fired": 2}
    page, _, records = process.open(5, 8)
    page.count_rest(readables(records, ["e", "b", "f", "g"]), "filtered")
    page.close()
    assert process.account(OTHERS).outcomes == {"fired": 2, "filtered": 3}
    assert process.account("b").outcomes == {"fired": 1, "filtered": 1}


def test_keys_and_owners_are_each_others_inverse() -> None:
    """A workspace may have any name."""
    for owner in (Owner("gate", None), Owner("gate", ""), Owner("match", "a b/c")):
        assert owner_of(key_of(owner)) == owner
