"""One engine's lap: its process gets a filled topic, is watched from outside, and its output is compared with the truth.

Every engine is timed the same way, by the end offsets of its output topic: from the first look that finds output to the
one that finds all of it. So starting up, joining a group and compiling are not counted, and what came before the first
look is left out of the records, too. CPU seconds are the engine's processes alone, all their threads, over the same time.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil

from tests.acceptance.installation import command_environment
from tests.benchmarks.broker import Broker
from touchline.stack.guardian import Guarded, start_guarded

LOOK_SECONDS = 0.02
"""How often the output is looked at: 2 % of the shortest lap, and too seldom to take anything from the engine."""
LAP_SECONDS = 300.0
"""A lap that takes longer is given up: what came out until then came in bursts, and tells no pace."""
LOG_TAIL_CHARACTERS = 2_000


class Engine(NamedTuple):
    """What to start, and how many processes of it: `environment` is added to one without touchline's own settings."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    processes: int = 1


class Lap(msgspec.Struct):
    """What one engine did. `memory_mib` is its resident memory at the end.

    `failure` says what went wrong; then there are no figures.
    """

    engine: str
    records: float = 0
    seconds: float = 0
    cpu_seconds: float = 0
    memory_mib: float = 0
    failure: str = ""

    @property
    def records_per_second(self) -> float:
        """By the wall clock."""
        return self.records / self.seconds if self.seconds else 0

    @property
    def records_per_cpu_second(self) -> float:
        """By the process's CPU time: the fair measure between engines that use more than one core."""
        return self.records / self.cpu_seconds if self.cpu_seconds else 0


class Course(NamedTuple):
    """What a lap is run on: where output appears, how many records of it are right, and from how many inputs.

    `check` reads the output from the offsets it is given, and raises AssertionError when it differs from the truth.
    """

    output: str
    outputs: int
    records: int
    check: Callable[[Broker, dict[Any, int]], Coroutine[Any, Any, None]]


async def run_lap(engine: Engine, course: Course, broker: Broker, log_path: Path) -> Lap:
    """Start the engine, measure it, stop it, check what it wrote. A lap that fails tells why, and the race goes on."""
    since = await broker.ends(course.output)
    environment = command_environment(engine.environment)
    logs = [log_path.with_suffix(f".{number}.log") for number in range(engine.processes)]
    processes = [start_guarded(engine.command, environment=environment, log_path=log) for log in logs]
    try:
        lap = await _measure(engine.name, processes, course, broker, sum(since.values()))
    except (AssertionError, psutil.NoSuchProcess) as error:
        tails = [log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:] for log in logs]
        return Lap(engine.name, failure="\n".join([str(error), *tails]).strip())
    finally:
        for process in processes:
            await asyncio.to_thread(process.stop)
    try:
        await course.check(broker, since)
    except AssertionError as error:
        return Lap(engine.name, failure=f"wrong output: {error}")
    return lap


class Look(NamedTuple):
    """The output's size and the process's CPU time, at a moment."""

    outputs: int
    seconds: float
    cpu_seconds: float


async def _measure(name: str, processes: Sequence[Guarded], course: Course, broker: Broker, before: int) -> Lap:
    first: Look | None = None
    began = time.monotonic()
    watched = [psutil.Process(process.pid) for process in processes]
    while True:
        for process in processes:
            assert process.poll() is None, f"it ended with exit code {process.poll()}"
        outputs = sum((await broker.ends(course.output)).values()) - before
        used = [one.cpu_times() for one in watched]
        look = Look(outputs, time.monotonic(), sum(one.user + one.system for one in used))
        if outputs and first is None:
            first = look
        if outputs >= course.outputs:
            break
        done = f"{outputs / course.outputs:.0%} of the output came in {LAP_SECONDS:.0f} s, then it was given up"
        assert look.seconds - began < LAP_SECONDS, done
        await asyncio.sleep(LOOK_SECONDS)
    assert first is not None
    assert first.outputs < outputs, "all output came at once; more --records are needed to measure this engine"
    return Lap(
        name,
        records=course.records * (1 - first.outputs / course.outputs),
        seconds=look.seconds - first.seconds,
        cpu_seconds=look.cpu_seconds - first.cpu_seconds,
        memory_mib=sum(one.memory_info().rss for one in watched) / 2**20,
    )
