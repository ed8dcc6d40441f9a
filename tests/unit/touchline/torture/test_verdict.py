"""The verdict: nothing to say when every promise was kept, and one finding for each that was broken."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streams.event import Event
from streams.execution import Execution, Firing, Status
from streams.topics import DEAD, EVENTS, EXECUTIONS, FIRINGS, Topic
from touchline.torture.deliveries import Delivery
from touchline.torture.feed import HTTP, POISON, Fact
from touchline.torture.tables import ExecutionRow, Tables
from touchline.torture.topic_log import TopicLog
from touchline.torture.truth import Truth
from touchline.torture.verdict import DOUBLED, LOST, OUT_OF_ORDER, SPURIOUS, UNACCOUNTED, Evidence, Finding, Verdict


class Run:
    """A run in which two facts of one key had to fire one trigger each, and did."""

    def __init__(self) -> None:
        self.facts = [Fact(0, f"line#{number}", "line", "move", None, {}, number, HTTP) for number in (1, 2)]
        self.truth = Truth(
            facts={fact.id: fact for fact in self.facts},
            labels={"t": "every move"},
            ordered={"t"},
            expected={("t", fact.id) for fact in self.facts},
        )
        self.log = TopicLog()
        self.deliveries: list[Delivery] = []
        self.rows: list[ExecutionRow] = []
        self.enabled = {"t"}
        self.lag = {"gate": 0}
        for fact in self.facts:
            self.publish(fact.id)
            self.fire(fact.id)

    def publish(self, fact_id: str) -> None:
        """A record on `events`."""
        self.record(EVENTS, msgspec.json.encode(Event(source="line", type="move", id=fact_id)), key=b"line")

    def fire(self, fact_id: str, key: str | None = None, trigger_id: str = "t") -> None:
        """A firing that goes all the way."""
        key = key or f"{trigger_id}/{fact_id}"
        self.record(FIRINGS, msgspec.json.encode(Firing(key, trigger_id, Event(id=fact_id))))
        self.record(EXECUTIONS, msgspec.json.encode(Execution(key, trigger_id, Status.COMPLETED, 1)))
        self.deliveries.append(Delivery(1, key, trigger_id, "desk", fact_id, fact_id, "well", taken=True))
        self.rows.append(ExecutionRow(key, trigger_id, "COMPLETED"))

    def record(self, topic: Topic, value: bytes, key: bytes = b"", headers: Any = ()) -> None:
        """A record on a topic, at the next offset, a second after the one before."""
        offset = self.offset()
        where = {"topic": topic.name, "partition": 0, "offset": offset, "timestamp": offset * 1000}
        self.log.take(topic, SimpleNamespace(**where, key=key, value=value, headers=headers))

    def offset(self) -> int:
        """Unique is enough."""
        self._offset = getattr(self, "_offset", -1) + 1
        return self._offset

    def findings(self) -> list[Finding]:
        """What the verdict says."""
        accepted = {fact.id: 1 for fact in self.truth.facts.values()}
        return Verdict(
            self.truth, Evidence(self.deliveries, self.log, Tables(self.rows, self.enabled), accepted, self.lag)
        ).findings()

    def kinds(self) -> list[str]:
        """Only the kinds."""
        return [finding.kind for finding in self.findings()]


@pytest.fixture
def run() -> Run:
    """A run without a fault."""
    return Run()


def test_nothing_is_found_when_every_promise_was_kept(run: Run) -> None:
    """A redelivery with a known key is allowed, and a refused call is none of our business."""
    again = run.deliveries[0]
    run.deliveries.append(Delivery(2, again.key, "t", "desk", again.cause, again.cause, "well", taken=True, repeated=True))
    run.deliveries.append(Delivery(2, again.key, "t", "desk", again.cause, again.cause, "failing", taken=False))
    run.publish("line#1")
    assert run.findings() == []


def test_a_firing_that_is_written_again_tells_how_far_back_a_worker_read(run: Run) -> None:
    """From the first of them: each record here is a second after the one before."""
    assert run.log.furthest_back_ms == 0
    for fact_id in ("line#1", "line#2", "line#1"):
        run.record(FIRINGS, msgspec.json.encode(Firing(f"t/{fact_id}", "t", Event(id=fact_id))))
    assert run.log.furthest_back_ms == 7000


def test_an_execution_that_never_took_effect_is_lost(run: Run) -> None:
    """Though all of it is on the topics."""
    run.deliveries.pop()
    assert run.kinds() == [LOST]
    assert run.findings()[0].told["firings"]


def test_an_accepted_fact_that_is_not_on_the_topic_is_lost(run: Run) -> None:
    """202 is a promise."""
    run.truth.facts["line#3"] = Fact(0, "line#3", "line", "move", None, {}, 3, HTTP)
    assert run.kinds() == [LOST]


def test_an_execution_that_nothing_asked_for_is_spurious(run: Run) -> None:
    """Such as a crossing that never was."""
    run.truth.expected.discard(("t", "line#2"))
    assert run.kinds() == [SPURIOUS]


def test_two_keys_for_one_trigger_and_event_are_a_doubling(run: Run) -> None:
    """A hub that dedupes by key cannot help there."""
    run.fire("line#1", key="another")
    assert run.kinds() == [DOUBLED]


def test_a_later_fact_before_an_earlier_one_is_out_of_order(run: Run) -> None:
    """At one static instance; elsewhere nothing is promised."""
    run.deliveries.reverse()
    assert run.kinds() == [OUT_OF_ORDER]
    run.truth.ordered.clear()
    assert run.findings() == []


def test_a_record_that_fired_nothing_though_it_had_to_is_unaccounted(run: Run) -> None:
    """The sum of outcomes does not balance, whatever reached the hub."""
    run.log.firings.clear()
    assert run.kinds() == [UNACCOUNTED, UNACCOUNTED]


def test_an_unreadable_record_belongs_in_dead_and_nothing_else_does(run: Run) -> None:
    """Each dead letter is named by the place of its origin."""
    run.truth.facts["poison#1"] = Fact(0, "poison#1", POISON, "", None, {}, 1, HTTP)
    run.record(EVENTS, b"\xff", key=b"poison")
    [finding] = run.findings()
    assert finding.kind == UNACCOUNTED
    topic, partition, offset = finding.told["place"].split("/")
    headers = [("topic", topic.encode()), ("partition", partition.encode()), ("offset", offset.encode())]
    run.record(DEAD, b"\xff", headers=headers)
    assert run.findings() == []
    run.record(DEAD, b"{}", headers=[("topic", b"dispatches"), ("partition", b"0"), ("offset", b"0"), ("stage", b"dispatch")])
    assert run.kinds() == [UNACCOUNTED]


def test_rows_that_are_missing_or_not_final_are_unaccounted(run: Run) -> None:
    """So is a one-shot that is enabled after it fired, and a stage that has not read all."""
    run.rows[0] = run.rows[0]._replace(status="PENDING")
    assert run.kinds() == [UNACCOUNTED]
    run.rows.pop(0)
    assert run.kinds() == [UNACCOUNTED]
    run.truth.one_shots.add("t")
    assert run.kinds() == [UNACCOUNTED] * 2
    run.lag["gate"] = 1
    assert run.kinds() == [UNACCOUNTED] * 3
