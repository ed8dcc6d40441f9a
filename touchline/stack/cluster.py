"""Several real Kafka brokers in one data directory, so that one may die: a process and a directory each, ports that never move.

Every broker is a controller too, and all controllers form one quorum; its voters are named by port in each broker's
configuration. So the ports are chosen for all at once, before any broker starts, and a broker that starts again takes the
same ones. A broker that was killed is missed after two seconds, its partitions get other leaders, and what was
acknowledged lies with at least two.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from streams.errors import StackError
from touchline.stack.kafka import CLUSTER_FILE, EmbeddedKafka, Membership, Ports, new_cluster_id
from touchline.stack.lock import locked
from touchline.stack.ports import LOOPBACK, free_ports


class _Remembered(msgspec.Struct):
    """The content of CLUSTER_FILE."""

    cluster_id: str
    brokers: int


class EmbeddedCluster:
    """`brokers` brokers, each in a directory of its own in `data_directory`. What was acknowledged survives any one's death.

    Making it chooses the ports, and waits for a predecessor that is still stopping. Each of `brokers` may be started,
    stopped and killed alone. Raises StackError when the directory holds a Kafka of another number of brokers.
    """

    def __init__(self, data_directory: Path, brokers: int) -> None:
        self.data_directory = data_directory.absolute()
        node_ids = range(1, brokers + 1)
        directories = {node_id: self.data_directory / f"kafka-{node_id}" for node_id in node_ids}
        cluster_id = self._cluster_id(brokers)
        names = [f"{role}-{node_id}" for role in Ports._fields for node_id in node_ids]
        with ExitStack() as predecessors:
            for directory in directories.values():
                directory.mkdir(parents=True, exist_ok=True)
                predecessors.enter_context(locked(directory))
            found = free_ports(self.data_directory / "ports.json", tuple(names))
        ports = {node_id: Ports(found[f"broker-{node_id}"], found[f"controller-{node_id}"]) for node_id in node_ids}
        membership = Membership(cluster_id, ports)
        self.bootstrap_servers = ",".join(f"{LOOPBACK}:{port.broker}" for port in ports.values())
        """Where clients connect: every broker, `host:port,host:port,host:port`."""
        self.brokers = [EmbeddedKafka(directory, node_id, membership) for node_id, directory in directories.items()]

    def start(self) -> None:
        """Start all brokers at the same time; return when each of them answers. Blocks. Raises StackError."""
        try:
            self._each(EmbeddedKafka.start)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all brokers at the same time, in good order; nothing of them is left."""
        self._each(EmbeddedKafka.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _each(self, do: Callable[[EmbeddedKafka], None]) -> None:
        with ThreadPoolExecutor(len(self.brokers)) as pool:
            list(pool.map(do, self.brokers))

    def _cluster_id(self, brokers: int) -> str:
        """The remembered one, else a new one, remembered."""
        path = self.data_directory / CLUSTER_FILE
        alone = (self.data_directory / "logs").exists()
        if path.exists() or alone:
            remembered = _Remembered("", 1) if alone else msgspec.json.decode(path.read_bytes(), type=_Remembered)
            if remembered.brokers != brokers:
                raise StackError(
                    f"{self.data_directory} holds a Kafka of {remembered.brokers}, not {brokers}, brokers; "
                    f"start it with --brokers {remembered.brokers}, or choose another --data-dir"
                )
            return remembered.cluster_id
        self.data_directory.mkdir(parents=True, exist_ok=True)
        made = _Remembered(new_cluster_id(), brokers)
        path.write_bytes(msgspec.json.encode(made))
        return made.cluster_id
