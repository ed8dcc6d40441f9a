"""dispatch: puts one prepared message in front of each agent, and says what came of it (the fourth stage).

Bound by HTTP, so it differs from the stages before it: the records of a batch run side by side, each behind the one
before it of the same hub and instance. A batch is acked when all of its records have ended, one way or the other.
"""

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import stamina
import structlog

from connectors.hub.inject import Answer, TryAgain, inject, open_client
from streams.dead import dead_letter_headers, dead_letter_topic
from streams.engine.batch import Batch, Record, is_current
from streams.engine.writer import Outputs, Writer
from streams.execution import Dispatch as DispatchRecord
from streams.execution import Execution, Status, decode_dispatch, encode
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import EXECUTIONS, partition_of

log = structlog.get_logger()

BATCHES_IN_FLIGHT = 4
"""Batches of one partition that may wait for hubs; after that the partition is read no further, so memory stays bounded."""
INJECTS_IN_FLIGHT = 256
"""Injects of one worker under way at once, retries that wait not counted."""


class Dispatch:
    """The stage at work."""

    name = "dispatch"

    def __init__(
        self, settings: Settings, rows: Rows, writer: Writer, counts: Counter[str], ready: Callable[[], Awaitable[None]]
    ) -> None:
        self._ready = ready
        self._settings = settings
        self._rows = rows
        self._writer = writer
        self._counts = counts
        self._client = open_client(settings.hub_timeout_seconds)
        self._behind: dict[bytes, asyncio.Task[None]] = {}
        self._batches: dict[int, set[asyncio.Task[None]]] = defaultdict(set)
        self._injects = asyncio.Semaphore(INJECTS_IN_FLIGHT)

    async def run(self, stream: Any) -> None:
        """The Faust agent."""
        async for event in stream.noack().events():
            batch: Batch = event.message.value
            running = self._batches[batch.partition]
            while len(running) >= BATCHES_IN_FLIGHT:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            await self._ready()
            if not is_current(event):
                continue  # its partition may have gone while it waited; whoever owns it now reads it again
            records = [self._queue(batch, record) for record in batch.records]
            task = asyncio.create_task(self._finish(event, records), name=f"dispatch-batch-{batch.partition}")
            running.add(task)
            task.add_done_callback(running.discard)

    async def abandon(self) -> None:
        """Stop all that is under way: the partitions go to somebody else, who will inject again, with the same keys."""
        tasks = [task for running in self._batches.values() for task in running] + list(self._behind.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()

    def _queue(self, batch: Batch, record: Record) -> asyncio.Task[None]:
        key = record.key or b""
        task = asyncio.create_task(self._in_turn(self._behind.get(key), batch, record))
        self._behind[key] = task
        task.add_done_callback(lambda done: self._behind.pop(key) if self._behind.get(key) is done else None)
        return task

    async def _finish(self, event: Any, records: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*records)
        event.ack()

    async def _in_turn(self, before: asyncio.Task[None] | None, batch: Batch, record: Record) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            await self._dispatch(batch, record)
        except Exception:
            log.exception("stage_stopped", stage=self.name, partition=batch.partition, offset=record.offset)
            os._exit(70)  # as in Stage: never go on past a hole

    async def _dispatch(self, batch: Batch, record: Record) -> None:
        self._counts["dispatch.read"] += 1
        outputs = Outputs()
        try:
            dispatch = decode_dispatch(record.value or b"")
        except msgspec.DecodeError as error:
            self._bury(outputs, batch, record, f"not a dispatch: {error}")
        else:
            started_at_ms = _now_ms()
            answer, attempts = await self._deliver(dispatch)
            self._report(outputs, dispatch, Status.RUNNING, started_at_ms, attempts)
            if answer.status is not Status.RUNNING:
                self._report(outputs, dispatch, answer.status, _now_ms(), attempts, answer)
            if answer.status is Status.FAILED:
                self._bury(outputs, batch, record, answer.error or "failed")
            self._counts[f"dispatch.{answer.status.lower()}"] += 1
        await asyncio.gather(*self._writer.send(outputs))

    async def _deliver(self, dispatch: DispatchRecord) -> tuple[Answer, int]:
        """The hub's last word, and the attempts it took."""
        attempts = 0
        try:
            async for attempt in stamina.retry_context(
                on=_back_off,
                attempts=self._settings.hub_attempts,
                timeout=None,
                wait_initial=self._settings.hub_backoff_seconds,
                wait_max=self._settings.hub_backoff_cap_seconds,
                wait_jitter=self._settings.hub_backoff_seconds,
            ):
                attempts = attempt.num
                with attempt:
                    return await self._attempt(dispatch, attempts), attempts
        except TryAgain as error:
            return Answer(Status.FAILED, error=f"gave up after {attempts} attempts: {error}"), attempts
        raise AssertionError("retry_context returned neither an answer nor an error")

    async def _attempt(self, dispatch: DispatchRecord, number: int) -> Answer:
        hub = self._rows.hubs.get(dispatch.hub_id)
        if hub is None:
            return Answer(Status.FAILED, error=f"hub {dispatch.hub_id!r} is not registered; POST /api/v1/hubs registers one")
        async with self._injects:
            try:
                return await inject(self._client, hub, dispatch, create=dispatch.fresh)
            except TryAgain as error:
                execution_id = dispatch.inject.execution_id
                log.warning("inject_failed", hub_id=hub.hub_id, execution_id=execution_id, attempt=number, reason=str(error))
                raise

    def _report(
        self,
        outputs: Outputs,
        dispatch: DispatchRecord,
        status: Status,
        at_ms: int,
        attempts: int,
        answer: Answer | None = None,
    ) -> None:
        execution = Execution(
            execution_id=dispatch.inject.execution_id,
            trigger_id=dispatch.inject.trigger_id,
            status=status,
            at_ms=at_ms,
            workspace=dispatch.workspace,
            hub_id=dispatch.hub_id,
            agent_instance_id=dispatch.inject.agent_instance_id,
            accepted_at_ms=dispatch.accepted_at_ms,
            attempts=attempts,
            output=answer.output if answer else None,
            error=answer.error if answer else None,
        )
        key = execution.trigger_id.encode()
        partition = partition_of(key, self._settings.partitions)
        outputs.add(EXECUTIONS.full_name(self._settings), partition, key, encode(execution))

    def _bury(self, outputs: Outputs, batch: Batch, record: Record, error: str) -> None:
        headers = dead_letter_headers(record.headers, batch.topic, batch.partition, record.offset, self.name, error)
        outputs.add(dead_letter_topic(self._settings), batch.partition, record.key, record.value, headers)
        self._counts["dispatch.dead"] += 1


def _back_off(error: Exception) -> bool | float:
    """Whether to try again: when the hub said when, then; otherwise by exponential back-off with jitter."""
    if not isinstance(error, TryAgain):
        return False
    return True if error.after_seconds is None else error.after_seconds


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
