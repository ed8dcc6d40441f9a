"""The ingest process: uvicorn on uvloop."""

import uvicorn

from ingest.app import create_app
from streams.settings import Settings

SHUTDOWN_SECONDS = 10
"""How long a stopping server waits for requests under way: longer than an accept may take."""


def run(settings: Settings, host: str, port: int) -> None:
    """Serve the HTTP API on `host`:`port` until SIGTERM or SIGINT."""
    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        loop="uvloop",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
