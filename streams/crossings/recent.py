"""The ids of the events a partition brought lately: an event that is sent again, behind later ones, is no news. Pure.

A sender that did not hear the answer to a batch sends it again, with the same ids. To the gate that is the same execution; but
a watched value would jump back to what it was and cross again. Kept in memory: a worker that takes a partition over knows the
ids from the last committed offset on, and the sender's repetition of something older looks new to it.
"""

from itertools import islice

Identity = tuple[str, str, str]
"""Which event it is: its workspace, its source, and its id, which only its source keeps unique (CloudEvents 1.0)."""

IDS = 20_000
"""Ids kept a partition at least, twice as many and a batch's at most: a few seconds of a hot source, which is how soon a sender
sends again; 2 to 4 MiB."""


class Recent:
    """The last ids of each partition, with the offset at which each came first."""

    def __init__(self, ids: int = IDS) -> None:
        self._ids = ids
        self._partitions: dict[int, dict[Identity, int]] = {}

    def offsets(self, partition: int) -> dict[Identity, int]:
        """What a partition brought lately: event -> offset, for `is_repeated`. Ask anew for each batch.

        The oldest ids go many at a time: to take one after the other from a dictionary's front passes over all the holes
        left there, and took 5 us an event.
        """
        offsets = self._partitions.setdefault(partition, {})
        if len(offsets) > 2 * self._ids:
            newest = islice(offsets.items(), len(offsets) - self._ids, None)
            offsets = self._partitions[partition] = dict(newest)
        return offsets


def is_repeated(offsets: dict[Identity, int], event: Identity, offset: int) -> bool:
    """Whether this event came before at a smaller offset; it is known from now on. A record read again is no repetition."""
    first = offsets.setdefault(event, offset)
    if first > offset:  # read again, from further back than before
        offsets[event] = offset
    return first < offset
