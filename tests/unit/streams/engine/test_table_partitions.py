"""A partition's states, in memory and on disk: always a prefix of the changelog, and on top of it what was judged since."""

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from streams.engine.disk_store import DiskStore
from streams.engine.store import NOTHING, Partition, choose_store
from streams.engine.writer import Written
from streams.settings import Settings
from streams.state import State


class Seen(State):
    """A state."""

    mark: int = 0


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Seen).decode
OpenIt = Callable[[], Partition[Seen]]


class Line(NamedTuple):
    """A changelog record."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def line(offset: int, key: bytes, state: Seen | None) -> Line:
    """A record of the changelog: this key's state, or its tombstone."""
    return Line(offset, key, None if state is None else encode(state))


def put(partition: Partition[Seen], first_offset: int, states: Mapping[bytes, Seen | None]) -> None:
    """These states' changelog records are acked, from this offset on."""
    values = {key: None if state is None else encode(state) for key, state in states.items()}
    partition.persist(states, values, Written(first_offset, first_offset + len(states) - 1))


@pytest.fixture(params=["memory", "rocksdb"])
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> OpenIt:
    """Opens one partition, with each store."""
    settings = Settings(store=request.param, store_directory=tmp_path, store_recent_keys=40, partitions=4)
    store = choose_store(settings)
    return lambda: store("seen", 2, decode, by_age=True)


@pytest.fixture
def open_disk(tmp_path: Path) -> OpenIt:
    """Opens one partition on disk, again and again the same."""
    store = DiskStore(Settings(store="rocksdb", store_directory=tmp_path, store_recent_keys=40, partitions=4))
    return lambda: store.open("seen", 2, decode, by_age=True)


def test_of_two_states_of_a_key_the_larger_input_offset_counts(open_it: OpenIt) -> None:
    """Within a batch and from batch to batch; of equal ones the later, which is a replay of the same."""
    partition = open_it()
    partition.restore([line(0, b"k", Seen(10, 1)), line(1, b"k", Seen(50, 5)), line(2, b"k", Seen(30, 3))], 2)
    assert partition.get(b"k") == Seen(50, 5)
    partition.restore([line(3, b"k", Seen(40, 4))], 3)
    assert (partition.get(b"k"), partition.offset) == (Seen(50, 5), 3)


def test_a_tombstone_forgets_whatever_was_there(open_it: OpenIt) -> None:
    """What comes after it counts anew, however small its offset."""
    partition = open_it()
    partition.restore([line(0, b"k", Seen(50, 5)), line(1, b"gone", Seen(1, 1))], 1)
    partition.restore([line(2, b"gone", None), line(3, b"k", None), line(4, b"k", Seen(3, 9))], 4)
    assert (partition.get(b"k"), partition.get(b"gone"), list(partition)) == (Seen(3, 9), None, [b"k"])


def test_a_record_without_a_key_or_with_nonsense_is_passed_over(open_it: OpenIt) -> None:
    """Its neighbours are applied."""
    partition = open_it()
    partition.restore([Line(0, None, b"{}"), Line(1, b"bad", b"{"), line(2, b"k", Seen(1, 1))], 2)
    assert (list(partition), partition.get(b"bad"), partition.offset) == ([b"k"], None, 2)


def test_own_writes_move_the_offset_only_when_they_follow_on_it(open_it: OpenIt) -> None:
    """Whoever wrote in between wrote something that is not held here."""
    partition = open_it()
    assert (partition.offset, bool(partition)) == (NOTHING, False)
    partition[b"a"], partition[b"b"] = Seen(1, 1), Seen(2, 1)
    put(partition, 0, {b"a": Seen(1, 1), b"b": Seen(2, 1)})
    assert (partition.offset, bool(partition)) == (1, True)
    partition.persist({b"c": Seen(3, 1)}, {b"c": encode(Seen(3, 1))}, Written(-1, -1))
    assert partition.offset == 1
    put(partition, 3, {b"d": Seen(4, 1)})
    assert partition.offset == 1
    partition.persist({b"e": None, b"f": None}, {b"e": None, b"f": None}, Written(2, 4))
    assert partition.offset == 1


def test_keys_come_by_age_whether_written_or_not(open_it: OpenIt) -> None:
    """Oldest first: what recovery brought, what was written, what is only judged; and what was deleted not at all."""
    partition = open_it()
    partition.restore([line(number, b"%d" % (9 - number), Seen(number, 1)) for number in range(3)], 2)
    written = {b"6": Seen(3, 1), b"5": Seen(4, 1)}
    for key, state in (written | {b"4": Seen(5, 1)}).items():
        partition[key] = state
    put(partition, 3, written)
    assert list(partition) == [b"9", b"8", b"7", b"6", b"5", b"4"]
    del partition[b"9"]
    del partition[b"6"]
    assert (next(iter(partition)), list(partition)) == (b"8", [b"8", b"7", b"5", b"4"])


