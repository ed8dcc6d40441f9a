"""An account: what one stage has counted in one partition, of a workspace or of the partition as a whole."""

from typing import NamedTuple

import msgspec

from streams.settings import Settings
from streams.state import State
from streams.topics import CROSSINGS, EVENTS, FIRINGS, Topic

TABLE = "ledger"
"""The table's name; its changelog holds every account there is."""
STAGES: dict[str, Topic] = {"match": EVENTS, "match_crossings": CROSSINGS, "gate": FIRINGS}
"""Who keeps accounts, and of which topic's records: where the outcome of a record is known."""

NOBODY = ""
"""The workspace of a record that nobody could read, or that is judged elsewhere."""
OTHERS = "(others)"
"""The workspace under which those are counted together that are one too many."""
LARGEST_WORKSPACES = 10_000
"""Workspaces a stage keeps apart in one partition: names come in with events, so there is no end to them otherwise."""
_SEPARATOR = "\x1f"


class Account(State, omit_defaults=True):
    """`offset`: everything up to it is counted. Changed accounts are new objects.

    `outcomes` counts records, each in one of them; `notes` counts what happened beside, such as firings written. Only the
    partition's own account has the rest: `records` judged, offsets that were `blank`, offsets that `vanished`; and how many
    `workspaces` have an account beside it.
    """

    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    notes: dict[str, int] = msgspec.field(default_factory=dict)
    records: int = 0
    blank: int = 0
    vanished: int = 0
    workspaces: int = 0


decode_account = msgspec.json.Decoder(Account).decode


class Owner(NamedTuple):
    """Whose account a key of the table is. `workspace` is None for the partition's own."""

    stage: str
    workspace: str | None


def key_of(owner: Owner) -> bytes:
    """The key under which an account lies."""
    return (owner.stage if owner.workspace is None else f"{owner.stage}{_SEPARATOR}{owner.workspace}").encode()


def owner_of(key: bytes) -> Owner:
    """Whose account lies under this key. Raises UnicodeDecodeError for a key that is none of ours."""
    stage, separator, workspace = key.decode().partition(_SEPARATOR)
    return Owner(stage, workspace if separator else None)


def changelog(settings: Settings) -> str:
    """The changelog topic's full name, as Faust makes it from the table's."""
    return f"{settings.group}-{TABLE}-changelog"
