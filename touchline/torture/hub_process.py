"""The hub's process: started, started again when it was killed, and told its mood."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from touchline.data_directory import log_path
from touchline.stack.guardian import start_guarded
from touchline.stack.ports import LOOPBACK, free_ports
from touchline.supervisor import Part, Process, Supervisor
from touchline.torture import hub
from touchline.torture.deliveries import FILE_NAME

NAME = "hub"
ANSWER_SECONDS = 2.0
"""How long the hub may take to hear its mood: it may just be dead."""


class HubProcess:
    """The torture's hub, supervised like the installation's own processes."""

    def __init__(self, data_directory: Path, say: Callable[[str], None]) -> None:
        self.deliveries_path = data_directory / FILE_NAME
        port = free_ports(data_directory / "torture-ports.json", (NAME,))[NAME]
        self.base_url = f"http://{LOOPBACK}:{port}"
        self._supervisor = Supervisor(say)
        self._log_path = log_path(data_directory, "torture-hub")
        self._command = [sys.executable, "-m", hub.__name__, str(port), str(self.deliveries_path)]

    def start(self) -> None:
        """Start it. Raises StackError."""
        self._supervisor.start([Part(NAME, self._start, self._log_path)])

    def stop(self) -> None:
        """Stop it for good."""
        self._supervisor.stop()

    @property
    def pid(self) -> int | None:
        """Its process id; None while it is dead."""
        return self._supervisor.pids().get(NAME)

    async def become(self, mood: str) -> bool:
        """Tell it its mood; False when it does not hear, because it is dead."""
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
            try:
                return (await client.put(f"{self.base_url}/mood/{mood}")).is_success
            except httpx.HTTPError:
                return False

    def _start(self) -> Process:
        return start_guarded(self._command, environment=os.environ, log_path=self._log_path)
