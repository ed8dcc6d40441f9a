"""What the tests of shaping share: one event, and rows with some of the columns."""

from typing import Any

from streams.event import Lineage
from streams.shaping.shape import Shaped, check_shaping, shape
from streams.trigger import Trigger

PAYLOAD: dict[str, Any] = {
    "repo": "acme/site",
    "ref": "main",
    "stars": 3,
    "ratio": 0.5,
    "draft": False,
    "assignee": None,
    "title": "",
    "labels": ["bug", "urgent"],
    "a b": "spaced",
    "items": "a member, and no method",
    "key": "repo",
    "owner": {"name": "Bea", "admin": True},
    "commits": [
        {"id": "c1", "author": {"name": "bea"}, "lines": 10, "message": "fix it"},
        {"id": "c2", "author": {"name": "cy"}, "lines": 2, "message": "say <hello>"},
        {"id": "c3", "author": {"name": "bea"}, "lines": 5},
    ],
}
EVENT: dict[str, Any] = {"id": "e1", "source": "github", "type": "push", "time": "2026-01-02T03:04:05Z", "payload": PAYLOAD}
LINEAGE = Lineage("e0", ["t0", "t1"], 2, "x1", "signed")


def row(**columns: Any) -> Trigger:
    """A trigger with these columns of its shaping."""
    return Trigger(
        id="t1",
        name="pushes",
        schedule_expression="github:push",
        agent_id="reviewer",
        hub_id="h",
        supervisor_message="Look.",
        **columns,
    )


def shaped(payload: Any = PAYLOAD, **columns: Any) -> Shaped:
    """What such a row, accepted at the door, makes of the event."""
    trigger = row(**columns)
    check_shaping(trigger)
    return shape(trigger, EVENT | {"payload": payload}, LINEAGE)


def message(template: str, payload: Any = PAYLOAD) -> str:
    """What a text template writes."""
    return shaped(payload, intent_template=template).message


def value(template: Any, payload: Any = PAYLOAD) -> Any:
    """What a template of a JSON value makes."""
    return shaped(payload, input_template=template).input
