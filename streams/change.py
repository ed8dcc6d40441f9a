"""A row's change on its way out of Postgres, in Debezium's envelope, so that Debezium itself can stand in.

Source: Debezium's PostgreSQL connector, "Data change events". A deleted row is followed by a tombstone.
"""

from typing import Generic, Literal, TypeVar

import msgspec

Row = TypeVar("Row")


class Origin(msgspec.Struct):
    """Where in Postgres a change comes from. `lsn` is the commit's position as a number."""

    lsn: int
    txId: int | None = None  # noqa: N815 -- Debezium's own spelling
    schema: str = "scheduler"
    table: str = ""
    snapshot: bool | str = False


class Change(msgspec.Struct, Generic[Row]):
    """One change of one row. `op`: c(reate), u(pdate), d(elete), r(ead by a snapshot). `ts_ms`: Unix time, milliseconds."""

    before: Row | None
    after: Row | None
    op: Literal["c", "u", "d", "r"]
    source: Origin
    ts_ms: int
