"""Lineage: a chain goes on from event to event, and nobody else can make one."""

from typing import Any

import msgspec
import pytest

from streams.event import Event, Lineage, encode_event, read_event
from streams.lineage import LARGEST_BYTES, LONGEST_CHAIN, extend, is_genuine, signed

KEY = b"a key"
GENUINE = signed(Lineage("e1", ["s", "t"], 2, "x2", "x1"), "sports", KEY)


def test_a_chain_goes_on_with_every_firing() -> None:
    """Its root stays, the trigger is added, the depth grows by one; each firing names its own execution and the one before."""
    first = extend(None, "s", Event(id="e1"), "x1")
    assert first == Lineage("e1", ["s"], 1, "x1")
    second = extend(first, "t", Event(id="e2", lineage=first), "x2")
    assert second == Lineage("e1", ["s", "t"], 2, "x2", "x1")
    assert first.trigger_chain == ["s"]


def test_the_root_of_a_crossing_is_the_event_that_crossed() -> None:
    """Where that event had a lineage the crossing carries it, and its root stays."""
    crossing = Event(id="c1", caused_by="e1")
    assert extend(None, "s", crossing, "x1").root_event_id == "e1"
    assert extend(GENUINE, "u", crossing, "x3") == Lineage("e1", ["s", "t", "u"], 3, "x3", "x2")


def test_what_touchline_signed_is_genuine_however_it_travelled() -> None:
    """As JSON in an event, and with fields that nobody asked for."""
    assert is_genuine(GENUINE, "sports", KEY)
    travelled = read_event(encode_event(Event(source="s", type="t", lineage=GENUINE))).lineage
    assert travelled == GENUINE
    assert is_genuine(msgspec.convert(msgspec.to_builtins(GENUINE) | {"note": 1}, Lineage), "sports", KEY)
    odd = signed(Lineage('é"\\\u2028', ["", "a,b"], 2, "x"), "", KEY)
    assert is_genuine(odd, "", KEY)


OTHER = signed(Lineage("e9", ["s", "t", "u"], 3, "x9", "x8"), "sports", KEY)
"""Genuine too, of another chain."""


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("another root", {"root_event_id": "e2"}),
        ("a shorter chain", {"trigger_chain": ["t"]}),
        ("a chain in another order", {"trigger_chain": ["t", "s"]}),
        ("one name made of two", {"trigger_chain": ['s","t']}),
        ("an empty name more", {"trigger_chain": ["s", "t", ""]}),
        ("no depth", {"trigger_depth": 0}),
        ("less depth", {"trigger_depth": 1}),
        ("an endless depth", {"trigger_depth": 10**30}),
        ("another execution", {"execution_id": "x1"}),
        ("a field's end moved into the next one", {"execution_id": "x", "parent_execution_id": "2x1"}),
        ("another parent", {"parent_execution_id": ""}),
        ("no signature", {"signature": ""}),
        ("a signature of another chain", {"signature": OTHER.signature}),
        ("a signature in capitals", {"signature": GENUINE.signature.upper()}),
        ("a signature that is no text of ours", {"signature": "é" * 64}),
        ("a chain of another lineage", {"trigger_chain": OTHER.trigger_chain}),
    ],
)
def test_a_lineage_of_which_anything_was_changed_is_none(what: str, changed: dict[str, Any]) -> None:
    """Every field is covered by the signature, each with its own bounds."""
    assert not is_genuine(msgspec.structs.replace(GENUINE, **changed), "sports", KEY), what


def test_a_lineage_of_another_workspace_or_another_installation_is_none() -> None:
    """The workspace is signed, and so is the empty one; the key is the installation's."""
    assert not is_genuine(GENUINE, "stocks", KEY)
    assert not is_genuine(GENUINE, "", KEY)
    assert not is_genuine(GENUINE, "sports", b"another key")
    assert not is_genuine(Lineage(), "sports", KEY)


def test_a_chain_is_bounded() -> None:
    """What is longer than any chain that a workspace allows is refused before it costs anything."""
    longest = signed(Lineage("e", ["t" * 256] * LONGEST_CHAIN, LONGEST_CHAIN, "x"), "w", KEY)
    assert is_genuine(longest, "w", KEY)
    longer = signed(Lineage("e", ["t"] * (LONGEST_CHAIN + 1), LONGEST_CHAIN + 1, "x"), "w", KEY)
    larger = signed(Lineage("e" * LARGEST_BYTES, ["t"], 1, "x"), "w", KEY)
    assert not is_genuine(longer, "w", KEY)
    assert not is_genuine(larger, "w", KEY)
