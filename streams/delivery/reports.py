"""Tells what became of dispatches (step 4 of the room's protocol): on `executions`, and on `dead` what failed."""

import asyncio
import os
from collections.abc import Callable

import structlog

from connectors.hub.inject import Answer
from streams.dead import dead_letter_headers, dead_letter_topic
from streams.delivery.delivery import Delivery
from streams.engine.writer import Outputs, Writer
from streams.execution import Execution, Status, encode
from streams.settings import Settings
from streams.topics import DISPATCHES, EXECUTIONS, partition_of

log = structlog.get_logger()

Landed = Callable[[Delivery], None]


class Reports:
    """Writes what ended. All that ends while one write is under way is in the next."""

    def __init__(self, settings: Settings, writer: Writer, landed: Landed) -> None:
        """`landed` is told of each dispatch whose reports are acked."""
        self._partitions = settings.partitions
        self._executions = EXECUTIONS.full_name(settings)
        self._dispatches = DISPATCHES.full_name(settings)
        self._dead = dead_letter_topic(settings)
        self._writer = writer
        self._landed = landed
        self._outputs = Outputs()
        self._ended: list[Delivery] = []
        self._task: asyncio.Task[None] | None = None

    def tell(self, delivery: Delivery, hub_id: str, status: Status, at_ms: int, attempts: int, answer: Answer | None) -> None:
        """A change of status for the next write. `hub_id`: the hub that was really called."""
        told = delivery.heading.inject
        execution = Execution(
            execution_id=told.execution_id,
            trigger_id=told.trigger_id,
            status=status,
            at_ms=at_ms,
            workspace=delivery.heading.workspace,
            hub_id=hub_id,
            agent_instance_id=told.agent_instance_id,
            accepted_at_ms=delivery.heading.accepted_at_ms,
            attempts=attempts,
            output=answer.output if answer else None,
            error=answer.error if answer else None,
            slot=delivery.heading.slot,
            run=delivery.heading.run,
        )
        key = told.trigger_id.encode()
        self._outputs.add(self._executions, partition_of(key, self._partitions), key, encode(execution))

    def bury(self, delivery: Delivery, value: bytes | None, error: str) -> None:
        """A dead letter for the next write."""
        partition, offset = delivery.partition, delivery.offset
        headers = dead_letter_headers(delivery.headers, self._dispatches, partition, offset, "dispatch", error)
        self._outputs.add(self._dead, partition, delivery.key, value, headers)

    def end(self, delivery: Delivery) -> None:
        """All is told of this one."""
        self._ended.append(delivery)
        if self._task is None:
            self._task = asyncio.create_task(self._write(), name="reports")

    async def drain(self) -> None:
        """Return when all that was told is acked."""
        while self._task is not None:
            await self._task

    async def _write(self) -> None:
        try:
            while self._ended:
                outputs, ended = self._outputs, self._ended
                self._outputs, self._ended = Outputs(), []
                await asyncio.gather(*self._writer.send(outputs))
                for delivery in ended:
                    self._landed(delivery)
        except Exception:
            log.exception("stage_stopped", stage="dispatch")
            os._exit(70)  # as in Stage: never go on past a hole
        self._task = None
