"""State: a Faust table whose changes are written as record batches, and which recovers by the larger offset.

Faust assigns the changelog's partitions along with the source's, and feeds recovery and standbys from it. What a stage
reads and writes is `StateTable.partition(n)`: a dictionary of that partition's keys.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec
from faust.stores.memory import Store
from faust.tables.table import Table
from faust.types import TP

from streams.engine.batch import Batch, BatchSchema
from streams.state import State

S = TypeVar("S", bound=State)


class PartitionStore(Store, Generic[S]):  # type: ignore[misc]  # faust ships no complete types
    """Memory, one dictionary a partition."""

    def __init__(self, *args: Any, decode: Callable[[bytes], S], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.partitions: dict[int, dict[bytes, S]] = defaultdict(dict)
        self._decode = decode

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: object, to_value: object) -> None:
        """Recover. A process that lost its partition may have written after its successor: the larger offset is the newer."""
        for event in batch:
            changes: Batch = event.message.value
            held = self.partitions[changes.partition]
            for record in changes.records:
                if record.key is None:
                    continue
                if record.value is None:
                    held.pop(record.key, None)
                    continue
                state = self._decode(record.value)
                before = held.get(record.key)
                if before is None or state.offset >= before.offset:
                    held[record.key] = state

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Forget the partitions that went elsewhere."""
        kept = {tp.partition for tp in active_tps | standby_tps}
        for partition in self.partitions.keys() - kept:
            del self.partitions[partition]


class StateTable(Table, Generic[S]):  # type: ignore[misc]  # faust ships no complete types
    """A table of `state` structs, keyed by bytes, its changelog's partitions those of its source topic."""

    def __init__(self, app: Any, name: str, partitions: int, state: type[S]) -> None:
        self._decode = msgspec.json.Decoder(state).decode
        # A recovery buffer of 1 would make Faust keep reading the changelog it writes; an event here is a whole batch.
        super().__init__(
            app,
            name=name,
            partitions=partitions,
            schema=BatchSchema(),
            key_type=bytes,
            value_type=bytes,
            recovery_buffer_size=2,
        )
        app.tables.add(self)

    def _new_store(self) -> PartitionStore[S]:
        return PartitionStore("memory://", self.app, self, table_name=self.name, decode=self._decode, loop=self.loop)

    def partition(self, number: int) -> dict[bytes, S]:
        """One partition's keys and states. Change it only while judging a batch of that partition."""
        store: PartitionStore[S] = self.data
        return store.partitions[number]

    @property
    def changelog(self) -> str:
        """The changelog topic's name."""
        return str(self.changelog_topic.get_topic_name())