def test_forgetting_the_oldest_takes_no_longer_the_more_there_are(open_it: OpenIt) -> None:
    """The gate forgets thousands in one batch, each time asking for the oldest."""
    partition = open_it()
    partition.restore([line(number, b"%06d" % number, Seen(number, 1)) for number in range(20_000)], 19_999)
    began_at = time.monotonic()
    while partition and partition[oldest := next(iter(partition))].offset < 19_000:
        del partition[oldest]
    assert len(list(partition)) == 1_000
    assert time.monotonic() - began_at < 10


def test_what_was_judged_reaches_the_disk_only_with_its_ack(open_disk: OpenIt) -> None:
    """A process that dies before has judged nothing, as far as the disk knows; one that dies after, all of it."""
    partition = open_disk()
    partition[b"k"] = Seen(1, 1)
    put(partition, 0, {b"k": Seen(1, 1)})
    partition[b"k"] = Seen(2, 2)
    partition[b"new"] = Seen(3, 1)
    assert partition.get(b"k") == Seen(2, 2)
    partition.close()
    partition = open_disk()
    assert (partition.get(b"k"), partition.get(b"new"), partition.offset) == (Seen(1, 1), None, 0)


def test_an_ack_does_not_bring_down_what_was_judged_since(open_disk: OpenIt) -> None:
    """The disk gets the state that was acked; the stage goes on seeing its own."""
    partition = open_disk()
    first, second = Seen(1, 1), Seen(2, 2)
    partition[b"k"] = first
    partition[b"k"] = second
    put(partition, 0, {b"k": first})
    assert partition.get(b"k") == second
    partition.close()
    assert open_disk().get(b"k") == first


def test_what_is_discarded_is_gone_for_good(open_it: OpenIt) -> None:
    """States and offset, on disk as well."""
    partition = open_it()
    partition.restore([line(7, b"k", Seen(1, 1))], 7)
    partition.discard()
    partition.close()
    assert (open_it().get(b"k"), open_it().offset) == (None, NOTHING) if isinstance(partition, dict) else True
    if not isinstance(partition, dict):
        again = open_it()
        assert (again.get(b"k"), again.offset) == (None, NOTHING)


def test_two_workers_of_one_machine_never_share_a_directory(tmp_path: Path) -> None:
    """Each takes the first that nobody has; whoever ends leaves his to the next."""
    settings = Settings(store="rocksdb", store_directory=tmp_path)
    one, two = DiskStore(settings), DiskStore(settings)
    assert {path.name for path in tmp_path.glob("*/*")} == {"0", "1"}
    first, second = one.open("seen", 0, decode, by_age=False), two.open("seen", 0, decode, by_age=False)
    first[b"k"] = Seen(1, 1)
    put(first, 0, {b"k": Seen(1, 1)})
    assert second.get(b"k") is None
    first.close()
    del one, first
    assert DiskStore(settings).open("seen", 0, decode, by_age=False).get(b"k") == Seen(1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_disk_says_what_a_dictionary_would(open_disk: OpenIt, seed: int) -> None:
    """Judging, acks that come later, kills at any time: both hold the same, and after a kill what was acked."""
    chance = random.Random(seed)
    partition, acked, current = open_disk(), dict[bytes, Seen](), dict[bytes, Seen]()
    flying: deque[dict[bytes, Seen | None]] = deque()
    for step in range(1_500):
        deed = chance.random()
        if deed < 0.55:
            changes: dict[bytes, Seen | None] = {}
            for _ in range(chance.randrange(1, 5)):
                key = b"%d" % chance.randrange(30)
                if key in current and chance.random() < 0.3 and not any(key in other for other in flying):
                    del partition[key], current[key]
                    changes[key] = None
                elif changes.get(key, 0) is not None:
                    partition[key] = current[key] = changes[key] = Seen(step, chance.randrange(100))
            flying.append(changes)
        elif deed < 0.97 and flying:
            changes = flying.popleft()
            put(partition, partition.offset + 1, changes)
            for key, state in changes.items():
                if state is None:
                    acked.pop(key, None)
                else:
                    acked[key] = state
        elif deed >= 0.97:
            partition.close()
            flying.clear()
            partition, current = open_disk(), dict(acked)
        key = b"%d" % chance.randrange(30)
        assert partition.get(key) == current.get(key)
        if step % 50 == 0:
            assert {key: partition[key] for key in partition} == current
