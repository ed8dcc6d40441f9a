"""`touchline connect`: rows out of Postgres to Kafka, executions back in and out again when they are old, and a heartbeat."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connectors.postgres.endurance import keep_going
from connectors.postgres.executions_in import ExecutionsIn
from connectors.postgres.retention import Retention
from connectors.postgres.rows_out import RowsOut
from streams.goodbye import let_go
from streams.heartbeat import Heartbeat
from streams.pulse import Pulse
from streams.settings import Settings

LOOK_SECONDS = 0.05
"""How soon a stage that begins or ends its work is told of, ahead of the next heartbeat: `touchline up` waits for it."""


async def run(settings: Settings) -> None:
    """Work until cancelled, or until SIGTERM or SIGINT. What Postgres or Kafka do ends a session, never the process.

    Raises ConnectorError when the settings cannot work.
    """
    work = asyncio.create_task(Connect(settings).run(), name="connect")
    with _on_stop(work.cancel):
        try:
            await asyncio.wait([work])
        finally:
            work.cancel()
            await asyncio.wait([work])
    if not work.cancelled():
        work.result()


class Connect:
    """The process: its stages, and what its heartbeat says of them."""

    name = "pulse"

    def __init__(self, settings: Settings) -> None:
        self.working = False
        self.rows_out = RowsOut(settings)
        self.executions_in = ExecutionsIn(settings)
        self.retention = Retention(settings, lambda: self.rows_out.live)
        self._settings = settings

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for stage in (self.rows_out, self.executions_in, self.retention, self):
                tasks.create_task(keep_going(stage), name=stage.name)

    async def session(self) -> None:
        """Keep a heartbeat going. Raises KafkaError when it cannot begin; later it bears a broker that is away."""
        pulse = Pulse(self._settings, "connect", self.describe)
        try:
            await pulse.start()
            self.working = True
            while True:
                told = self._at_work()
                await asyncio.sleep(LOOK_SECONDS)
                if self._at_work() != told:
                    pulse.beat()
        finally:
            await let_go(pulse)

    def _at_work(self) -> tuple[bool, bool]:
        return self.rows_out.live, self.executions_in.working

    def describe(self, heartbeat: Heartbeat) -> None:
        """A stage is listed while it works. Of several instances one has `rows_out`; the others stand by for it."""
        if self.rows_out.live:
            heartbeat.stages["rows_out"] = []
            heartbeat.lag_bytes = self.rows_out.lag_bytes
        if self.executions_in.working:
            heartbeat.stages["executions_in"] = self.executions_in.partitions
        for stage in (self.rows_out, self.executions_in, self.retention):
            heartbeat.counts |= {f"{stage.name}.{outcome}": number for outcome, number in stage.counts.items()}


@contextmanager
def _on_stop(stop: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
