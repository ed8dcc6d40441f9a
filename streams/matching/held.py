"""What lies at one place of the index: rows, from one to very many, at the price of what is there.

A place holds one row's id as it is, a few as a tuple, many as a dictionary (of None, since nothing is quicker to add to
and take from in order), and a shelf when something is still to be asked of them. A million rows lie in about as many
places, so a container for each would be most of the index's memory.
"""

from abc import ABC, abstractmethod
from typing import Any

from streams.matching.shared_test import Known, Remaining

FEW = 16
"""Ids kept as a tuple, which is copied when it changes."""

Ids = tuple[str, ...] | dict[str, None]


class Further(ABC):
    """Rows of which something is still to be asked: a shelf."""

    __slots__ = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def gather(self, payload: dict[str, Any], matched: list[str], known: Known) -> None:
        """Add the ids of the rows that this payload matches."""

    @abstractmethod
    def put(self, remaining: Remaining, trigger_id: str) -> None:
        """Add a row that is not there yet."""

    @abstractmethod
    def take(self, remaining: Remaining, trigger_id: str) -> None:
        """Take a row out. Raises KeyError when it is not there."""


Held = str | Ids | Further


def gather(held: Held, payload: dict[str, Any], matched: list[str], known: Known) -> None:
    """Add the ids held here that this payload matches."""
    kind = held.__class__
    if kind is str:
        matched.append(held)  # type: ignore[arg-type]  # looking at the class costs a third of isinstance
    elif kind is tuple or kind is dict:
        matched += held  # type: ignore[arg-type]
    else:
        held.gather(payload, matched, known)  # type: ignore[union-attr]


def size(held: Held | None) -> int:
    """How many rows lie here."""
    if held is None:
        return 0
    return 1 if isinstance(held, str) else len(held)


def ids_of(held: Held) -> Ids:
    """The ids held in a place of which nothing more is to be asked. Raises TypeError for a shelf."""
    if isinstance(held, Further):
        raise TypeError("rows of which more is to be asked")
    return (held,) if isinstance(held, str) else held


def with_id(ids: Ids, trigger_id: str) -> Ids:
    """These ids and one more. A dictionary is changed in place."""
    if isinstance(ids, dict):
        ids[trigger_id] = None
        return ids
    return (*ids, trigger_id) if len(ids) < FEW else dict.fromkeys((*ids, trigger_id))


def without_id(ids: Ids, trigger_id: str) -> Ids:
    """These ids without one. A dictionary is changed in place. Raises KeyError when it is not among them."""
    if trigger_id not in ids:
        raise KeyError(trigger_id)
    if isinstance(ids, dict):
        del ids[trigger_id]
        return ids
    return tuple(one for one in ids if one != trigger_id)


def put_id(held: Held | None, trigger_id: str) -> Held:
    """What lies in a place of ids when one more does."""
    return trigger_id if held is None else with_id(ids_of(held), trigger_id)


def take_id(held: Held | None, trigger_id: str) -> Held | None:
    """What lies in a place of ids when one is taken out, None when nothing does. Raises KeyError when it is not there."""
    left = without_id(() if held is None else ids_of(held), trigger_id)
    if isinstance(left, tuple) and len(left) == 1:
        return left[0]
    return left or None
