"""The ids of the events a partition brought lately: an event that is sent again, behind later ones, is no news. Pure.

A sender that did not hear the answer to a batch sends it again, with the same ids. To the gate that is the same execution; but
a watched value would jump back to what it was and cross again. Kept in memory: a worker that takes a partition over knows the
ids from the last committed offset on, and the sender's repetition of something older looks new to it.
"""

from collections import defaultdict

IDS = 20_000
"""Ids kept a partition: a few seconds of a hot source, which is how soon a sender sends again; about 2 MiB."""


class Recent:
    """The last ids of each partition, with the offset at which each came first."""

    def __init__(self, ids: int = IDS) -> None:
        self._ids = ids
        self._offsets: dict[int, dict[str, int]] = defaultdict(dict)

    def is_repeated(self, partition: int, event_id: str, offset: int) -> bool:
        """Whether this id came before at a smaller offset. The same record read again is no repetition."""
        offsets = self._offsets[partition]
        first = offsets.get(event_id)
        if first is not None and first < offset:
            return True
        offsets[event_id] = offset
        if len(offsets) > self._ids:
            del offsets[next(iter(offsets))]
        return False
