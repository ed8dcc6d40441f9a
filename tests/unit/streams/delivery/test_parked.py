"""What a parked dispatch is remembered as."""

import time

import msgspec

from streams.delivery.delivery import inject_body, revive
from streams.delivery.parked import Parked, parked_key, read_parked_key
from streams.event import Lineage
from streams.execution import Dispatch, Inject, encode

INJECT = Inject("x1", "t1", "agent", "desk", "grüß Gott", [{"literal": 1}], {"id": "e1"}, Lineage("e1"), None, None, "cb")
VALUE = encode(Dispatch("hub", True, INJECT, fallback=True, workspace="w", slot="s", run=2))


async def test_a_parked_dispatch_is_taken_up_as_it_was() -> None:
    """Through the changelog and back: bytes, headers, attempts, and when it is due."""
    now_ms = time.time_ns() // 1_000_000
    state = Parked(7, msgspec.Raw(VALUE), 3, now_ms + 5_000, [("trace", b"\xff\x00")])
    again = msgspec.json.decode(msgspec.json.encode(state), type=Parked)
    assert bytes(again.dispatch) == VALUE
    delivery = revive(1, parked_key(42, b"hub/desk"), again, now_ms)
    assert (delivery.partition, delivery.offset, delivery.key) == (1, 42, b"hub/desk")
    assert (delivery.attempts, delivery.parked) == (3, True)
    assert delivery.headers == [("trace", b"\xff\x00")]
    assert 4.9 < delivery.due_at - delivery.taken_at <= 5.0
    heading = delivery.heading
    assert (heading.hub_id, heading.fresh, heading.fallback, heading.workspace) == ("hub", True, True, "w")
    assert (heading.slot, heading.run, heading.cancel, heading.inject.execution_id) == ("s", 2, False, "x1")


def test_a_hub_is_sent_the_inject_as_the_gate_wrote_it() -> None:
    """Nothing is decoded and encoded on the way."""
    assert inject_body(VALUE) == encode(INJECT)


def test_keys_sort_as_offsets_do_and_hold_the_records_key() -> None:
    """That is the order in which they are taken up, of each instance."""
    keys = [parked_key(offset, b"hub/a/b") for offset in (0, 9, 10, 2**63 - 1)]
    assert sorted(keys) == keys
    assert [read_parked_key(key) for key in keys] == [(offset, b"hub/a/b") for offset in (0, 9, 10, 2**63 - 1)]
