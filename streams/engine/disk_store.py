"""States on disk: one RocksDB a table and partition, for state that memory is too small for.

On disk the order of step 5 counts twice. A state that reached the disk before its outputs were acked would, after a kill,
make the replay skip the record that those outputs came from. So what stages change stays in memory, on top of the disk
(`_pending`), and goes down only once its changelog record is acked, together with that record's offset, in one
write batch. A kill at any time leaves a database that holds a prefix of the changelog, and says which.

The log of RocksDB is not synced: a process that is killed loses nothing, a machine that loses power comes back with an
older prefix and reads the rest of the changelog.
"""

import fcntl
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import IO, Generic

import structlog
from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch, WriteBufferManager

from streams.engine.batch import Record
from streams.engine.store import NOTHING, Decode, S, Values, next_offset, read_state
from streams.engine.writer import Written
from streams.errors import Unavailable
from streams.settings import Settings
from streams.state import State

log = structlog.get_logger()

OFFSET = b"o"
"""The key of the partition's changelog offset."""
STATE, AGE = b"s", b"t"
"""What precedes a state's key, and an entry of the index by age: AGE, the state's offset (8 bytes, big-endian), its key."""
BLOOM_BITS = 10
"""Bits a key of the filters that tell of keys which are not there: 1 in 100 is looked for in vain."""
PAGE_KEYS = 1_000
"""Keys of a page: read within a millisecond or two."""
WRITE_BUFFER_BYTES = 8 * 1024 * 1024
"""What one partition gathers in memory before it writes a file."""


class DiskPartition(Generic[S]):
    """One RocksDB, what stages changed and did not yet write, and what was read lately."""

    def __init__(self, path: Path, options: Options, decode: Decode[S], recent_keys: int, *, by_age: bool) -> None:
        self._path, self._options = path, options
        self._decode = decode
        self._recent_keys = recent_keys
        self._by_age = by_age
        self._open()

    def _open(self) -> None:
        self._database = Rdict(str(self._path), self._options)
        self.offset = int(self._database.get(OFFSET) or NOTHING)
        self._pending: dict[bytes, S | None] = {}
        # Two generations: when the younger is full it becomes the older one, and what is asked for comes back.
        self._recent: dict[bytes, S] = {}
        self._older: dict[bytes, S] = {}
        self._oldest = AGE

    def get(self, key: bytes, /) -> S | None:
        """See Partition."""
        state = self._recent.get(key)
        if state is not None:
            return state
        if key in self._pending:
            return self._pending[key]
        state = self._older.get(key)
        if state is None:
            value = self._database.get(STATE + key)
            if value is None:
                return None
            state = self._decode(value)
        self._keep(key, state)
        return state

    def __getitem__(self, key: bytes, /) -> S:
        """See Partition. Raises KeyError."""
        state = self.get(key)
        if state is None:
            raise KeyError(key)
        return state

    def __setitem__(self, key: bytes, state: S, /) -> None:
        """See Partition."""
        self._pending[key] = state
        self._keep(key, state)

    def __delitem__(self, key: bytes, /) -> None:
        """See Partition. A key that is not there may be deleted too."""
        self._pending[key] = None
        self._forget(key)

    def __iter__(self) -> Iterator[bytes]:
        """See Partition: what is on disk by the offset that changed it, then what is newer."""
        yield from self._written()
        yield from [key for key, state in self._pending.items() if state is not None]

    def _written(self) -> Iterator[bytes]:
        entries = self._database.iter()
        entries.seek(self._oldest)
        at_front = True
        while entries.valid() and (entry := entries.key()).startswith(AGE):
            key = entry[len(AGE) + 8 :]
            if key not in self._pending:
                if at_front:
                    self._oldest, at_front = entry, False  # what lies before it is on its way out: look at it once
                yield key
            entries.next()

    def pages(self) -> Iterator[list[bytes]]:
        """See Partition. No iterator of the database stays open from page to page: the partition may be closed in between."""
        page = list(self._pending)  # first, since one that goes to the disk may land behind us
        yield page
        place = STATE
        while page := self._page(place):
            yield page
            place = STATE + page[-1] + b"\0"

    def _page(self, place: bytes) -> list[bytes]:
        page: list[bytes] = []
        entries = self._database.iter()
        entries.seek(place)
        while len(page) < PAGE_KEYS and entries.valid() and (entry := entries.key()).startswith(STATE):
            page.append(entry[len(STATE) :])
            entries.next()
        return page

    def restore(self, records: Iterable[Record], last_offset: int) -> None:
        """See Partition."""
        # Within the batch the last of a key decides, among equals; what lies on disk is asked for all keys at once.
        newest: dict[bytes, S | None] = {}
        values: dict[bytes, bytes | None] = {}
        buried: set[bytes] = set()
        for record in records:
            key, value = record.key, record.value
            if key is None:
                continue
            state = None if value is None else read_state(self._decode, record)
            if value is not None and state is None:
                continue
            before = newest.get(key)
            if state is None:
                buried.add(key)
            if state is None or before is None or state.offset >= before.offset:
                newest[key], values[key] = state, value
        self._write(newest, values, last_offset, buried)
        for key in newest:
            self._forget(key)

    def persist(self, states: Mapping[bytes, State | None], values: Values, written: Written) -> None:
        """See Partition. A key that has changed again meanwhile stays pending as well."""
        self._write(states, values, next_offset(self.offset, written, len(values)))
        for key, state in states.items():
            if key in self._pending and self._pending[key] is state:
                del self._pending[key]

    def _write(
        self, states: Mapping[bytes, State | None], values: Values, offset: int, buried: Set[bytes] = frozenset()
    ) -> None:
        # What is held of the `buried` keys is older than a tombstone that was read before the state.
        batch = WriteBatch(raw_mode=True)
        keys = list(states)
        held = self._database.get([STATE + key for key in keys]) or ()
        for key, value_before in zip(keys, held, strict=True):
            state, value = states[key], values[key]
            before = None if value_before is None else self._decode(value_before)
            if state is not None and before is not None and state.offset < before.offset and key not in buried:
                continue
            if self._by_age and before is not None:
                batch.delete(_age(before, key))
            if state is None or value is None:
                batch.delete(STATE + key)
                continue
            batch.put(STATE + key, value)
            if self._by_age:
                entry = _age(state, key)
                batch.put(entry, b"")
                self._oldest = min(self._oldest, entry)
        batch.put(OFFSET, b"%d" % offset)
        self._database.write(batch)
        self.offset = offset

    def _keep(self, key: bytes, state: S) -> None:
        if len(self._recent) >= self._recent_keys:
            self._older, self._recent = self._recent, {}
        self._recent[key] = state

    def _forget(self, key: bytes) -> None:
        self._recent.pop(key, None)
        self._older.pop(key, None)

    def discard(self) -> None:
        """See Partition."""
        self._database.close()
        Rdict.destroy(str(self._path), self._options)
        self._open()

    def close(self) -> None:
        """See Partition."""
        self._database.close()


