"""A firing, the dispatch it becomes, and the execution a hub makes of it: `firings`, `dispatches`, `executions`."""

from enum import StrEnum
from typing import Any

import msgspec

from streams.event import Event, Lineage


class Firing(msgspec.Struct, omit_defaults=True):
    """A trigger and an event that matched it. Key: trigger id. `execution_id` is uuid5(trigger id, event id)."""

    execution_id: str
    trigger_id: str
    event: Event


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

    `fresh` chooses `/inject-and-create` over `/inject`; `recreate` allows it when the instance turns out to be gone.
    """

    hub_id: str
    fresh: bool
    inject: Inject
    recreate: bool = False
    workspace: str = ""
    accepted_at_ms: int = 0


class Status(StrEnum):
    """Where an execution stands. The last three are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class Execution(msgspec.Struct, omit_defaults=True):
    """One change of an execution's status. Key: trigger id.

    All times are Unix milliseconds. `one_shot_generation` is set on the PENDING record of a one-shot trigger: the
    generation of the row (how often it has been enabled) that is spent by it and is to be disabled.
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


encode = msgspec.json.Encoder().encode
decode_firing = msgspec.json.Decoder(Firing).decode
decode_dispatch = msgspec.json.Decoder(Dispatch).decode
decode_execution = msgspec.json.Decoder(Execution).decode
