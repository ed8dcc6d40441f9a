"""A watch, ready to be judged: which events move it, which side a value is on, and where its edge lies. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from streams.event import Event, derived_id
from streams.language.comparison import RANGES, is_scalar
from streams.language.terms import canonical
from streams.language.watch import ABOVE, ANY_CHANGE, BELOW, Watch
from streams.workspace import DEFAULT_WORKSPACE

_LONG_KEY_BYTES = 200
"""What the values of key fields may take in a state key as they are; a digest stands for longer ones."""
_DETECTED = (ABOVE, BELOW)
_OUTSIDE = {"gte": "lt", "gt": "lt", "lte": "gt", "lt": "gt"}


def undecided(_value: Any, _threshold: Any) -> None:
    """The comparison of a watch whose side takes more than one: neither true nor false, so the detector looks closer."""


class Watched(msgspec.Struct, eq=False):
    """A watch, ready to be judged: the comparison, the threshold, and what its state keys are made of.

    `compare` is `undecided` when it takes more than a comparison to tell the side, and while the watch is young: while edges
    may be from an earlier life of it (sweep.py). `born` counts the watches up to this one. `key` and `place` remember
    the last event's key and the state key that followed: mostly a watch is always fed by one key. `release` is where a value
    is back (streams/language/terms.py), None without a hysteresis. `both_ways`: going back is told too.
    """

    watch: Watch
    threshold: float | None
    suffix: bytes
    by_subject: bool
    get_keys: tuple[Callable[[Any], Any], ...]
    born: int
    compare: Callable[[Any, Any], bool | None]
    both_ways: bool
    release: float | None
    users: int = 1
    is_young: bool = False
    key: bytes = b""
    place: bytes = b""

    @property
    def held_for_ms(self) -> int:
        """How long the value must stay across; 0: not at all."""
        return 0 if self.watch.terms is None else self.watch.terms.held_for_ms

    def grow(self) -> None:
        """The watch is no longer young."""
        self.is_young, self.compare = False, comparison(self.watch)

    def concerns(self, event: Event) -> bool:
        """Whether this event may move the watch: it is of its workspace, and of the type the watch looks at.

        A watch that is implied looks at all but the crossings that a feed itself sends.
        """
        watch, event_type = self.watch, event.type
        if (event.workspace or DEFAULT_WORKSPACE) != watch.workspace:
            return False
        if watch.terms is None:
            return not event_type.endswith(_DETECTED) and event_type != watch.event_type
        return watch.terms.input_type is None or event_type == watch.terms.input_type

    def is_across(self, value: float, was_across: bool) -> bool:
        """The side of a value: across, or not yet back beyond the hysteresis."""
        operator = self.watch.operator
        if RANGES[operator](value, self.threshold):
            return True
        return was_across and self.release is not None and not RANGES[_OUTSIDE[operator]](value, self.release)

    def find_place(self, event: Event, key: bytes) -> bytes:
        """The state key of the watched value, empty when the event lacks a field of the key.

        It begins with the event's key, so that it lives where the event lies, and ends with the watch's id.
        """
        if self.get_keys:
            values = [canonical(get(event.payload)) for get in self.get_keys]
            return key + b"\x1f" + _short(values) + self.suffix if all(map(is_scalar, values)) else b""
        if self.by_subject:
            return key + b"\x1f" + event.subject.encode() + self.suffix if event.subject else key + self.suffix
        self.key, self.place = key, key + self.suffix
        return self.place


def comparison(watch: Watch) -> Callable[[Any, Any], bool | None]:
    """What tells the side of the watch's values, `undecided` when it takes more."""
    terms = watch.terms
    if watch.operator == ANY_CHANGE or (terms is not None and (terms.hysteresis or terms.held_for_ms)):
        return undecided
    return RANGES[watch.operator]


def _short(values: list[Any]) -> bytes:
    text = msgspec.json.encode(values)
    return text if len(text) <= _LONG_KEY_BYTES else derived_id("key", text.decode()).encode()
