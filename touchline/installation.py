"""Everything that `touchline up` runs: the servers, the processes, and how they start and stop together."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from connectors.kafka.topics import create_topics
from connectors.postgres.connection import connected
from streams.errors import StackError
from streams.settings import Settings
from touchline.addresses import Addresses, forget_addresses
from touchline.data_directory import log_path, signing_key
from touchline.migrate import migrate
from touchline.stack.cluster import EmbeddedCluster
from touchline.stack.guardian import start_guarded
from touchline.stack.kafka import REPLICAS, EmbeddedKafka
from touchline.stack.ports import LOOPBACK, free_ports
from touchline.stack.postgres import EmbeddedPostgres
from touchline.stack.server import Server
from touchline.supervisor import Part, Process, Supervisor

READY_SECONDS = 90.0
"""How long every stage may take to work: about 5 are usual; a worker that recovers large tables takes more."""
POLL_SECONDS = 0.1
"""How often to ask whether it works."""
LOCAL_HUB = "local"
"""The id under which the reference hub is registered."""


class Installation:
    """One installation. `say` is told, line by line, what a person should know; `addresses` is true once started.

    With several `brokers` the embedded Kafka is a cluster, and topics have as many copies, up to three, unless
    TOUCHLINE_REPLICATION_FACTOR says otherwise.
    """

    def __init__(
        self,
        settings: Settings,
        data_directory: Path,
        port: int,
        workers: int,
        say: Callable[[str], None],
        brokers: int = 1,
    ) -> None:
        if brokers > 1 and "replication_factor" not in settings.model_fields_set:
            settings = settings.model_copy(update={"replication_factor": min(brokers, REPLICAS)})
        self._settings = settings
        self._brokers = brokers
        self._data_directory = data_directory
        self._say = say
        self._supervisor = Supervisor(say, on_restart=self._write_addresses)
        self._ready = False
        ports = free_ports(data_directory / "ports.json", ("api", "hub"))
        self._ports = ports | ({"api": port} if port else {})
        self._workers = [f"worker-{number}" for number in range(1, workers + 1)]
        self.addresses = Addresses(
            api=f"http://{LOOPBACK}:{self._ports['api']}",
            kafka=settings.kafka_bootstrap_servers,
            database=settings.database_url,
            hub=f"http://{LOOPBACK}:{self._ports['hub']}",
            hub_id=LOCAL_HUB,
        )

    def start(self) -> None:
        """Start everything; return once every stage works. Raises TouchlineError; `stop` then ends what did start."""
        began = time.monotonic()
        forget_addresses(self._data_directory)
        _check_free(self._ports["api"])
        self._start_servers()
        self._say(f"Kafka and Postgres answer ({time.monotonic() - began:.1f} s)")
        settings = self._settings.model_copy(
            update={"kafka_bootstrap_servers": self.addresses.kafka, "database_url": self.addresses.database}
        )
        asyncio.run(_prepare(settings, self.addresses.hub))
        self._say(f"schema and topics are made ({time.monotonic() - began:.1f} s)")
        self._start_processes()
        self._await_ready(f"{self.addresses.hub}/health")
        self._await_ready(f"{self.addresses.api}/health")
        self._ready = True
        self._write_addresses()
        self._say(f"ready, every stage works ({time.monotonic() - began:.1f} s)")

    def stop(self) -> None:
        """Stop everything that was started, the last first."""
        self._ready = False
        forget_addresses(self._data_directory)
        if self._supervisor.pids():
            self._say("stopping")
        self._supervisor.stop()

    @property
    def asks_for_keys(self) -> bool:
        """Whether the API asks every caller for a key."""
        return self._settings.authentication == "keys"

    def pids(self) -> dict[str, int]:
        """The process id of each part that runs now."""
        return self._supervisor.pids()

    def _start_servers(self) -> None:
        """Kafka and Postgres at the same time, but for what the environment names others for."""
        given = self._settings.model_fields_set
        parts: list[Part] = []
        if "kafka_bootstrap_servers" not in given:
            parts += self._kafka()
        if "database_url" not in given:
            database = EmbeddedPostgres(self._data_directory / "postgres")
            parts.append(Part("postgres", partial(self._start_server, database, "database")))
        self._supervisor.start(parts)

    def _kafka(self) -> list[Part]:
        """One broker, or each one of a cluster, whose addresses never change."""
        directory = self._data_directory / "kafka"
        if self._brokers == 1:
            return [Part("kafka", partial(self._start_server, EmbeddedKafka(directory), "kafka"))]
        cluster = EmbeddedCluster(directory, self._brokers)
        self.addresses.kafka = cluster.bootstrap_servers
        return [Part(broker.name, partial(self._start_server, broker)) for broker in cluster.brokers]

    def _start_server(self, server: Server, noted_as: str | None = None) -> Process:
        """Start it, also after it died; note where it listens this time."""
        server.start()
        if noted_as is not None:
            self._set_address(noted_as, server.address)
        return server

    def _set_address(self, server: str, address: str) -> None:
        """Note where a server listens. One that came back elsewhere makes every process start anew, to be told."""
        moved = self._ready and getattr(self.addresses, server) != address
        setattr(self.addresses, server, address)
        if moved:
            self._supervisor.renew(["ingest", *self._workers, "connect", "hub"])

    def _start_processes(self) -> None:
        self._supervisor.start([self._process("hub", "hub", "--hub-id", LOCAL_HUB, "--port", str(self._ports["hub"]))])
        self._supervisor.start([self._process("connect", "connect")])
        self._supervisor.start([self._process(name, "worker") for name in self._workers])
        self._supervisor.start([self._process("ingest", "ingest", "--port", str(self._ports["api"]))])

    def _process(self, name: str, *arguments: str) -> Part:
        """A process of ours, guarded, so that it does not outlive this one."""
        log = log_path(self._data_directory, name)

        def start() -> Process:
            command = [sys.executable, "-m", "touchline.cli", *arguments]
            return start_guarded(command, environment=self._environment(), log_path=log)

        return Part(name, start, log)

    def _environment(self) -> dict[str, str]:
        """This process's environment, where the servers are by now, and whether callers need keys."""
        own = {
            "TOUCHLINE_PUBLIC_URL": self.addresses.api,
            "TOUCHLINE_SIGNING_KEY": signing_key(self._data_directory),
            "TOUCHLINE_REPLICATION_FACTOR": str(self._settings.replication_factor),
        }
        decided = {
            "KAFKA_BOOTSTRAP_SERVERS": self.addresses.kafka,
            "DATABASE_URL": self.addresses.database,
            "TOUCHLINE_AUTHENTICATION": self._settings.authentication,
        }
        return own | os.environ | decided

    def _await_ready(self, url: str) -> None:
        """Wait until that address answers 200. Raises StackError with what it said last."""
        deadline = time.monotonic() + READY_SECONDS
        said = "nothing"
        with httpx.Client(timeout=5) as client:
            while time.monotonic() < deadline:
                try:
                    answer = client.get(url)
                except httpx.TransportError as error:
                    said = repr(error)
                else:
                    if answer.status_code == httpx.codes.OK:
                        return
                    said = f"{answer.status_code} {answer.text}"
                time.sleep(POLL_SECONDS)
        logs = self._data_directory / "logs"
        raise StackError(f"not every stage works after {READY_SECONDS:.0f} s; see {logs}. {url} said: {said}")

    def _write_addresses(self) -> None:
        """Once everything is ready, and again whenever a process has another id."""
        if self._ready:
            self.addresses.pids = {"up": os.getpid()} | self._supervisor.pids()
            self.addresses.write(self._data_directory)


async def _prepare(settings: Settings, hub_url: str) -> None:
    """Bring the schema up to date and make the topics, at the same time; then register the reference hub, or tell where it is.

    That is written as a row, since nobody has a key to the API yet, and before the connector starts, so that it is on its
    topic when `GET /health` first answers 200.
    """
    await asyncio.gather(migrate(settings), create_topics(settings))
    async with connected(settings) as connection:
        await connection.execute(
            "INSERT INTO hubs (hub_id, base_url) VALUES ($1, $2) "
            "ON CONFLICT (hub_id) DO UPDATE SET base_url = excluded.base_url, token = NULL",
            LOCAL_HUB,
            hub_url,
        )


def _check_free(port: int) -> None:
    """Raise StackError when something else listens on that port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: lingering connections do not count
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise StackError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from error
