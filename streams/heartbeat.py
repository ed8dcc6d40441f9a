"""What each process says of itself on `heartbeats`: its stages, its counts, and how far it has applied the rows."""

import msgspec

MISSED_BEATS = 3
"""Heartbeats a process may miss before it counts as gone: one may be late under load, three are not."""
LEASE_BEATS = 2.5
"""How many beats after its last heartbeat was sent a worker may still judge: fewer than others wait (`streams/lease.py`)."""


class Heartbeat(msgspec.Struct, omit_defaults=True):
    """One process's word. Key: `process`. A process that stops in good order leaves a tombstone.

    `role` is worker, connect or ingest. `stages` maps each stage that works to the partitions it holds. `counts` maps
    stage.outcome to how many records since the process began. `applied` maps a row topic (triggers, hubs, …) to
    the next offset it will apply: a row at a smaller offset is live in this process. `lag_bytes` is the log that the
    replication slot holds back in Postgres (connect only).
    """

    process: str
    role: str
    at_ms: int
    stages: dict[str, list[int]] = {}
    counts: dict[str, int] = {}
    applied: dict[str, int] = {}
    lag_bytes: int | None = None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Heartbeat).decode
