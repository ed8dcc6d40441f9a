"""The broker's jars: pinned by coordinate and sha256 in `jars.lock`, fetched once from Maven Central, checked at every start.

`python -m touchline.stack.jars` resolves ROOTS anew, with all they depend on, and rewrites the lock.
"""

import hashlib
import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import jgo
import requests
import stamina
from jgo.maven import MavenContext
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams.errors import StackError

ROOTS = ("org.apache.kafka:kafka_2.13:4.2.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
"""The broker, and the binding that lets it write its log."""

LOCK = Path(__file__).with_name("jars.lock")
PARALLEL_DOWNLOADS = 8
"""A cold start waits for the network, not for a core; more connections than this gain nothing."""
ATTEMPTS = 5
"""Tries per jar, with exponential back-off: about ten seconds of a flaky network."""

NETWORK_ERRORS = (requests.RequestException, RuntimeError)
"""What jgo raises while fetching. RuntimeError is its "not found", for every answer but 200, a passing 503 too."""


class Jar(NamedTuple):
    """One line of the lock: `group:artifact:version sha256`."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the cache."""
        return f"{self.artifact}-{self.version}.jar"


def cache_directory() -> Path:
    """Where fetched jars live: TOUCHLINE_CACHE_DIR, else the platform's cache directory."""
    chosen = os.environ.get("TOUCHLINE_CACHE_DIR")
    return Path(chosen).absolute() if chosen else user_cache_path("touchline")


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """Every jar of the lock, in class path order."""
    lines = (line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar._make([*coordinate.split(":"), sha256]) for coordinate, sha256 in lines]


def kafka_jars() -> list[Path]:
    """The broker's class path: every locked jar on disk, fetched now if it is missing, its sha256 checked either way.

    Raises StackError when a jar cannot be fetched, or when one is not what was pinned; that one is deleted.
    """
    directory = cache_directory() / "jars"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"Kafka's jars have no place: {error}. Set TOUCHLINE_CACHE_DIR to a directory of yours") from error
    jars = locked_jars()
    missing = [jar for jar in jars if not (directory / jar.file_name).exists()]
    present = [jar for jar in jars if jar not in missing]
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        list(pool.map(lambda jar: _check(jar, directory / jar.file_name), present))
        _follow([pool.submit(_fetch, jar, directory) for jar in missing])
    return [directory / jar.file_name for jar in jars]


def _follow(downloads: list[Future[None]]) -> None:
    """Wait for all downloads, showing how far they are; nothing is shown when there are none. The first failure is raised."""
    if not downloads:
        return
    columns = (TextColumn("Fetching Kafka, once"), BarColumn(), MofNCompleteColumn(), TextColumn("jars"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(downloads))
        try:
            for download in as_completed(downloads):
                download.result()
                progress.advance(task)
        except BaseException:
            for download in downloads:
                download.cancel()
            raise


def _check(jar: Jar, path: Path) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != jar.sha256:
        path.unlink()
        raise StackError(
            f"{path} was not the jar that is pinned (sha256 {actual}, expected {jar.sha256}); it has been deleted. "
            "Start again to fetch it anew; if that fails too, something between here and Maven Central changes files"
        )


def _fetch(jar: Jar, directory: Path) -> None:
    """Download one jar beside its place, check it, and only then move it there: what lies in the cache was whole once."""
    try:
        with tempfile.TemporaryDirectory(dir=directory, prefix="fetching-") as scratch:
            path = _download(jar, Path(scratch))
            _check(jar, path)
            path.replace(directory / jar.file_name)
    except (*NETWORK_ERRORS, OSError) as error:
        raise StackError(
            f"could not fetch {jar.file_name} from Maven Central: {error}. Check the network and start again, "
            "or set KAFKA_BOOTSTRAP_SERVERS to use a Kafka of your own"
        ) from error


@stamina.retry(on=NETWORK_ERRORS, attempts=ATTEMPTS, wait_initial=0.5)
def _download(jar: Jar, scratch: Path) -> Path:
    # A directory per attempt: jgo takes a half-written file of an earlier one for the whole.
    context = MavenContext(repo_cache=Path(tempfile.mkdtemp(dir=scratch)))
    resolved: Path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    return resolved


def write_lock(lock: Path = LOCK) -> list[Jar]:
    """Resolve ROOTS and all they depend on, download every jar, and write coordinates and sha256 to `lock`."""
    # One root at a time, the broker's versions first: resolved together, log4j's list of managed versions would apply to
    # the broker too, and pair it with a Kafka client of another release.
    artifacts = {(found.groupId, found.artifactId): found for root in reversed(ROOTS) for found in jgo.resolve(root)}
    jars = []
    for artifact in artifacts.values():
        digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
        jars.append(Jar(artifact.groupId, artifact.artifactId, artifact.version, digest))
    lines = [f"{jar.group}:{jar.artifact}:{jar.version} {jar.sha256}" for jar in jars]
    lock.write_text("# Written by `python -m touchline.stack.jars`.\n" + "\n".join(lines) + "\n")
    return jars


if __name__ == "__main__":
    print(f"{len(write_lock())} jars locked in {LOCK}")
