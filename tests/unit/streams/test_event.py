"""Events: what is read, what is refused, and ids that follow from what they stand for."""

import uuid

import pytest

from streams.errors import InvalidEvent
from streams.event import SIGNATURE_HEADER, Event, derived_id, event_key, is_signed, read_event, sign


def test_a_plain_object_and_a_cloudevent_are_the_same_event() -> None:
    """Both shapes a feed may produce decode into one."""
    plain = read_event(b'{"source":"s","type":"t","id":"1","payload":{"a":1}}')
    cloud = read_event(b'{"specversion":"1.0","source":"s","type":"t","id":"1","data":{"a":1}}')
    assert plain == cloud


@pytest.mark.parametrize(
    "value",
    [None, b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"source":"s"}', b'{"source":"","type":"t"}', b'{"source":1,"type":"t"}',
     b'{"source":"a\\u0000b","type":"t"}', b'{"specversion":"0.3","source":"s","type":"t"}', b"[" * 100_000],
)  # fmt: skip
def test_rubbish_is_refused_with_a_reason(value: bytes | None) -> None:
    """Whatever the bytes, the answer is an InvalidEvent with words in it."""
    with pytest.raises(InvalidEvent) as refused:
        read_event(value)
    assert str(refused.value)


def test_the_key_is_the_source_or_source_and_subject_when_spread() -> None:
    """Only a source declared `spread: subject` is spread; a partition key of the event's own wins."""
    event = Event(source="games", type="goal", subject="g1")
    assert event_key(event, frozenset()) == b"games"
    assert event_key(event, frozenset({"games"})) == b"games/g1"
    event.partitionkey = "mine"
    assert event_key(event, frozenset({"games"})) == b"mine"


def test_derived_ids_never_change() -> None:
    """An id is a function of its parts alone, on every machine and in every version."""
    assert derived_id("execution", "t", "e") == "a689869d-9825-5df5-8157-f24ae679e56a"
    namespace = uuid.UUID("6a0b7d52-3a55-5d3c-9d0a-5a2f6f1d7c11")
    assert derived_id("goal", "Türkiye\x00日本") == str(uuid.uuid5(namespace, "goal\x1fTürkiye\x00日本"))


def test_only_the_holder_of_the_key_signs() -> None:
    """A reserved source's record is ours only with our signature over exactly these bytes."""
    headers = [(SIGNATURE_HEADER, sign(b"value", b"key"))]
    assert is_signed(b"value", headers, b"key")
    assert not is_signed(b"other", headers, b"key")
    assert not is_signed(b"value", headers, b"other")
    assert not is_signed(b"value", [], b"key")
