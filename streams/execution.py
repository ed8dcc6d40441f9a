"""A firing, the dispatch it becomes, and the execution a hub makes of it: `firings`, `dispatches`, `executions`."""

from enum import StrEnum
from typing import Any

import msgspec

from streams.event import Event, Lineage

KIND_HEADER = "kind"
"""What a record of `firings` is, when it is not simply a firing."""
TOLD, QUOTA = b"told", b"quota"
"""A Told; a firing under its workspace's key, to be counted against the quota before it goes on to its trigger's."""


class Firing(msgspec.Struct, omit_defaults=True):
    """A trigger and an event that matched it. Key: trigger id. `execution_id` is uuid5(trigger id, event id)."""

    execution_id: str
    trigger_id: str
    event: Event


class Told(msgspec.Struct, omit_defaults=True):
    """What the gate hears beside firings, on the same topic under the same key, so that there is one order (streams/gating).

    `slot` is the key of the gate's state that it concerns. With a `status`: the execution that has a slot there, or waits for
    one, stands so now. Without: a time that was waited for has come.
    """

    trigger_id: str
    slot: str
    execution_id: str = ""
    status: "Status | None" = None


class Inject(msgspec.Struct):
    """What a hub is sent (SPEC 7). `seed_parts` are `{"literal": ...}` or `{"request": ...}` objects, in order."""

    execution_id: str
    trigger_id: str
    agent_id: str
    agent_instance_id: str
    message: str
    seed_parts: list[dict[str, Any]]
    event: dict[str, Any]
    lineage: Lineage
    provider: str | None
    model: str | None
    callback_url: str


class Dispatch(msgspec.Struct, omit_defaults=True):
    """One inject to make. Key: `hub_id/agent_instance_id`.

    `fresh` chooses `/inject-and-create` over `/inject`; `fallback` allows it when the instance turns out to be gone, and
    another hub when this one is no longer registered. `slot` is the gate's state in which the execution has a slot, "" for
    none. `run` counts redrives. With `cancel`, it is no inject: the hub is told that this execution is over, and why
    (`inject.message`).
    """

    hub_id: str
    fresh: bool
    inject: Inject
    fallback: bool = False
    workspace: str = ""
    accepted_at_ms: int = 0
    slot: str = ""
    run: int = 0
    cancel: bool = False


class Status(StrEnum):
    """Where an execution stands."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    SKIPPED = "SKIPPED"
    REFUSED = "REFUSED"


FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT, Status.SKIPPED, Status.REFUSED})
"""An execution that stands here stays there, unless its dead letter is redriven. The first of these on the topic holds."""


class Execution(msgspec.Struct, omit_defaults=True):
    """One change of an execution's status. Key: trigger id.

    All times are Unix milliseconds. `one_shot_generation` is set on the first record of a one-shot trigger's execution: the
    generation of the row (how often it has been enabled) that is spent by it and is to be disabled. `slot` and `run` are the
    dispatch's. A RUNNING record beside others is a heartbeat.
    """

    execution_id: str
    trigger_id: str
    status: Status
    at_ms: int
    event_id: str = ""
    workspace: str = ""
    hub_id: str = ""
    agent_instance_id: str = ""
    accepted_at_ms: int = 0
    attempts: int = 0
    input: Any = None
    output: Any = None
    error: str | None = None
    lineage: Lineage | None = None
    one_shot_generation: int = 0
    slot: str = ""
    run: int = 0
    agent_id: str = ""


encode = msgspec.json.Encoder().encode
decode_firing = msgspec.json.Decoder(Firing).decode
decode_dispatch = msgspec.json.Decoder(Dispatch).decode
decode_told = msgspec.json.Decoder(Told).decode
decode_execution = msgspec.json.Decoder(Execution).decode
