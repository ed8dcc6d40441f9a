"""A field that rows are looked up by: a path inside the payload, and how the index goes by the value found there."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from streams.language.filter import Path, field_getter

_CUTS: dict[str, Callable[[Sequence[float], float], int]] = {
    "gt": bisect_left,
    "gte": bisect_right,
    "lt": bisect_right,
    "lte": bisect_left,
}


class Field:
    """One kind and path. There is one object for all rows that are looked up so (`field_of`)."""

    __slots__ = ("__weakref__", "cut", "get", "is_lower", "kind", "name", "path")

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        """`value`: an equality, or each value of an `in`. `part`: of a text, or an element of a list. `prefix`: of a text.
        `band`: two bounds of a number; `gt` to `lte`: one. `test`: no field at all."""
        self.path = path
        self.name = path[0] if len(path) == 1 else None
        """The field's name when it lies at the top of the payload, the common case: then one look at a dictionary will do."""
        self.get: Callable[[Any], Any] = field_getter(path)
        self.cut = _CUTS.get(kind, bisect_right)
        """Where to cut sorted thresholds at a value, if they are bounds."""
        self.is_lower = kind in ("gt", "gte")
        """Lower bounds: a value passes the thresholds below the cut; upper bounds: those above."""


_fields: WeakValueDictionary[tuple[str, Path], Field] = WeakValueDictionary()


def field_of(kind: str, path: Path) -> Field:
    """The field of this kind and path: the same object for as long as anybody uses it."""
    field = _fields.get((kind, path))
    if field is None:
        field = _fields[kind, path] = Field(kind, path)
    return field
