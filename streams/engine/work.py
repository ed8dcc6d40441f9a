"""What judging one batch leads to (step 3 of the room's protocol)."""

from collections import Counter
from typing import Any

from streams.engine.table import StateTable
from streams.engine.writer import Outputs
from streams.state import State


class Work:
    """Outputs, the state keys that changed, and what happened to how many records."""

    __slots__ = ("changed", "counts", "outputs")

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.changed: dict[StateTable[Any], dict[bytes, State | None]] = {}
        self.counts: Counter[str] = Counter()

    def remember(self, table: StateTable[Any], key: bytes, state: State | None) -> None:
        """This key's state as it now is (None: forgotten), an object that stays as it is. Only a batch's last is written."""
        self.changed.setdefault(table, {})[key] = state
