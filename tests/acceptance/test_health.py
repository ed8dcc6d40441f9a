"""GET /health says 200 only while every stage really works."""

import signal

import psutil

from tests.acceptance.installation import Client, Command
from tests.waiting import eventually


async def test_health_is_503_while_the_worker_stands_still_and_200_once_it_goes_on(running: Command, client: Client) -> None:
    """A worker that is stopped (SIGSTOP) neither ends nor answers; its silence alone must show."""
    await eventually(lambda: client.health() == 200, 30, "every stage works")
    worker = psutil.Process(running.addresses.pids["worker-1"])
    worker.send_signal(signal.SIGSTOP)
    try:
        await eventually(lambda: client.health() == 503, 30, "503 while the worker stands still")
    finally:
        worker.send_signal(signal.SIGCONT)
    await eventually(lambda: client.health() == 200, 30, "200 once it goes on")
