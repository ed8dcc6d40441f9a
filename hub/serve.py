"""The process `touchline hub`: the reference hub behind uvicorn."""

import uvicorn

from hub.app import create_app
from streams.settings import Settings


def run(settings: Settings, hub_id: str, host: str, port: int, token: str | None = None) -> None:
    """Serve the hub until the process is told to stop. `token`, when given, is asked of every caller."""
    app = create_app(settings, hub_id, token)
    uvicorn.run(app, host=host, port=port, loop="uvloop", access_log=False, log_config=None)