def _age(state: State, key: bytes) -> bytes:
    return AGE + state.offset.to_bytes(8) + key


class DiskStore:
    """This process's own directory, and what its databases share: block cache and write buffers, within bounds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory, self._lock = _claim(Path(settings.store_directory) / settings.group)
        cache_bytes = settings.store_memory_mib * 1024 * 1024
        self._cache = Cache(cache_bytes)
        self._write_buffers = WriteBufferManager.new_write_buffer_manager_with_cache(cache_bytes // 2, False, self._cache)
        log.info("store_opened", directory=str(self._directory))

    def open(self, table: str, number: int, decode: Decode[S], *, by_age: bool) -> DiskPartition[S]:
        """Open one partition of a table. Raises Unavailable when the directory cannot be used."""
        path = self._directory / f"{table}-{number}"
        recent_keys = max(1, self._settings.store_recent_keys // self._settings.partitions // 2)
        try:
            return DiskPartition(path, self._options(), decode, recent_keys, by_age=by_age)
        except Exception as error:  # rocksdict raises nothing more precise
            raise Unavailable(f"the store at {path} cannot be opened: {error}") from error

    def _options(self) -> Options:
        blocks = BlockBasedOptions()
        blocks.set_bloom_filter(BLOOM_BITS, False)
        blocks.set_block_cache(self._cache)
        blocks.set_cache_index_and_filter_blocks(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self._write_buffers)
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_keep_log_file_num(1)
        return options


def _claim(parent: Path) -> tuple[Path, IO[bytes]]:
    """The first of `0`, `1`, ... in `parent` that no other process has, and the lock that says so until the process ends.

    Which one does not matter: what a directory holds of a partition is a prefix of its changelog, old or new.
    """
    try:
        number = 0
        while True:
            directory = parent / str(number)
            directory.mkdir(parents=True, exist_ok=True)
            lock = (directory / "lock").open("ab")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                number += 1
                continue
            return directory, lock
    except OSError as error:
        raise Unavailable(f"TOUCHLINE_STORE_DIRECTORY={parent} cannot be used: {error}") from error
