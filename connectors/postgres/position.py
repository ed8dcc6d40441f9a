"""How far the rows have gone out, kept in Postgres: the table `connector_snapshots`."""

from datetime import datetime

import asyncpg
import msgspec


class Position(msgspec.Struct):
    """One slot's progress. `snapshot_lsn`: what the last snapshot shows. `lsn`: all that committed before it is on the topics.

    `topic_ends` is topic -> offset after its last record, in the Kafka cluster `kafka_cluster`.
    """

    snapshot_lsn: int
    taken_at: datetime
    lsn: int
    kafka_cluster: str
    topic_ends: dict[str, int]


async def read_position(connection: asyncpg.Connection, slot: str) -> Position | None:
    """The slot's progress; None before its first snapshot is complete."""
    row = await connection.fetchrow(
        "SELECT lsn, taken_at, position, kafka_cluster, topic_ends::text FROM connector_snapshots WHERE slot = $1", slot
    )
    if row is None:
        return None
    snapshot_lsn, taken_at, lsn, kafka_cluster, ends = row
    return Position(snapshot_lsn, taken_at, lsn, kafka_cluster, msgspec.json.decode(ends, type=dict[str, int]))


async def write_position(connection: asyncpg.Connection, slot: str, position: Position) -> None:
    """Keep the progress, durably when it returns."""
    await connection.execute(
        "INSERT INTO connector_snapshots (slot, lsn, taken_at, position, kafka_cluster, topic_ends)"
        " VALUES ($1, $2, $3, $4, $5, $6::text::jsonb)"
        " ON CONFLICT (slot) DO UPDATE SET (lsn, taken_at, position, kafka_cluster, topic_ends)"
        " = (excluded.lsn, excluded.taken_at, excluded.position, excluded.kafka_cluster, excluded.topic_ends)",
        slot,
        position.snapshot_lsn,
        position.taken_at,
        position.lsn,
        position.kafka_cluster,
        msgspec.json.encode(position.topic_ends).decode(),
    )


async def forget_position(connection: asyncpg.Connection, slot: str) -> None:
    """From here until `write_position`, no snapshot is complete."""
    await connection.execute("DELETE FROM connector_snapshots WHERE slot = $1", slot)
