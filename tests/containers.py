"""The official images of Kafka and Postgres, for machines with a container engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from touchline.stack.ports import any_free_port

KAFKA_IMAGE = "apache/kafka:4.2.1"
POSTGRES_IMAGE = "postgres:18"


@contextmanager
def kafka_container() -> Iterator[str]:
    """A broker; its bootstrap address. The port is chosen here, since a broker must know the address it advertises."""
    host, port = DockerClient().host(), any_free_port()
    container = (
        DockerContainer(KAFKA_IMAGE)
        .with_bind_ports(port, port)
        .with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:29093",
            KAFKA_LISTENERS=f"CLIENTS://:{port},CONTROLLER://:29093",
            KAFKA_ADVERTISED_LISTENERS=f"CLIENTS://{host}:{port}",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
            KAFKA_INTER_BROKER_LISTENER_NAME="CLIENTS",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        )
        .waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(60))
    )
    with container:
        yield f"{host}:{port}"


@contextmanager
def postgres_container() -> Iterator[str]:
    """A database with logical WAL; its URL."""
    container = PostgresContainer(POSTGRES_IMAGE, driver=None).with_command(
        "postgres -c wal_level=logical -c max_replication_slots=64 -c max_wal_senders=64 -c max_connections=200"
    )
    with container:
        yield container.get_connection_url()
