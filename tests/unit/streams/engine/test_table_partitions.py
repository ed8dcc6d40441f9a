"""A partition's states, in memory and on disk: always a prefix of the changelog, and on top of it what was judged since."""

import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

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


@dataclass
class Line:
    """A changelog record."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


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


def test_all_keys_come_page_by_page_whatever_changes_meanwhile(open_it: OpenIt) -> None:
    """Those on disk, those not yet there, and those that go there between two pages."""
    partition = open_it()
    kept = [b"k%05d" % number for number in range(2_500)]
    for first in range(0, 2_500, 500):
        some = {key: Seen(first) for key in kept[first : first + 500]}
        for key, state in some.items():
            partition[key] = state
        if first < 2_000:
            put(partition, first, some)
    found: set[bytes] = set()
    for number, page in enumerate(partition.pages()):
        found.update(page)
        put(partition, 2_000 + 500 * number, {key: Seen(2_600 + number) for key in kept[2_000:]})
    assert found == set(kept)


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
    assert (partition.offset, list(partition)) == (NOTHING, [])
    partition[b"a"], partition[b"b"] = Seen(1, 1), Seen(2, 1)
    put(partition, 0, {b"a": Seen(1, 1), b"b": Seen(2, 1)})
    assert (partition.offset, list(partition)) == (1, [b"a", b"b"])
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
    """The gate asks for the oldest with every batch, long before its deletions have reached the disk."""
    partition = open_it()
    partition.restore([line(number, b"%06d" % number, Seen(number, 1)) for number in range(20_000)], 19_999)
    began_at = time.monotonic()
    for number in range(1_900):
        for oldest in list(islice(partition, 10)):
            assert partition[oldest].offset // 10 == number
            del partition[oldest]
    assert len(list(partition)) == 1_000
    assert time.monotonic() - began_at < 5  # a third of a second; a minute if each look passed over what is gone


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
    assert (partition.get(b"k"), partition.offset) == (None, NOTHING)
    partition.close()
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


class Twin:
    """A partition on disk, and beside it the dictionaries it must agree with."""

    def __init__(self, open_it: OpenIt, seed: int) -> None:
        self._open = open_it
        self._chance = random.Random(seed)
        self._flying: deque[dict[bytes, Seen | None]] = deque()
        self._acked: dict[bytes, Seen] = {}
        self.current: dict[bytes, Seen] = {}
        self.partition = open_it()

    def key(self) -> bytes:
        """One of few keys."""
        return b"%d" % self._chance.randrange(30)

    def step(self, number: int) -> None:
        """A batch is judged, or the oldest one's ack arrives, or the process is killed and comes back."""
        deed = self._chance.random()
        if deed < 0.55:
            self._flying.append({key: self._judge(key, number) for key in {self.key() for _ in range(4)}})
        elif deed > 0.97:
            self.partition.close()
            self._flying.clear()
            self.partition, self.current = self._open(), dict(self._acked)
        elif self._flying:
            self._ack(self._flying.popleft())

    def _judge(self, key: bytes, number: int) -> Seen | None:
        under_way = any(key in changes for changes in self._flying)
        if key in self.current and not under_way and self._chance.random() < 0.3:
            del self.partition[key], self.current[key]
            return None
        self.partition[key] = self.current[key] = Seen(number, self._chance.randrange(100))
        return self.current[key]

    def _ack(self, changes: dict[bytes, Seen | None]) -> None:
        put(self.partition, self.partition.offset + 1, changes)
        for key, state in changes.items():
            if state is None:
                self._acked.pop(key, None)
            else:
                self._acked[key] = state


@pytest.mark.parametrize("seed", range(5))
def test_a_disk_says_what_a_dictionary_would(open_disk: OpenIt, seed: int) -> None:
    """Judging, acks that come later, kills at any time: both hold the same, and after a kill what was acked."""
    twin = Twin(open_disk, seed)
    for number in range(1_500):
        twin.step(number)
        key = twin.key()
        assert twin.partition.get(key) == twin.current.get(key)
        if number % 50 == 0:
            assert {key: twin.partition[key] for key in twin.partition} == twin.current
