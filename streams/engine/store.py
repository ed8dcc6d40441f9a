"""Where a table's states lie: in memory, or on disk (disk_store.py). One `Partition` a partition, for both.

What a partition holds is always a prefix of its changelog, up to `offset`, and on top of it what stages have judged and
not yet written. Every way in keeps it a prefix:

- `restore` applies a batch of the changelog that follows on `offset`, and no other (table.py sees to it);
- `persist` takes what this process wrote itself, when its records are acked. Only when they follow on `offset` does it
  move: what a process that lost the partition wrote in between is not known here, and is read at the next recovery.

So a recovery reads the changelog from `offset` on, however the partition came to this process: a restart with a disk,
a standby that takes over, a rebalance that left everything where it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

import msgspec
import structlog

from streams.engine.batch import Record
from streams.engine.writer import Written
from streams.settings import Settings
from streams.state import State

log = structlog.get_logger()

S = TypeVar("S", bound=State)

Decode = Callable[[bytes], S]
Values = Mapping[bytes, bytes | None]
"""What was written to the changelog, key by key; None is a tombstone."""

NOTHING = -1
"""The offset of a partition that has applied nothing."""


class Partition(Protocol[S]):
    """One partition's keys and states, as stages see it: a small part of a dictionary.

    Iterating gives the keys by age, oldest first, in a table made so.
    """

    offset: int
    """The last changelog offset that it holds, NOTHING before the first."""

    def get(self, key: bytes, /) -> S | None: ...
    def __getitem__(self, key: bytes, /) -> S: ...
    def __setitem__(self, key: bytes, state: S, /) -> None: ...
    def __delitem__(self, key: bytes, /) -> None: ...
    def __iter__(self) -> Iterator[bytes]: ...

    def pages(self) -> Iterator[list[bytes]]:
        """All keys, some at a time, in any order. What changes between two pages does not disturb: a key that is there all the
        while is in one of them."""

    def restore(self, records: Iterable[Record], last_offset: int) -> None:
        """Apply records of the changelog, by the larger input offset; afterwards all up to `last_offset` is held."""

    def persist(self, states: Mapping[bytes, State | None], values: Values, written: Written) -> None:
        """These states are acked in the changelog, where `written` says."""

    def discard(self) -> None:
        """Forget everything, on disk as well: it belongs to another changelog."""

    def close(self) -> None:
        """Let go. What is on disk stays there."""


class Open(Protocol):
    """Opens one partition of a table. `by_age`: stages iterate over it."""

    def __call__(self, table: str, number: int, decode: Decode[S], *, by_age: bool) -> Partition[S]:
        """The partition, with what it held when it was closed."""


def next_offset(offset: int, written: Written, records: int) -> int:
    """The offset a partition holds after a write: moved, if these records and nobody else's follow on it."""
    follows = written.first_offset == offset + 1 and written.last_offset == offset + records
    return written.last_offset if follows else offset


def read_state(decode: Decode[S], record: Record) -> S | None:
    """The state in a changelog record; None when nobody can read it, which concerns its key and no other."""
    try:
        return decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("state_unreadable", key=record.key, changelog_offset=record.offset, error=str(error))
        return None


class MemoryPartition(dict[bytes, S]):
    """A dictionary. Its order is age, also after recovery: the changelog holds keys in the order they were last written."""

    def __init__(self, decode: Decode[S]) -> None:
        super().__init__()
        self.offset = NOTHING
        self._decode = decode

    def pages(self) -> Iterator[list[bytes]]:
        """See Partition. One page: a million keys are copied within ten milliseconds."""
        yield list(self)

    def restore(self, records: Iterable[Record], last_offset: int) -> None:
        """See Partition."""
        decode = self._decode
        for record in records:
            key = record.key
            if key is None:
                continue
            if record.value is None:
                self.pop(key, None)
                continue
            state = read_state(decode, record)
            if state is None:
                continue
            before = self.get(key)
            if before is None or state.offset >= before.offset:
                self[key] = state
        self.offset = last_offset

    def persist(self, states: Mapping[bytes, State | None], values: Values, written: Written) -> None:
        """See Partition. The states are here since they were judged."""
        self.offset = next_offset(self.offset, written, len(values))

    def discard(self) -> None:
        """See Partition."""
        self.clear()
        self.offset = NOTHING

    def close(self) -> None:
        """See Partition."""
        self.discard()


def in_memory(table: str, number: int, decode: Decode[S], *, by_age: bool) -> MemoryPartition[S]:
    """Opens partitions in memory."""
    return MemoryPartition(decode)


def choose_store(settings: Settings) -> Open:
    """What `settings.store` asks for. Raises ConfigurationError when the directory cannot be used."""
    if settings.store == "memory":
        return in_memory
    from streams.engine.disk_store import DiskStore  # RocksDB is loaded where it is used

    return DiskStore(settings).open
