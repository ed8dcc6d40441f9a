"""Makes the engines ready to start: touchline's from this repository, the others fetched and built in a scratch directory."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jgo

from tests.benchmarks.engines.lap_settings import LapSettings
from tests.benchmarks.feed import PARTITIONS
from tests.benchmarks.race import Engine
from tests.environment import installation_environment

BARE_LOOP, TOUCHLINE, PLAIN_FAUST = "a bare aiokafka loop, record batches", "touchline", "Faust as its guide shows it"
TWO_WORKERS = "touchline, two workers"
QUIX, KAFKA_STREAMS = "Quix Streams", "Kafka Streams, at-least-once"
QUIX_VERSION, KAFKA_STREAMS_VERSION = "3.28.1", "4.2.1"
HERE = Path(__file__).parent


class Entry(NamedTuple):
    """An engine of the race. `at_most` limits the records it is given: a slow one tells its pace from fewer."""

    name: str
    at_most: int
    command: list[str | Path]


def bare_loop() -> Entry:
    """What the others are compared with."""
    return Entry(BARE_LOOP, sys.maxsize, [sys.executable, "-m", "tests.benchmarks.engines.bare_loop"])


def other_engines(scratch: Path, say: Callable[[str], None]) -> list[Entry]:
    """Every other engine that can run here, touchline's own apart. `say` is told which cannot, and why."""
    faust: list[str | Path] = [sys.executable, "-m", "faust", "--loop", "uvloop", "--datadir", scratch / "faust"]
    faust += ["-A", "tests.benchmarks.engines.plain_faust", "worker", "--loglevel", "warn"]
    found = [Entry(PLAIN_FAUST, 100_000, faust)]
    for name, at_most, make in (
        (QUIX, 1_000_000, _make_quix),
        (KAFKA_STREAMS, sys.maxsize, _make_kafka_streams),
    ):
        try:
            found.append(Entry(name, at_most, make(scratch)))
        except Unbuildable as error:
            say(f"{name} is left out: {error}")
    return found


class Unbuildable(Exception):
    """An engine cannot be fetched or built here; the message says why."""


def engine(entry: Entry, bootstrap_servers: str, events: str, crossings: str, lap: str, scratch: Path) -> Engine:
    """This entry with one lap's topics; `lap` is unique, and so are its group and its state."""
    environment = {
        "BENCH_KAFKA": bootstrap_servers,
        "BENCH_EVENTS": events,
        "BENCH_CROSSINGS": crossings,
        "BENCH_SIDES": f"{lap}-sides",
        "BENCH_GROUP": lap,
        "BENCH_PARTITIONS": str(PARTITIONS),
        "BENCH_STATE_DIRECTORY": str(scratch / lap),
    }
    return Engine(entry.name, entry.command, environment)


def touchline_engine(settings: LapSettings, *stages: str, workers: int = 1) -> Engine:
    """touchline's worker with these stages alone, or several that share the partitions."""
    environment = installation_environment(settings) | {"TOUCHLINE_LAP": settings.lap}
    command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.engines.touchline_stages", *stages]
    return Engine(TOUCHLINE if workers == 1 else TWO_WORKERS, command, environment, workers)


def _make_quix(scratch: Path) -> list[str | Path]:
    """A virtual environment of its own: its dependencies need not agree with ours."""
    directory = scratch / "quix"
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"quixstreams=={QUIX_VERSION}")
    return [python, HERE / "quix.py"]


def _make_kafka_streams(scratch: Path) -> list[str | Path]:
    """Compile the Java program against the released jars."""
    java, compiler = shutil.which("java"), shutil.which("javac")
    if java is None or compiler is None:
        raise Unbuildable("there is no JDK (javac) here")
    try:
        artifacts = jgo.resolve(f"org.apache.kafka:kafka-streams:{KAFKA_STREAMS_VERSION}")
        jars = os.pathsep.join(str(artifact.resolve()) for artifact in artifacts)
    except (OSError, RuntimeError) as error:  # what jgo raises for a network that fails and a repository that refuses
        raise Unbuildable(f"its jars could not be fetched: {error}") from error
    classes = scratch / "classes"
    _run(compiler, "-cp", jars, "-d", classes, HERE / "KafkaStreamsCrossings.java")
    return [java, "-cp", f"{classes}{os.pathsep}{jars}", "KafkaStreamsCrossings"]


def _run(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise Unbuildable(said.strip()[-500:]) from error
