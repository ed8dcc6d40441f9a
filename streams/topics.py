"""The topics: their names, keys, retention, and which partition a key belongs to (DESIGN 3)."""

from dataclasses import dataclass, field
from functools import lru_cache

from aiokafka.partitioner import murmur2

from streams.settings import Settings

MAX_RECORD_BYTES = 2 * 1024 * 1024
"""A body of 1 MiB is accepted at the door, and later stages wrap it; the broker's default is hardly more than the body."""
HEADER_BYTES = 64 * 1024
"""Room for a record's key and headers, the reason of a dead letter among them."""
MAX_DISPATCH_BYTES = 4 * MAX_RECORD_BYTES
"""A dispatch tells of its event twice, as the event and as a seed part, beside the texts of its trigger's row."""

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """One topic. `staged` ones have the installation's partition count; the others have one partition, a total order."""

    name: str
    staged: bool = True
    config: dict[str, str] = field(default_factory=dict)

    def full_name(self, settings: Settings) -> str:
        """The name on the broker, with the installation's prefix."""
        return settings.topic_prefix + self.name

    def partitions(self, settings: Settings) -> int:
        """How many partitions it has."""
        return settings.partitions if self.staged else 1


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}


_COMPACTED = {"cleanup.policy": "compact"}

EVENTS = Topic("events", config=_kept(7))
CROSSINGS = Topic("crossings", config=_kept(30))
FIRINGS = Topic("firings", config=_kept(7))
DISPATCHES = Topic("dispatches", config=_kept(7) | {"max.message.bytes": str(MAX_DISPATCH_BYTES)})
EXECUTIONS = Topic("executions", config=_kept(30))
DEAD = Topic("dead", config=_kept(30) | {"max.message.bytes": str(MAX_DISPATCH_BYTES + HEADER_BYTES)})
"""Takes whatever another topic took, with the reason beside it."""

# Rows out of Postgres, one compacted topic a table, in commit order: one partition.
TRIGGERS = Topic("triggers", staged=False, config=_COMPACTED)
HUBS = Topic("hubs", staged=False, config=_COMPACTED)
SOURCES = Topic("sources", staged=False, config=_COMPACTED)
WORKSPACES = Topic("workspaces", staged=False, config=_COMPACTED)
KEYS = Topic("keys", staged=False, config=_COMPACTED)

# What each process says of itself: its stages, its counts, and how far it has applied the rows above.
HEARTBEATS = Topic("heartbeats", staged=False, config=_COMPACTED)

ROWS = (TRIGGERS, HUBS, SOURCES, WORKSPACES, KEYS)
TOPICS = (EVENTS, CROSSINGS, FIRINGS, DISPATCHES, EXECUTIONS, DEAD, *ROWS, HEARTBEATS)


@lru_cache(maxsize=100_000)  # 24 MiB when it is full, which it is soon: each fresh instance of an agent has a key of its own
def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's own partitioner (murmur2) gives this key; remembered, since it is computed in Python.

    Source: `BuiltInPartitioner.partitionForKey` of Kafka's Java client.
    """
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions
