"""Packed rows: what was put in comes out."""

import msgspec
import pytest

from streams.packed import Packed
from streams.trigger import Trigger
from tests.unit.streams.filters import trigger


def test_a_row_comes_out_as_it_was_put_in() -> None:
    """Every field, and numbers of any size."""
    rows = Packed(Trigger)
    asked = {"n": 2**70, "f": 0.1, "one": 1.0, "deep": {"eq": {"a": [1, None, True, "é\U0001f600"]}}}
    row = trigger("t", match_filter=asked, extra_seed_parts=[{"literal": "x"}], supervisor_message="wake up", generation=2**40)
    rows["t"] = row
    assert rows["t"] == row
    assert msgspec.json.encode(rows["t"]) == msgspec.json.encode(row), "1.0 stays 1.0"


def test_it_is_a_mapping_like_any_other() -> None:
    """Its users ask for a row, whether it is there, and how many there are."""
    rows = Packed(Trigger)
    rows["a"], rows["b"] = trigger("a"), trigger("b")
    assert (len(rows), list(rows), "a" in rows, "c" in rows, rows.get("c")) == (2, ["a", "b"], True, False, None)
    del rows["a"]
    with pytest.raises(KeyError):
        rows["a"]
