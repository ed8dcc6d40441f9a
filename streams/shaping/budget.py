"""What shaping one firing may use up. The authors of triggers are not trusted, so every step is counted. Pure.

The time limit is counted in steps and not on a clock: a firing that is judged again after a crash comes out the same.
A step takes a microsecond or less: a name looked up, a filter applied, a node of the event visited, 64 bytes read.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from streams.errors import ShapingFailed

MAXIMUM_STEPS = 50_000
"""Some tens of milliseconds; a template as people write it takes fewer than a thousand steps."""
MAXIMUM_BYTES = 1024 * 1024
"""What a payload, an input or a message may hold, each, beside the row's own text: as much as an event at the door."""
BYTES_PER_STEP = 64

encode = msgspec.json.Encoder().encode


class Refused(Exception):
    """Evaluating went wrong; the message says why. It becomes ShapingFailed where the path inside the row is known."""


def evaluate_at(path: str, evaluate: Callable[[], Any]) -> Any:
    """Evaluate what stands at this path of a row. Raises ShapingFailed naming it."""
    try:
        return evaluate()
    except Refused as error:
        raise ShapingFailed(path, str(error)) from error
    except RecursionError as error:
        raise ShapingFailed(path, "is nested too deep to be evaluated") from error


class Budget:
    """Steps left for the whole of one firing, and bytes left for the value that is being made."""

    __slots__ = ("room_bytes", "steps")

    def __init__(self) -> None:
        self.steps = MAXIMUM_STEPS
        self.room_bytes = MAXIMUM_BYTES

    def spend(self, steps: int) -> None:
        """Count steps, before they are taken where there may be many. Raises Refused when there are none left."""
        self.steps -= steps
        if self.steps < 0:
            raise Refused(
                f"takes more than the {MAXIMUM_STEPS:,} steps of one firing: loop over less, or read less of the event"
            )

    def read(self, value: Any, bytes_per_step: int = BYTES_PER_STEP) -> None:
        """Count reading all of a value, however deep. Raises Refused."""
        kind = value.__class__
        if kind is str:
            self.spend(len(value) // BYTES_PER_STEP)
        elif kind is dict or kind is list:
            self.spend(len(encode(value)) // bytes_per_step)

    def write(self, size_bytes: int) -> None:
        """Count what becomes part of the result. Raises Refused when it grows too large."""
        self.room_bytes -= size_bytes
        if self.room_bytes < 0:
            raise Refused(f"makes more than {MAXIMUM_BYTES:,} bytes: take less of the event")

    def embed(self, value: Any) -> None:
        """Count a whole JSON value that becomes part of the result. Raises Refused."""
        size_bytes = len(encode(value))
        self.spend(size_bytes // BYTES_PER_STEP)
        self.write(size_bytes)

    def refill(self) -> None:
        """Room for the next value; the steps stay as they are."""
        self.room_bytes = MAXIMUM_BYTES
