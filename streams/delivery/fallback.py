"""Which hub takes a dispatch."""

import zlib
from collections.abc import Mapping

from streams.trigger import Hub


def choose_hub(hubs: Mapping[str, Hub], hub_id: str, key: bytes, *, fallback: bool) -> Hub | None:
    """The hub it asks for; when that is not registered, and only with `fallback`, another one; None when there is none.

    All dispatches of one key go to the same one, on every worker, and when a hub comes or goes only those move that must
    (rendezvous hashing: Thaler and Ravishankar, 1998).
    """
    hub = hubs.get(hub_id)
    if hub is not None or not fallback or not hubs:
        return hub
    return hubs[max(hubs, key=lambda name: (zlib.crc32(name.encode() + b"\0" + key), name))]
