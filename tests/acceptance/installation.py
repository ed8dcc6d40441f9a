"""A whole installation as its users see it: a `touchline` command of its own, its addresses, and its processes."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from tests.waiting import eventually
from touchline.addresses import Addresses, read_addresses

START_SECONDS = 180
STOP_SECONDS = 60


def command_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment for a command: this one's without any touchline setting, plus `changes`."""
    ours = ("TOUCHLINE_", "KAFKA_", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | dict(changes)


class Command:
    """A running `touchline up` or `touchline demo` with a data directory. What it prints goes to `output_path`."""

    def __init__(self, name: str, data_directory: Path, *arguments: str, environment: Mapping[str, str]) -> None:
        self.data_directory = data_directory
        self.output_path = data_directory.with_suffix(".out")
        with self.output_path.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "touchline.cli", name, "--data-dir", str(data_directory), *arguments],
                env=command_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def output(self) -> str:
        """All it has printed so far."""
        return self.output_path.read_text()

    @property
    def addresses(self) -> Addresses:
        """What `addresses.json` says now."""
        return read_addresses(self.data_directory)

    async def ready(self) -> Addresses:
        """Wait until it has written `addresses.json`."""

        def written() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output}\n{self.logs()}"
            return (self.data_directory / "addresses.json").exists()

        await eventually(written, START_SECONDS, "addresses.json is there")
        return self.addresses

    def logs(self) -> str:
        """The end of each process's log, for a failing test to show."""
        logs = sorted((self.data_directory / "logs").glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)

    def processes(self) -> list[psutil.Process]:
        """The command itself and every process under it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Stop it as Ctrl-C does, and return its exit code."""
        if self.process.poll() is None:
            self.send(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


class Client:
    """The HTTP API as the tests speak it; every call asserts the status it expects."""

    def __init__(self, api: str) -> None:
        self.http = httpx.Client(base_url=api, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.http.close()

    def post(self, path: str, body: Any, status: int) -> Any:
        """POST a JSON body; the answer's body."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == status, f"POST {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path: str) -> Any:
        """GET; the answer's body."""
        answer = self.http.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def health(self) -> int:
        """The status of GET /health."""
        return self.http.get("/health").status_code

    def register_hub(self, hub_id: str, base_url: str, token: str | None = None) -> None:
        """Register a hub."""
        self.post("/api/v1/hubs", {"hub_id": hub_id, "base_url": base_url, "token": token}, 201)

    def create_trigger(self, name: str, on: str, hub_id: str, **columns: Any) -> str:
        """Create a trigger, under a name of its own, that delivers to a static instance; its id."""
        row = {
            "name": f"{name} {uuid.uuid4().hex[:8]}",
            "schedule_type": "event",
            "schedule_expression": on,
            "agent_id": "reporter",
            "agent_instance_id": "desk",
            "hub_id": hub_id,
            "supervisor_message": f"{name} happened",
        }
        return str(self.post("/api/v1/triggers", row | columns, 201)["id"])

    def publish(self, source: str, event_type: str, payload: Any, event_id: str | None = None) -> str:
        """Publish one event; its id."""
        event = {"source": source, "type": event_type, "payload": payload} | ({"id": event_id} if event_id else {})
        return str(self.post("/api/events/ingest", event, 202)["event_id"])

    def executions(self, trigger_id: str) -> list[dict[str, Any]]:
        """A trigger's executions."""
        found: list[dict[str, Any]] = self.get(f"/v1/triggers/{trigger_id}/executions")["executions"]
        return found
