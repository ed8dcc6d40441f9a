"""The messages of Postgres's own logical decoding plugin, from bytes to Python. Pure: no I/O.

Source: PostgreSQL manual, "Logical Replication Message Formats", protocol version 1 without streaming: every
transaction arrives whole, committed, and in commit order.
"""

import re
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from streams.errors import ConnectorError

Row = dict[str, Any]
"""A row by column name, each value something msgspec writes as JSON."""

POSTGRES_EPOCH_MS = 946_684_800_000
"""2000-01-01 UTC, where Postgres counts from, as Unix milliseconds."""


class Column(NamedTuple):
    """One column of a relation, with its type's OID in `pg_type`."""

    name: str
    type_oid: int


class Relation(NamedTuple):
    """What a table looks like from here on in the log."""

    oid: int
    schema: str
    table: str
    replica_identity: str
    columns: tuple[Column, ...]

    @property
    def has_whole_rows(self) -> bool:
        """Whether old rows lie in the log with all their columns: REPLICA IDENTITY FULL."""
        return self.replica_identity == "f"


class Begin(NamedTuple):
    """A transaction begins. `lsn` is where its commit lies, `at_ms` when it committed (Unix time)."""

    lsn: int
    at_ms: int
    transaction_id: int


class Commit(NamedTuple):
    """The transaction ends; `end_lsn` is the position after it."""

    lsn: int
    end_lsn: int
    at_ms: int


class Insert(NamedTuple):
    """A row that is new."""

    relation: Relation
    after: Row


class Update(NamedTuple):
    """A row that was changed. Unless the table's replica identity is FULL, `before` holds the identity's columns alone,
    and is None when they stayed the same.
    """

    relation: Relation
    before: Row | None
    after: Row


class Delete(NamedTuple):
    """A row that is gone. `before` holds the identity's columns alone when the table's replica identity is not FULL."""

    relation: Relation
    before: Row


class Truncate(NamedTuple):
    """Tables that were emptied; which rows they held is not in the log."""

    relations: tuple[Relation, ...]


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate


class Decoder:
    """Decodes one session's messages; it remembers the relations they refer to."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}

    def decode(self, data: bytes) -> Message | None:
        """One message; None for the kinds that say nothing about rows (type, origin, logical message).

        Raises ConnectorError for a message of no known kind, or a value the log does not hold.
        """
        kind, reader = data[:1], _Reader(data)
        if kind == b"B":
            lsn, micros, transaction_id = reader.unpack(">QqI")
            return Begin(lsn, POSTGRES_EPOCH_MS + micros // 1000, transaction_id)
        if kind == b"C":
            _, lsn, end_lsn, micros = reader.unpack(">BQQq")
            return Commit(lsn, end_lsn, POSTGRES_EPOCH_MS + micros // 1000)
        if kind == b"R":
            relation = reader.relation()
            self._relations[relation.oid] = relation
            return relation
        if kind in b"IUD":
            return self._row_change(kind, reader)
        if kind == b"T":
            count, _ = reader.unpack(">IB")
            return Truncate(tuple(self._relation(reader) for _ in range(count)))
        if kind in b"YOM":
            return None
        raise ConnectorError(f"Postgres sent a message of the unknown kind {kind!r}; is the slot's plugin pgoutput?")

    def _relation(self, reader: "_Reader") -> Relation:
        (oid,) = reader.unpack(">I")
        return self._relations[oid]

    def _row_change(self, kind: bytes, reader: "_Reader") -> Insert | Update | Delete:
        relation = self._relation(reader)
        before: Row | None = None
        part = reader.byte()
        if part in b"KO":
            old = reader.row(relation, None)
            # A key's row has null for every column that is not part of it: those are unknown, not null.
            before = old if part == b"O" else {name: value for name, value in old.items() if value is not None}
            if kind == b"D":
                return Delete(relation, before)
            part = reader.byte()
        after = reader.row(relation, before)
        return Insert(relation, after) if kind == b"I" else Update(relation, before, after)


class _Reader:
    """Reads one message's fields in order, from behind its first byte."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 1

    def unpack(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def byte(self) -> bytes:
        return self.take(1)

    def take(self, length: int) -> bytes:
        self._at += length
        return self._data[self._at - length : self._at]

    def text(self) -> str:
        return self.take(self._data.index(0, self._at) + 1 - self._at)[:-1].decode()

    def relation(self) -> Relation:
        (oid,) = self.unpack(">I")
        schema, table, identity = self.text(), self.text(), self.byte().decode()
        (count,) = self.unpack(">H")
        return Relation(oid, schema, table, identity, tuple(self._column() for _ in range(count)))

    def _column(self) -> Column:
        self.byte()  # whether it belongs to the replica identity: with FULL every column does
        name = self.text()
        type_oid, _ = self.unpack(">Ii")
        return Column(name, type_oid)

    def row(self, relation: Relation, before: Row | None) -> Row:
        (count,) = self.unpack(">H")
        return {column.name: self._value(relation, column, before) for column in relation.columns[:count]}

    def _value(self, relation: Relation, column: Column, before: Row | None) -> Any:
        kind = self.byte()
        if kind == b"n":
            return None
        if kind == b"t":
            (length,) = self.unpack(">I")
            return json_value(self.take(length).decode(), column.type_oid)
        # 'u': a large value that the update left alone is not repeated; the old row has it.
        if kind == b"u" and before is not None and column.name in before:
            return before[column.name]
        raise ConnectorError(
            f"the log does not hold {relation.table}.{column.name}; run: ALTER TABLE {relation.table} REPLICA IDENTITY FULL"
        )


_SHORT_OFFSET = re.compile(r"([+-]\d\d)$")


def _instant(text: str) -> str:
    """RFC 3339 from Postgres's ISO style; `infinity` and years beyond four digits stay as they are."""
    return _SHORT_OFFSET.sub(r"\1:00", text.replace(" ", "T", 1)).replace("+00:00", "Z")


def _number(text: str) -> int | float:
    return float(text) if set(text) & set(".eEna") else int(text)


_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)', re.DOTALL)


def _texts(text: str) -> list[str | None]:
    """The elements of a text array, quoted where they must be: `{plain,"two words",NULL}` (PostgreSQL manual, 8.15.6)."""
    return [
        (None if plain == "NULL" else plain) if plain else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        for quoted, plain in _ELEMENT.findall(text)
    ]


_VALUES: dict[int, Callable[[str], Any]] = {
    16: lambda text: text in ("t", "true"),  # bool, as the plugin and as a cast to text writes it
    20: int,
    21: int,
    23: int,
    26: int,
    700: float,
    701: float,
    1700: _number,
    114: lambda text: msgspec.Raw(text.encode()),  # passed on as it is: no number or depth that Postgres holds can fail here
    3802: lambda text: msgspec.Raw(text.encode()),
    1184: _instant,
    1009: _texts,
}
"""By type OID: bool, int8, int2, int4, oid, float4, float8, numeric, json, jsonb, timestamptz, text[]. Source: pg_type.dat."""


def json_value(text: str, type_oid: int) -> Any:
    """A column's text as a JSON value by its type; text for every type that has no nearer one."""
    convert = _VALUES.get(type_oid)
    return text if convert is None else convert(text)
