"""The decoder of pgoutput's messages, on bytes laid out as PostgreSQL's manual says."""

import struct
from types import EllipsisType

import msgspec
import pytest

from connectors.postgres.pgoutput import Begin, Commit, Decoder, Delete, Insert, Relation, Truncate, Update, json_value
from streams.errors import ConnectorError

TEXT, BIGINT = 25, 20


def relation(identity: bytes = b"f") -> bytes:
    """A Relation message: table 7, `s.jobs`, with the columns id (text) and size (bigint)."""
    columns = b"\1id\0" + struct.pack(">Ii", TEXT, -1) + b"\0size\0" + struct.pack(">Ii", BIGINT, -1)
    return b"R" + struct.pack(">I", 7) + b"s\0jobs\0" + identity + struct.pack(">H", 2) + columns


def tuple_data(*values: str | EllipsisType | None) -> bytes:
    """TupleData: a text, null, or ... for a value the update left alone."""
    parts = [struct.pack(">H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value is ...:
            parts.append(b"u")
        else:
            parts.append(b"t" + struct.pack(">I", len(value.encode())) + value.encode())
    return b"".join(parts)


@pytest.fixture
def decoder() -> Decoder:
    """A decoder that has seen the relation."""
    decoder = Decoder()
    assert isinstance(decoder.decode(relation()), Relation)
    return decoder


def row_message(kind: bytes, *parts: bytes) -> bytes:
    """An Insert, Update or Delete message of table 7."""
    return kind + struct.pack(">I", 7) + b"".join(parts)


def test_a_transaction_tells_where_and_when_it_committed() -> None:
    """Times count microseconds from 2000-01-01; they come out as Unix milliseconds."""
    decoder = Decoder()
    assert decoder.decode(b"B" + struct.pack(">QqI", 100, 1_500, 42)) == Begin(100, 946_684_800_001, 42)
    assert decoder.decode(b"C" + struct.pack(">BQQq", 0, 100, 148, 0)) == Commit(100, 148, 946_684_800_000)


def test_a_relation_names_its_columns_and_types() -> None:
    """Row messages refer to it by number."""
    found = Decoder().decode(relation())
    assert isinstance(found, Relation)
    assert (found.oid, found.schema, found.table, found.has_whole_rows) == (7, "s", "jobs", True)
    assert found.columns == (("id", TEXT), ("size", BIGINT))


def test_rows_come_out_by_column(decoder: Decoder) -> None:
    """Insert has the new row, update both, delete the old one; null is None."""
    old, new = tuple_data("é", "1"), tuple_data("b", None)
    inserted = decoder.decode(row_message(b"I", b"N", new))
    updated = decoder.decode(row_message(b"U", b"O", old, b"N", new))
    deleted = decoder.decode(row_message(b"D", b"O", old))
    assert isinstance(inserted, Insert)
    assert isinstance(updated, Update)
    assert isinstance(deleted, Delete)
    assert inserted.after == updated.after == {"id": "b", "size": None}
    assert updated.before == deleted.before == {"id": "é", "size": 1}


def test_a_value_the_update_left_alone_comes_from_the_old_row(decoder: Decoder) -> None:
    """Postgres does not log a large unchanged value again; without the old row it cannot be known, and that is said."""
    updated = decoder.decode(row_message(b"U", b"O", tuple_data("large", "1"), b"N", tuple_data(..., "2")))
    assert isinstance(updated, Update)
    assert updated.after == {"id": "large", "size": 2}
    with pytest.raises(ConnectorError, match="REPLICA IDENTITY FULL"):
        decoder.decode(row_message(b"U", b"N", tuple_data(..., "2")))


def test_without_whole_old_rows_only_the_key_is_known() -> None:
    """With the default identity the old row is the key's columns; the others are absent, not null."""
    decoder = Decoder()
    found = decoder.decode(relation(b"d"))
    assert isinstance(found, Relation)
    assert not found.has_whole_rows
    deleted = decoder.decode(row_message(b"D", b"K", tuple_data("a", None)))
    moved = decoder.decode(row_message(b"U", b"K", tuple_data("a", None), b"N", tuple_data("b", "1")))
    changed = decoder.decode(row_message(b"U", b"N", tuple_data("b", "1")))
    assert isinstance(deleted, Delete)
    assert isinstance(moved, Update)
    assert isinstance(changed, Update)
    assert (deleted.before, moved.before, changed.before) == ({"id": "a"}, {"id": "a"}, None)


def test_a_truncate_names_its_tables(decoder: Decoder) -> None:
    """The rows are not in the log, the tables are."""
    found = decoder.decode(b"T" + struct.pack(">IB", 1, 0) + struct.pack(">I", 7))
    assert isinstance(found, Truncate)
    assert [table.table for table in found.relations] == ["jobs"]


def test_what_says_nothing_of_rows_is_passed_over_and_what_is_unknown_is_not(decoder: Decoder) -> None:
    """Types, origins and logical messages are None; a kind the manual does not know is an error, never a guess."""
    assert [decoder.decode(kind + b"\0" * 20) for kind in (b"Y", b"O", b"M")] == [None, None, None]
    with pytest.raises(ConnectorError, match="unknown kind"):
        decoder.decode(b"?")


@pytest.mark.parametrize(
    ("oid", "text", "json"),
    [
        (16, "t", "true"),
        (16, "false", "false"),
        (20, "-9223372036854775808", "-9223372036854775808"),
        (701, "1e+20", "1e20"),
        (701, "NaN", "null"),
        (1700, "12", "12"),
        (1700, "0.5", "0.5"),
        (1009, "{}", "[]"),
        (1009, r'{plain,"","two, words","a\"b\\c",NULL,"NULL"}', r'["plain","","two, words","a\"b\\c",null,"NULL"]'),
        (25, "12", '"12"'),
        (3802, '{"a": [1e400, true]}', '{"a": [1e400, true]}'),
        (3802, "[" * 5000 + "]" * 5000, "[" * 5000 + "]" * 5000),
        (1184, "2026-06-11 20:00:00.5+00", '"2026-06-11T20:00:00.5Z"'),
        (1184, "2026-06-11 20:00:00-06", '"2026-06-11T20:00:00-06:00"'),
        (1184, "2026-06-11 20:00:00+05:30", '"2026-06-11T20:00:00+05:30"'),
        (1184, "infinity", '"infinity"'),
    ],
)
def test_a_columns_text_becomes_json_by_its_type(oid: int, text: str, json: str) -> None:
    """Numbers are numbers, JSON is passed on unread, times are RFC 3339, all else is text; nothing Postgres holds fails."""
    assert msgspec.json.encode(json_value(text, oid)).decode() == json
