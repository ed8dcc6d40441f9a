"""CloudEvents 1.0, read into our own event."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from fastapi_problem.error import Problem

from ingest.cloud_event import read_binary, read_structured
from streams.errors import InvalidInput
from streams.event import Event, Lineage, read_event

REQUIRED = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}
HEADERS = {f"ce-{name}": value for name, value in REQUIRED.items()}


def structured(**more: Any) -> Event:
    """Read a structured event."""
    return read_structured(json.dumps(REQUIRED | more).encode())


def test_what_was_not_sent_is_not_invented() -> None:
    """No time, no subject, no data: none of them appears."""
    event = structured()
    assert (event.time, event.subject, event.payload, event.partitionkey) == (None, None, {}, None)
    assert structured(data=None).payload is None


def test_null_attributes_are_not_there() -> None:
    """JSON Event Format, section 3.1."""
    assert structured(subject=None, partitionkey=None).subject is None


def test_base64_data_is_read_as_what_it_is() -> None:
    """JSON by its datacontenttype or by default, else text."""
    encoded = base64.b64encode(b'{"a": 1}').decode()
    assert structured(data_base64=encoded).payload == {"a": 1}
    assert structured(data_base64=encoded, datacontenttype="text/plain").payload == '{"a": 1}'


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": 7}, "id"),
        ({"source": 7}, "source"),
        ({"type": ""}, "type"),
        ({"time": "noon"}, "time"),
        ({"time": 7}, "time"),
        ({"subject": ""}, "subject"),
        ({"Upper": "x"}, "Upper"),
        ({"lineage": 7}, "lineage"),
        ({"touchlinelineage": 7}, "touchlinelineage"),
        ({"data_base64": "*"}, "data_base64"),
        ({"data_base64": 7}, "data_base64"),
        ({"data_base64": "e30=", "data": 1}, "data_base64"),
    ],
)
def test_a_wrong_attribute_is_named(more: dict[str, Any], path: str) -> None:
    """InvalidInput, never another error."""
    with pytest.raises(InvalidInput) as caught:
        structured(**more)
    assert caught.value.path == path


def test_binary_data_is_read_by_its_content_type() -> None:
    """JSON, JSON by suffix, text; and no data at all."""
    assert read_binary(HEADERS | {"content-type": "application/vnd.sensor+json"}, b"[1]").payload == [1]
    assert read_binary(HEADERS | {"content-type": "text/plain; charset=utf-8"}, b"warm").payload == "warm"
    assert read_binary(HEADERS, b"").payload == {}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [({"content-type": "application/json"}, b"{", 400), ({"content-type": "application/octet-stream"}, b"x", 415)],
)
def test_binary_data_that_cannot_be_kept_is_refused(headers: dict[str, str], body: bytes, status: int) -> None:
    """A problem with its status."""
    with pytest.raises(Problem) as caught:
        read_binary(HEADERS | headers, body)
    assert caught.value.status == status


LINEAGE = {"root_event_id": "é1", "trigger_chain": ["t"], "trigger_depth": 1, "execution_id": "x", "signature": "s"}


def test_a_cloud_event_carries_its_lineage_as_text() -> None:
    """Attributes are scalars: it is the JSON text of the inject's object, percent-encoded in a header."""
    expected = Lineage("é1", ["t"], 1, "x", signature="s")
    text = json.dumps(LINEAGE)
    assert structured(touchlinelineage=text).lineage == expected
    assert read_binary(HEADERS | {"ce-touchlinelineage": quote(text)}, b"{}").lineage == expected
    assert read_binary(HEADERS | {"ce-touchlinelineage": text}, b"{}").lineage == expected
    assert structured(touchlinelineage=None).lineage is None
    straight = read_event(json.dumps(REQUIRED | {"touchlinelineage": text}).encode())
    assert (straight.lineage, straight.touchlinelineage) == (expected, None)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"lineage": LINEAGE}, "lineage"),
        ({"touchlinelineage": "no JSON"}, "touchlinelineage"),
        ({"touchlinelineage": '{"trigger_depth": "x"}'}, "touchlinelineage"),
        ({"touchlinelineage": "[" * 10_000}, "touchlinelineage"),
        ({"touchlinelineage": ""}, "touchlinelineage"),
    ],
)
def test_a_lineage_that_cannot_be_read_is_refused_at_the_door_and_behind_it(more: dict[str, Any], path: str) -> None:
    """Over HTTP and straight from Kafka alike, so that no chain is lost unseen."""
    for read in (read_structured, read_event):
        with pytest.raises(InvalidInput) as caught:
            read(json.dumps(REQUIRED | more).encode())
        assert caught.value.path == path
