"""The ingest process: uvicorn on uvloop."""

import ipaddress

import uvicorn

from ingest.app import create_app
from streams.errors import ConfigurationError
from streams.settings import Settings

SHUTDOWN_SECONDS = 10
"""How long a stopping server waits for requests under way: longer than an accept may take."""

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than the 60 s of common proxies and client pools, so that it is they who hang up
and no request meets a connection that is just being closed (uvicorn's own 5 s met many)."""


def run(settings: Settings, host: str, port: int) -> None:
    """Serve the HTTP API on `host`:`port` until SIGTERM or SIGINT.

    Raises ConfigurationError instead of letting everybody do everything from anywhere.
    """
    if settings.authentication == "none" and not _is_loopback(host):
        raise ConfigurationError(
            f"TOUCHLINE_AUTHENTICATION is none, and {host} can be reached from other machines: unset it, so that callers need "
            "a key (touchline keys create makes one), or listen on 127.0.0.1"
        )
    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        loop="streams.event_loop:new_event_loop",
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
