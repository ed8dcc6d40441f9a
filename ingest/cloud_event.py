"""CloudEvents 1.0 over HTTP, structured and binary, read into our own event.

Source: CloudEvents 1.0.2, "HTTP Protocol Binding" and "JSON Event Format". The `cloudevents` library takes the binding
apart and judges the attributes; JSON is read by our own strict reader, since the library's takes NaN and wrong types.
Of the extensions `partitionkey`, `workspace` and `touchlinelineage` are understood. Attributes are scalars, so the last is the
JSON text of the `lineage` that an inject carried; in a header it is percent-encoded as the binding says. An attribute `lineage`
is refused, so that nobody's chain is lost unseen. Other extensions are accepted and not kept.
"""

import base64
import binascii
import re
from datetime import datetime
from typing import Any

import msgspec
from cloudevents.core.bindings.http import HTTPMessage, from_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from ingest.acceptance import given_id, given_workspace
from ingest.body import unsupported
from ingest.json_text import check_time, decode, decode_any, decode_object
from streams.errors import InvalidEvent, InvalidInput
from streams.event import Event, read_lineage

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PREFIX = "ce-"
"""What the headers of the binary mode begin with."""

_JSON = re.compile(r"^(application|text)/([a-z0-9.-]+\+)?json$")


def is_cloud_event(text: bytes | msgspec.Raw) -> bool:
    """Whether a JSON text is an object that calls itself a CloudEvent."""
    try:
        value = decode(text, decode_any)
    except InvalidInput:
        return False
    return isinstance(value, dict) and "specversion" in value


def read_structured(text: bytes | msgspec.Raw) -> Event:
    """Read one event in structured mode. Raises problem 400 for what is no JSON, InvalidInput for what is no CloudEvent."""
    attributes = {name: value for name, value in decode_object(text).items() if name == "data" or value is not None}
    encoded = attributes.pop("data_base64", None)
    if encoded is None:
        data = attributes.pop("data", {})
    elif "data" in attributes:
        raise InvalidEvent("data_base64", "stands next to data; one of the two is accepted")
    else:
        data = _read_data(_from_base64(encoded), str(attributes.get("datacontenttype", "")))
    return _to_event(attributes, data)


def read_binary(headers: dict[str, str], body: bytes) -> Event:
    """Read one event in binary mode: its attributes in `ce-` headers, its data as the body.

    Raises like `read_structured`, and problem 415 for data that is neither JSON nor text.
    """
    try:
        message = from_binary(HTTPMessage(headers, body), _StrictFormat(), _Unjudged)
    except ValueError as error:  # the library reads `time` before anything is judged
        raise InvalidEvent("time", f"is no instant by RFC 3339: {error}") from error
    attributes = message.get_attributes()
    if isinstance(time := attributes.get("time"), datetime):
        attributes["time"] = time.isoformat().replace("+00:00", "Z")
    return _to_event(attributes, message.get_data())


class _StrictFormat(JSONFormat):
    """The library's JSON format with our own reader of the data."""

    def read_data(self, body: bytes, datacontenttype: str | None) -> Any:
        return _read_data(body, datacontenttype or "")


class _Unjudged(CloudEvent):
    """A CloudEvent as it came; the library's own would fill in an id and a time that nobody sent."""

    def __init__(self, attributes: dict[str, Any], data: Any = None) -> None:
        self._attributes, self._data = attributes, data


def _to_event(attributes: dict[str, Any], data: Any) -> Event:
    for required in ("specversion", "source", "type"):
        if required not in attributes:
            raise InvalidEvent(required, "is missing; a CloudEvent has specversion, id, source and type")
    event_id = attributes.get("id")
    if event_id is not None and not isinstance(event_id, str):
        raise InvalidEvent("id", "must be a text of 1 to 256 characters")
    lineage = read_lineage(attributes.pop("lineage", None), attributes.pop("touchlinelineage", None))
    _judge(dict(attributes))
    return Event(
        source=attributes["source"],
        type=attributes["type"],
        payload=data,
        id=given_id(event_id),
        subject=attributes.get("subject"),
        time=attributes.get("time"),
        lineage=lineage,
        workspace=given_workspace(attributes.get("workspace")),
        partitionkey=attributes.get("partitionkey"),
    )


def _judge(attributes: dict[str, Any]) -> None:
    """Let the library judge the attributes, as of CloudEvents 1.0. Raises InvalidEvent for the first that is wrong."""
    if "time" in attributes:
        attributes["time"] = msgspec.convert(check_time(attributes["time"]), datetime)
    try:
        CloudEvent(attributes)
    except CloudEventValidationError as error:
        name, faults = next(iter(error.errors.items()))
        raise InvalidEvent(name, str(faults[0])) from error


def _read_data(body: bytes, content_type: str) -> Any:
    name = content_type.partition(";")[0].strip().lower()
    if not body:
        return {}
    if not name or _JSON.match(name):
        return decode(body, decode_any)
    if not name.startswith("text/"):
        raise unsupported(f"{name} is not accepted as an event's data; send JSON or text")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("data", f"is no UTF-8 text: {error}") from error


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidEvent("data_base64", f"is no base64: {error}") from error
