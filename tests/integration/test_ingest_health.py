"""GET /health with the real worker and connector as processes: ready when they all work, and saying who is missing."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from streams.settings import Settings
from tests.environment import installation_environment
from tests.integration.api import serve
from tests.waiting import eventually


@contextmanager
def process(name: str, settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """A touchline process of this installation."""
    command = [sys.executable, "-m", "touchline.cli", name]
    started = subprocess.Popen(command, env=installation_environment(settings), stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


async def stages(client: httpx.AsyncClient) -> dict[str, str]:
    """The stages that are missing, and why."""
    answer = await client.get("/health")
    found: dict[str, str] = answer.json()["stages"]
    missing = {stage: state for stage, state in found.items() if state != "ok"}
    assert answer.status_code == (503 if missing else 200)
    assert answer.headers["content-type"] == ("application/problem+json" if missing else "application/json")
    return missing


async def test_health_is_ok_only_while_every_stage_is_held_by_a_living_process(installation: Settings) -> None:
    """Without a worker and a connector it names their stages; a killed worker is missed within a few heartbeats."""
    async with serve(installation) as client:
        missing = await stages(client)
        assert missing == dict.fromkeys(("detect", "match", "gate", "dispatch"), "no worker holds partitions 0, 1, 2, 3") | (
            dict.fromkeys(("rows_out", "executions_in"), "no connect process runs it")
        )

        async def only_workers_missing() -> bool:
            return (await stages(client)).keys() == {"detect", "match", "gate", "dispatch"}

        async def ready() -> bool:
            return not await stages(client)

        with process("connect", installation):
            await eventually(only_workers_missing, 30, "the connector is there")
            with process("worker", installation) as worker:
                await eventually(ready, 60, "every stage works")
                worker.kill()
                await eventually(only_workers_missing, 30, "the killed worker is missed")
            with process("worker", installation):
                await eventually(ready, 60, "every stage works again")
                metrics = (await client.get("/metrics")).text
                assert 'touchline_processes{role="worker"} 1.0' in metrics
