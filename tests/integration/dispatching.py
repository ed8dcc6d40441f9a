"""A worker process that dispatches, fed straight through the topics: hubs' rows in, dispatches in, executions out."""

import uuid
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from streams.delivery.parked import OWNER
from streams.event import Lineage
from streams.execution import Dispatch, Execution, Inject, decode_execution, encode
from streams.settings import Settings
from streams.topics import DEAD, DISPATCHES, EXECUTIONS, HUBS, Topic, partition_of
from tests.integration.api import records
from touchline.stack.ports import any_free_port

PARKED = Topic("touchline-parked-changelog")
DELIVERED_SECONDS = 60
"""A worker is up after a few seconds; one that takes over from a killed one waits ten more for its session to end."""


class Line:
    """Writes what a worker dispatches, and reads what it says became of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", max_request_size=4 * 1024 * 1024)

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def register(self, hub_id: str, base_url: str) -> None:
        """A hub's row, as the connector writes it."""
        change = {
            "before": None,
            "after": {"hub_id": hub_id, "base_url": base_url},
            "op": "c",
            "source": {"lsn": 1},
            "ts_ms": 0,
        }
        await self._producer.send_and_wait(HUBS.full_name(self.settings), msgspec.json.encode(change), key=hub_id.encode())

    async def deregister(self, hub_id: str) -> None:
        """The tombstone that a deleted row leaves."""
        await self._producer.send_and_wait(HUBS.full_name(self.settings), None, key=hub_id.encode())

    async def send(
        self, hub_id: str, instance: str, number: int = 0, *, execution_id: str = "", message: str = "look", **columns: Any
    ) -> str:
        """Dispatch to an instance; the execution's id. `number` is in the event, for the hub to know it by."""
        execution_id = execution_id or str(uuid.uuid4())
        inject = Inject(
            execution_id,
            "t1",
            "agent",
            instance,
            message,
            [],
            {"id": "e1", "payload": {"number": number}},
            Lineage("e1", ["t1"], 1),
            None,
            None,
            "http://127.0.0.1:8700",
        )
        dispatch = Dispatch(hub_id, columns.pop("fresh", False), inject, **columns)
        key = f"{hub_id}/{instance}".encode()
        partition = partition_of(key, self.settings.partitions)
        topic = DISPATCHES.full_name(self.settings)
        await self._producer.send_and_wait(topic, encode(dispatch), key=key, partition=partition)
        return execution_id

    async def executions(self, *execution_ids: str) -> dict[str, list[Execution]]:
        """What lies on `executions` of these, in order."""
        found: dict[str, list[Execution]] = {execution_id: [] for execution_id in execution_ids}
        for record in await records(self.settings, EXECUTIONS):
            execution = decode_execution(record.value)
            if execution.execution_id in found:
                found[execution.execution_id].append(execution)
        return found

    async def statuses(self, *execution_ids: str) -> list[list[str]]:
        """The statuses that each of these has had."""
        return [[one.status for one in told] for told in (await self.executions(*execution_ids)).values()]

    async def dead(self) -> list[tuple[str, str]]:
        """The execution and the reason of each dead letter."""
        letters = []
        for record in await records(self.settings, DEAD):
            reason = dict(record.headers)["error"].decode()
            letters.append((msgspec.json.decode(record.value)["inject"]["execution_id"], reason))
        return letters

    async def committed(self) -> int:
        """How many records of `dispatches` are acked and committed: whoever comes next does not read them again."""
        admin = AIOKafkaAdminClient(**self.settings.kafka_client())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.settings.group)
        except GroupCoordinatorNotAvailableError:  # a broker that no group has joined yet
            return 0
        finally:
            await admin.close()
        topic = DISPATCHES.full_name(self.settings)
        return sum(committed.offset for place, committed in offsets.items() if place.topic == topic and committed.offset > 0)

    async def parked(self) -> dict[bytes, Any]:
        """What the table `parked` holds, by key."""
        changelog = await records(self.settings, PARKED)
        compacted = {record.key: record.value for record in changelog}
        return {key: msgspec.json.decode(value) for key, value in compacted.items() if value is not None and key != OWNER}


def nowhere() -> str:
    """A base_url at which nobody listens yet."""
    return f"http://127.0.0.1:{any_free_port()}"
