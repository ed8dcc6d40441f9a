"""How far each partition of the `executions` topic has been projected: the table `execution_positions`.

It is written in the transaction that projects, so it and the other tables never differ; whoever holds its row projects alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

_LOCK = """
SELECT topic_partition, next_offset FROM execution_positions
WHERE topic_partition = ANY($1::integer[]) ORDER BY topic_partition FOR UPDATE
"""
_MOVE = """
UPDATE execution_positions AS held SET next_offset = told.next_offset
FROM unnest($1::integer[], $2::bigint[]) AS told (topic_partition, next_offset)
WHERE held.topic_partition = told.topic_partition
"""


class Position(NamedTuple):
    """Every record of a partition before `next_offset` has been projected, or is a dead letter."""

    next_offset: int
    kafka_cluster: str


async def read_positions(connection: asyncpg.Connection) -> dict[int, Position]:
    """How far each partition has been projected."""
    rows = await connection.fetch("SELECT topic_partition, next_offset, kafka_cluster FROM execution_positions")
    return {row["topic_partition"]: Position(row["next_offset"], row["kafka_cluster"]) for row in rows}


async def begin_positions(
    connection: asyncpg.Connection, positions: Mapping[int, Position], kafka_cluster: str, ends: Mapping[int, int]
) -> list[int]:
    """Make sure that each partition of the topic has a position. `ends` is partition -> offset after its last record.

    A position that this topic cannot have given, of another cluster or beyond the end, is that of a topic which is gone: it
    begins anew, and its partition is among those returned. `positions` are to be read before `ends`, which others only move on.
    """
    gone = [
        partition
        for partition, position in positions.items()
        if position.kafka_cluster != kafka_cluster or position.next_offset > ends.get(partition, 0)
    ]
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO execution_positions SELECT partition, 0, $2 FROM unnest($1::integer[]) AS partition"
            " ON CONFLICT DO NOTHING",
            sorted(ends),
            kafka_cluster,
        )
        await connection.execute(
            "UPDATE execution_positions SET next_offset = 0, kafka_cluster = $2 WHERE topic_partition = ANY($1::integer[])",
            gone,
            kafka_cluster,
        )
    return gone


async def lock_positions(connection: asyncpg.Connection, partitions: Sequence[int]) -> dict[int, int]:
    """Hold these partitions until the transaction ends: partition -> offset of the next record to project."""
    return {row["topic_partition"]: row["next_offset"] for row in await connection.fetch(_LOCK, partitions)}


async def move_positions(connection: asyncpg.Connection, next_offsets: Mapping[int, int]) -> None:
    """Say how far it is now."""
    if next_offsets:
        await connection.execute(_MOVE, list(next_offsets), list(next_offsets.values()))
