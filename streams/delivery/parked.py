"""A dispatch that waits for its hub, as the table `parked` has it.

A worker that slept past its session and wakes may park what its successor has long delivered: nothing would ever forget that
state again, and years later it would be taken up. So owners of a partition are counted. Whoever takes it up writes what is
parked there anew, with its own number, and then that number under OWNER: a state with a smaller one than OWNER's came from
somebody who had lost the partition.
"""

import msgspec

from streams.state import State

OWNER = b"owner"
"""The key of the state whose `offset` is the number of the partition's last owner."""
_OFFSET_DIGITS = 19
"""Kafka's offsets are signed 64-bit numbers."""


class Parked(State, omit_defaults=True):
    """`dispatch` is the record's value as it was read, `headers` the record's own.

    `offset` is the number of the owner that wrote it: recovery keeps the larger. Where the record lies is in the key.
    `attempts` have failed; the next one is due at `due_at_ms` (Unix milliseconds), at once if that is over.
    """

    dispatch: msgspec.Raw
    attempts: int = 0
    due_at_ms: int = 0
    headers: list[tuple[str, bytes]] = msgspec.field(default_factory=list)


def parked_key(offset: int, key: bytes) -> bytes:
    """The table's key: the record's offset, in digits that sort as it does, and the record's key."""
    return b"%0*d/%s" % (_OFFSET_DIGITS, offset, key)


def read_parked_key(key: bytes) -> tuple[int, bytes]:
    """The offset and the key of the record that a table's key stands for."""
    return int(key[:_OFFSET_DIGITS]), key[_OFFSET_DIGITS + 1 :]
