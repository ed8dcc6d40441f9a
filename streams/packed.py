"""Rows held small: a million triggers are kept as bytes, and read when somebody asks for one.

A row as a struct is about 25 objects; as the JSON of its values, without their names, it is one, of 100 to 300 bytes.
"""

from collections.abc import Iterator, MutableMapping
from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


class Packed(MutableMapping[str, Row], Generic[Row]):
    """Rows by id. Each access gives a new struct: to change a row, set it again."""

    def __init__(self, kind: type[Row]) -> None:
        fields = msgspec.structs.fields(kind)
        self._make = kind
        self._decode = msgspec.json.Decoder(tuple[tuple(field.type for field in fields)]).decode  # type: ignore[misc]  # made here
        self._encode = msgspec.json.Encoder().encode
        self._rows: dict[str, bytes] = {}

    def __getitem__(self, key: str) -> Row:
        return self._make(*self._decode(self._rows[key]))

    def __setitem__(self, key: str, row: Row) -> None:
        self._rows[key] = self._encode(msgspec.structs.astuple(row))

    def __delitem__(self, key: str) -> None:
        del self._rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
