"""Free ports on the loopback interface, the same again on the next start while nobody else took them."""

import json
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
RANGE = range(20_000, 32_000)
"""Below what kernels give to outgoing connections, so that none takes a port while its server is away."""


def free_ports(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    """A port for each name: the one remembered in `path` if it is still free, else any free one; then remembered."""
    remembered: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    held = [_bound(remembered.get(name)) for name in names]  # all held at once, so that no two are the same
    ports = {name: int(listener.getsockname()[1]) for name, listener in zip(names, held, strict=True)}
    for listener in held:
        listener.close()
    path.write_text(json.dumps(ports))
    return ports


def any_free_port() -> int:
    """A port nobody listens on now."""
    with _bound(None) as listener:
        return int(listener.getsockname()[1])


def _bound(port: int | None) -> socket.socket:
    """A socket that listens on `port`, or, when that is None or taken, on any free one of RANGE.

    It listens, because two sockets that only hold a port, both with SO_REUSEADDR, may hold the same one (socket(7)).
    """
    while True:
        listener = socket.socket()
        # As servers do themselves: without it a port whose last connections still linger would count as taken.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port or random.choice(RANGE)))  # noqa: S311 -- nothing secret
            listener.listen(1)
        except OSError:
            listener.close()
            port = None
        else:
            return listener


def answers(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback interface."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
