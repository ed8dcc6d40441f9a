"""Lineage: which firings led to which, so that a cascade knows how deep it is. Pure.

A hub is sent the lineage of its own firing, signed; an event that carries it back continues that chain. The signature covers
every field and the workspace, so nobody can make a chain up, shorten one, or take it into another workspace. What it cannot
show is that an agent left the lineage out of an event of its own, or took that of an earlier, shallower execution: such an
event starts a chain anew, or further up. Against a loop of those stand a trigger's rate limit and a workspace's quota.
"""

import hmac

import msgspec

from streams.event import Event, Lineage, sign

LONGEST_CHAIN = 100
"""Triggers a chain may name, and so the deepest cascade a workspace can allow: it travels with every event and dispatch."""
LARGEST_BYTES = 64 * 1024
"""Of a lineage that is looked at: a chain of 100 uuids has 4 KiB, one of 100 names of 256 characters fits."""
_SIGNATURE_LENGTH = 64

_encode = msgspec.json.Encoder().encode


def extend(before: Lineage | None, trigger_id: str, event: Event, execution_id: str) -> Lineage:
    """The lineage of this execution, unsigned: `event`, whose lineage is `before`, fires this trigger.

    The root of a chain is the first event, which for a crossing is the event that crossed.
    """
    if before is None:
        return Lineage(event.caused_by or event.id, [trigger_id], 1, execution_id)
    return Lineage(
        before.root_event_id, [*before.trigger_chain, trigger_id], before.trigger_depth + 1, execution_id, before.execution_id
    )


def signed(lineage: Lineage, workspace: str, key: bytes) -> Lineage:
    """The same lineage with touchline's signature for this workspace."""
    fields = lineage.root_event_id, lineage.trigger_chain, lineage.trigger_depth, lineage.execution_id
    return Lineage(*fields, lineage.parent_execution_id, sign(_encoded(lineage, workspace), key).decode())


def is_genuine(lineage: Lineage, workspace: str, key: bytes) -> bool:
    """Whether touchline signed this very lineage for this workspace."""
    if len(lineage.trigger_chain) > LONGEST_CHAIN or len(lineage.signature) != _SIGNATURE_LENGTH:
        return False
    encoded = _encoded(lineage, workspace)
    if len(encoded) > LARGEST_BYTES:
        return False
    return hmac.compare_digest(lineage.signature.encode(), sign(encoded, key))


def forged(workspace: str) -> str:
    """What is said of a lineage that is not genuine."""
    return (
        f"is none that touchline signed for workspace {workspace}; accepted: the lineage of an inject, whole and unchanged, "
        "on an event of the same workspace, or none"
    )


def _encoded(lineage: Lineage, workspace: str) -> bytes:
    # A JSON array writes each value with its own bounds, so no two lineages are written alike. Nothing else is signed that
    # begins so: the records of reserved sources are objects.
    return _encode(
        (
            "lineage",
            workspace,
            lineage.root_event_id,
            lineage.trigger_chain,
            lineage.trigger_depth,
            lineage.execution_id,
            lineage.parent_execution_id,
        )
    )
