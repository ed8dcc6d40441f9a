"""Dead letters as they are written and read back."""

from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from streams.dead import Concern, Place, concern, dead_letter_headers, read_letter, read_place
from streams.event import Event, Lineage, recorded_id
from streams.execution import KIND_HEADER, QUOTA, Dispatch, Execution, Firing, Inject, Status, Told, encode
from streams.settings import Settings
from streams.topics import CROSSINGS, DISPATCHES, EVENTS, EXECUTIONS, FIRINGS, Topic

SETTINGS = Settings(topic_prefix="t.", partitions=4)
EVENT = Event(source="stocks", type="price", id="e1", workspace="sports")
INJECT = Inject("x1", "t1", "agent", "desk", "", [], {"id": "e1"}, Lineage(), None, None, "")


def record(value: bytes | None, headers: list[tuple[str, bytes]], key: bytes | None = b"key") -> Any:
    """A record of `dead`."""
    return ConsumerRecord("t.dead", 3, 17, 1_780_000_000_000, 0, key, value, None, 0, 0, tuple(headers))


def letter(value: bytes | None, topic: Topic = FIRINGS, own: list[tuple[str, bytes]] | None = None) -> Any:
    """A dead letter, read back."""
    return read_letter(record(value, dead_letter_headers(own or [], topic.full_name(SETTINGS), 2, 5, "gate", "no")))


def test_a_letter_is_read_back_as_it_was_buried() -> None:
    """Its own headers, even those with our names, are told from ours."""
    own = [("stage", b"theirs"), ("resolves", b"3-1"), ("error", b"\xff")]
    read = letter(b"{}", own=own)
    assert (read.place, str(read.place), read.key, read.value, read.headers) == (Place(3, 17), "3-17", b"key", b"{}", own)
    assert (read.topic, read.partition, read.offset, read.stage, read.reason) == ("t.firings", 2, 5, "gate", "no")
    assert read.home(SETTINGS) is FIRINGS


def test_what_is_no_letter_is_none() -> None:
    """Records without our headers last, or with coordinates that are none."""
    ours = dead_letter_headers([], "t.firings", 2, 5, "gate", "no")
    for headers in ([], ours[:-1], [*ours, ("more", b"")], [(name, b"x") for name, _ in ours]):
        assert read_letter(record(b"{}", headers)) is None
    for text in ("", "3", "3-", "-3-1", "3-1 ", "3-1-1", "٣-1", "1" * 30 + "-1"):
        assert read_place(text) is None, text
    assert read_place("3-17") == Place(3, 17)


@pytest.mark.parametrize(
    ("topic", "value", "expected"),
    [
        (EVENTS, encode(EVENT), Concern("sports", event_id="e1")),
        (CROSSINGS, b'{"id": "e1", "source": 5}', Concern("default", event_id="e1")),
        (EVENTS, b"{}", Concern("default", event_id=recorded_id([], "t.events", 2, 5))),
        (EVENTS, b"not json", Concern()),
        (EVENTS, None, Concern()),
        (FIRINGS, encode(Firing("x1", "t1", EVENT)), Concern("sports", "t1", "x1", "e1")),
        (FIRINGS, encode(Told("t1", "t1")), Concern(None, "t1")),
        (FIRINGS, b"not json", Concern(trigger_id="key")),
        (DISPATCHES, encode(Dispatch("desk", False, INJECT, workspace="sports")), Concern("sports", "t1", "x1", "e1")),
        (DISPATCHES, b"\xff", Concern()),
        (EXECUTIONS, encode(Execution("x1", "t1", Status.FAILED, 0, "e1")), Concern("default", "t1", "x1", "e1")),
        (EXECUTIONS, b"[" * 5000, Concern(trigger_id="key")),
    ],
)
def test_whom_a_letter_concerns_follows_from_its_value(topic: Topic, value: bytes | None, expected: Concern) -> None:
    """Of what nobody can read, no workspace is known: the key may tell the trigger."""
    assert concern(letter(value, topic), topic) == expected


def test_a_firing_under_its_workspaces_key_names_no_trigger() -> None:
    """Its key is not a trigger's id."""
    assert concern(letter(b"not json", own=[(KIND_HEADER, QUOTA)]), FIRINGS) == Concern()
