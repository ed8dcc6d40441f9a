"""What the torture's hub was told, as its own file has it: written by the hub, read by the run."""

import os
from pathlib import Path

import msgspec

FILE_NAME = "deliveries.jsonl"


class Delivery(msgspec.Struct, omit_defaults=True):
    """One call of the hub. `key` is its Idempotency-Key.

    `taken`: the hub took the message, whether or not it could still say so. `repeated`: it had taken it before, so nothing
    took effect now. `cause` is the fact behind it: the event's id, or the id of the event that crossed.
    """

    at_ms: int
    key: str
    trigger_id: str
    instance: str
    cause: str
    event_id: str
    mood: str
    taken: bool
    repeated: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Delivery).decode


class DeliveryFile:
    """The file, written. What is appended survives kill -9 of the writer: it is in the kernel's hands at once."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.taken = {delivery.key for delivery in Deliveries(path).refresh() if delivery.taken}

    def append(self, delivery: Delivery) -> None:
        """Remember one call, in one write(2)."""
        delivery.repeated = delivery.taken and delivery.key in self.taken
        if delivery.taken:
            self.taken.add(delivery.key)
        os.write(self._descriptor, _encode(delivery) + b"\n")


class Deliveries:
    """The file, read as it grows. `all` is in the order of arrival."""

    def __init__(self, path: Path) -> None:
        self.all: list[Delivery] = []
        self.effects: dict[tuple[str, str], int] = {}
        """Trigger id and cause → how many different keys took effect."""
        self._path = path
        self._offset = 0

    def refresh(self) -> list[Delivery]:
        """Read what has been added, and return all."""
        if not self._path.exists():
            return self.all
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            delivery = _decode(line)
            self.all.append(delivery)
            if delivery.taken and not delivery.repeated:
                pair = delivery.trigger_id, delivery.cause
                self.effects[pair] = self.effects.get(pair, 0) + 1
        return self.all
