"""What is written when a dead letter is put back."""

from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from streams.dead import REDRIVEN_HEADER, DeadLetter, Place
from streams.event import ORIGIN_HEADER, SIGNATURE_HEADER, Event, Lineage, encode_event, recorded_id, sign
from streams.execution import Dispatch, Execution, Inject, Status, decode_dispatch, decode_execution, encode
from streams.reading import read_origin
from streams.redrive import Redrive, prepare_redrive
from streams.settings import Settings
from streams.topics import CROSSINGS, DISPATCHES, EVENTS, EXECUTIONS, FIRINGS, Topic, partition_of

SETTINGS = Settings(topic_prefix="t.", partitions=4)
NOW_MS = 1_780_000_000_000
SPREAD = frozenset({"sports"})
INJECT = Inject("x1", "t1", "agent", "desk", "", [], {"id": "e1"}, Lineage("e1", ["t1"], 1), None, None, "")
DISPATCH = Dispatch("hub", False, INJECT, workspace="sports", accepted_at_ms=5, slot="t1", run=1)
MARK = (REDRIVEN_HEADER, b"3-17")


def redrive(topic: Topic, value: bytes | None, key: bytes | None = b"key", attempt: int = 1, **more: Any) -> Redrive:
    """What redriving such a letter writes."""
    letter = DeadLetter(Place(3, 17), 0, key, value, [], topic.full_name(SETTINGS), 6, 5, "gate", "no")._replace(**more)
    return prepare_redrive(letter, topic, attempt, SETTINGS, SPREAD, NOW_MS)


@pytest.mark.parametrize("topic", [CROSSINGS, FIRINGS, EXECUTIONS])
def test_a_record_goes_back_as_it_was_where_its_key_belongs(topic: Topic) -> None:
    """Also when there are more partitions by now than there were."""
    reopening, record = redrive(topic, b"whatever", headers=[("kind", b"told")])
    assert reopening is None
    assert record == (topic, partition_of(b"key", 4), b"key", b"whatever", [("kind", b"told"), MARK])


@pytest.mark.parametrize(
    ("event", "partition", "origin"),
    [
        (Event("stocks", "price", id="e1"), partition_of(b"stocks", 4), []),
        (Event("sports", "goal", id="e1", subject="final"), partition_of(b"sports/final", 4), []),
        (Event("stocks", "price"), partition_of(b"stocks", 4), [(ORIGIN_HEADER, b"t.events/6/5")]),
    ],
)
def test_an_event_goes_back_under_its_own_key_and_keeps_its_id(
    event: Event, partition: int, origin: list[tuple[str, bytes]]
) -> None:
    """An id that follows from where the record lay still does, by the header a forwarded record has."""
    record = redrive(EVENTS, encode_event(event), key=b"of another client").record
    assert (record.partition, record.key, record.headers) == (partition, b"of another client", [MARK, *origin])


def test_an_event_without_an_id_is_the_same_event_again() -> None:
    """It has the id it had, it is judged where it lies now, and it is no forward that came before: it comes late on purpose."""
    topic = EVENTS.full_name(SETTINGS)
    before = recorded_id([], topic, 6, 5)
    restored = redrive(EVENTS, encode_event(Event("stocks", "price")), key=b"of another client").record
    headers = tuple(restored.headers)
    record = ConsumerRecord(topic, restored.partition, 99, NOW_MS, 0, restored.key, restored.value, None, 0, 0, headers)
    assert recorded_id(record.headers, topic, restored.partition, 99) == before
    assert read_origin(record) is None


def test_what_nobody_can_read_goes_back_where_it_lay() -> None:
    """Without a key or a value, too."""
    assert redrive(EVENTS, None, key=None).record == (EVENTS, 6 % 4, None, b"", [MARK])


def test_a_signature_stays_valid_and_the_mark_of_an_earlier_redrive_goes() -> None:
    """Bytes are not touched."""
    value = b'{"source": "manual", "type": "t1",  "id": "e1"}'
    signature = (SIGNATURE_HEADER, sign(value, b"key"))
    record = redrive(EVENTS, value, headers=[signature, (REDRIVEN_HEADER, b"1-1")]).record
    assert (record.value, record.headers) == (value, [signature, MARK])


def test_a_dispatch_opens_its_execution_again_before_it_goes_back() -> None:
    """With the next run, the same ids, and no slot: that was freed when it failed."""
    reopening, record = redrive(DISPATCHES, encode(DISPATCH), attempt=2)
    dispatch = decode_dispatch(record.value)
    assert (dispatch.run, dispatch.slot, dispatch.inject, dispatch.hub_id) == (3, "", DISPATCH.inject, "hub")
    assert reopening is not None
    assert (reopening.topic, reopening.partition, reopening.key) == (EXECUTIONS, partition_of(b"t1", 4), b"t1")
    expected = Execution("x1", "t1", Status.PENDING, NOW_MS, event_id="e1", workspace="sports", hub_id="hub", agent_id="agent")
    expected.agent_instance_id, expected.accepted_at_ms, expected.lineage, expected.run = "desk", 5, INJECT.lineage, 3
    assert decode_execution(reopening.value) == expected


def test_what_is_no_inject_opens_nothing() -> None:
    """A cancellation ends an execution, and what nobody can read has none."""
    cancel = encode(Dispatch("hub", False, INJECT, cancel=True))
    for value in (cancel, b"not json"):
        reopening, record = redrive(DISPATCHES, value)
        assert (reopening, record.value) == (None, value)
