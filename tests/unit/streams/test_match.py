"""match on batches of records: who fires, and what is buried instead."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from faust.types import TP

from streams.engine.batch import Batch
from streams.engine.store import MemoryPartition
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.event import Event, Lineage, derived_id, encode_event, find_header
from streams.execution import decode_firing
from streams.ledger.account import Account
from streams.lineage import signed
from streams.match import Match
from streams.matching.index import Index
from streams.panel import Panel
from streams.reading import Reader
from streams.rows import Rows
from streams.topics import CROSSINGS, DEAD, EVENTS, FIRINGS, Topic
from streams.trigger import Trigger, parse_condition
from tests.unit.streams.detecting import HOME, SETTINGS, Record, SpreadSources, record, watch

KEY = SETTINGS.signing_key.get_secret_value().encode()
GENUINE = signed(Lineage("root", ["s"], 1, "x"), "default", KEY)
WATCH = watch("stocks:price_cross_above", {"price": {"gte": 100}})


class Nothing(SpreadSources):
    """The rows that match asks for: there are none, as far as it does."""

    workspaces: dict[str, Any] = {}  # noqa: RUF012 -- never written


class Accounts:
    """The ledger's table, in memory and new."""

    changelog = "ledger-changelog"

    def partition(self, _: int) -> MemoryPartition[Account]:
        """As StateTable."""
        return MemoryPartition(msgspec.json.Decoder(Account).decode)


def judge(topic: Topic, records: Sequence[Record]) -> Work:
    """One batch, judged for a trigger on quotes and one on crossings of 100."""
    index = Index()
    for name, expression in (("quotes", "stocks:quote"), ("crossings", "stocks:price_cross_above")):
        match_filter = {"price": {"gte": 100}} if name == "crossings" else None
        row = Trigger(name, name, expression, "agent", "hub", match_filter=match_filter)
        index.add(name, row.workspace, parse_condition(row))
    rows, accounts = cast("Rows", Nothing()), cast("StateTable[Account]", Accounts())
    batch = Batch(TP(topic.full_name(SETTINGS), HOME), [records], 0, records[0].offset, records[-1].offset)
    return Panel(Reader(SETTINGS, rows), [Match(SETTINGS, rows, index, accounts)]).judge(batch)


def written(work: Work, topic: Topic) -> list[Any]:
    """What the batch wrote to a topic: (key, value, headers), whatever the partition."""
    return [one for (name, _), records in work.outputs.records.items() if name == topic.full_name(SETTINGS) for one in records]


def crossing(lineage: Lineage) -> Record:
    """A crossing that an event with this lineage caused."""
    event = Event("stocks", "price_cross_above", {"price": 101}, "c", lineage=lineage, watch=WATCH.id, caused_by="e")
    return Record(0, 0, b"stocks", encode_event(event))


def test_a_firing_carries_the_lineage_that_its_event_was_given() -> None:
    """An event that names no workspace is of the workspace default, and so is its lineage."""
    work = judge(EVENTS, [record(0, {}, lineage=GENUINE), record(1, {}, lineage=GENUINE, workspace="default")])
    firings = [decode_firing(value) for _, value, _ in written(work, FIRINGS)]
    assert [(firing.execution_id, firing.event.lineage) for firing in firings] == [
        (derived_id("execution", "quotes", event_id), GENUINE) for event_id in ("e0", "e1")
    ]
    [(_, value, _)] = written(judge(CROSSINGS, [crossing(GENUINE)]), FIRINGS)
    assert decode_firing(value).event.lineage == GENUINE


@pytest.mark.parametrize(
    "lineage",
    [
        Lineage(),
        Lineage("root", ["s"], 1, "x"),
        msgspec.structs.replace(GENUINE, trigger_depth=0),
        signed(GENUINE, "sports", KEY),
        signed(GENUINE, "default", b"another key"),
    ],
)
def test_an_event_whose_lineage_is_forged_fires_nobody_and_is_told(lineage: Lineage) -> None:
    """It goes to `dead` as it was, with the reason, and so does its crossing; those beside it fire."""
    forged = record(1, {}, lineage=lineage)
    for topic, records, fires, stage in (
        (EVENTS, [record(0, {}), forged, record(2, {})], ["e0", "e2"], b"match"),
        (CROSSINGS, [crossing(lineage)], [], b"match_crossings"),
    ):
        work = judge(topic, records)
        assert [decode_firing(value).event.id for _, value, _ in written(work, FIRINGS)] == fires
        [(key, value, headers)] = written(work, DEAD)
        assert (key, value) == (b"stocks", forged.value if topic is EVENTS else records[0].value)
        assert find_header(headers, "stage") == stage
        assert (find_header(headers, "error") or b"").startswith(
            b"lineage: is none that touchline signed for workspace default"
        )


def test_a_forged_lineage_of_an_event_that_nobody_asked_for_costs_nothing() -> None:
    """It leads to nothing, so it is not looked at."""
    work = judge(EVENTS, [record(0, {}, type="trade", lineage=Lineage())])
    assert work.outputs.records == {}
