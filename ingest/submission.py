"""The plain object an event is handed in as: `{source, type, payload}`, and a few fields more."""

from typing import Any

import msgspec

from ingest.acceptance import given_id, given_workspace
from ingest.json_text import decode
from streams.event import Event, Lineage


class Submission(msgspec.Struct, forbid_unknown_fields=True):
    """`source` and `type` are required. Without a payload an event says that it happened, and no more."""

    source: Any = None
    type: Any = None
    payload: Any = {}
    id: str | None = None
    subject: str | None = None
    time: str | None = None
    lineage: Lineage | None = None
    workspace: str | None = None


FIELDS = Submission.__struct_fields__
_decode = msgspec.json.Decoder(Submission).decode


def read_submission(text: bytes | msgspec.Raw) -> Event:
    """Read one plain object. Raises problem 400 for what is no JSON, InvalidInput for wrong fields."""
    given = decode(text, _decode, FIELDS)
    return Event(
        source=given.source,
        type=given.type,
        payload=given.payload,
        id=given_id(given.id),
        subject=given.subject,
        time=given.time,
        lineage=given.lineage,
        workspace=given_workspace(given.workspace),
    )
