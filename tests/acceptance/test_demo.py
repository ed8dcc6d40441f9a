"""The demo balances, also when its worker is killed in the middle of it."""

from pathlib import Path

import asyncpg
import psutil

from tests.acceptance.installation import Command
from tests.waiting import eventually

DEMO_SECONDS = 150
"""The demo takes under 90 s alone on the machine."""
KILLED_AT_EXECUTIONS = (60, 160)
"""How many executions the database shows at each kill: both fall into the middle of what the replay makes."""


async def test_kill_9_of_the_worker_during_the_demo_changes_no_final_sum(data_directory: Path) -> None:
    """Killed twice in the middle, the worker comes back, and `touchline demo` still exits 0: every sum balances."""
    demo = Command("demo", data_directory, environment={})
    try:
        await demo.ready()
        for executions in KILLED_AT_EXECUTIONS:
            await kill_the_worker(demo, executions)
        await eventually(lambda: demo.process.poll() is not None, DEMO_SECONDS, "the demo ends")
        assert demo.process.returncode == 0, demo.output
    finally:
        demo.stop()


async def kill_the_worker(demo: Command, executions: int) -> None:
    """Kill the worker once the database shows that many executions, and wait for the next one."""
    connection = await asyncpg.connect(demo.addresses.database)
    try:

        async def executed() -> bool:
            assert demo.process.poll() is None, f"the demo was over too early:\n{demo.output}"
            return bool(await connection.fetchval("select count(*) >= $1 from scheduler.executions", executions))

        await eventually(executed, DEMO_SECONDS, f"{executions} executions")
    finally:
        await connection.close()
    worker = psutil.Process(demo.addresses.pids["worker-1"])
    worker.kill()
    await eventually(lambda: demo.addresses.pids["worker-1"] != worker.pid, 30, "another worker")
