"""The courier of one hub: calls it for one lane after the other, a number of them at once, behind a breaker."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable

import structlog

from connectors.hub.client import HubClient
from streams.delivery.breaker import Breaker, Circuit
from streams.delivery.lane import Lane
from streams.settings import Settings
from streams.trigger import Hub

log = structlog.get_logger()


class Courier:
    """Calls one hub, as its row is. Another row, another courier."""

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        counts: Counter[str],
        is_mine: Callable[["Courier", Lane], bool],
        call: Callable[["Courier", Lane], Awaitable[None]],
    ) -> None:
        """`is_mine` says whether a lane's first dispatch still goes to this hub; `call` makes that one call."""
        self.hub = hub
        self.client = HubClient(hub, settings.hub_timeout_seconds, settings.hub_connect_timeout_seconds)
        self.breaker = Breaker(settings.hub_backoff_cap_seconds)
        self.ready: deque[Lane] = deque()
        """Lanes whose first dispatch could go now."""
        self.last_error = ""
        self._concurrency = settings.hub_concurrency
        self._counts = counts
        self._is_mine, self._call = is_mine, call
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def calls(self) -> frozenset["asyncio.Task[None]"]:
        """Those under way."""
        return frozenset(self._tasks)

    def offer(self, lane: Lane) -> None:
        """One more lane is ready."""
        self.ready.append(lane)
        self._begin()

    def succeeded(self) -> None:
        """The hub answered."""
        if self.breaker.succeeded():
            log.info("circuit_closed", hub_id=self.hub.hub_id)
            self._counts["dispatch.circuit_closed"] += 1
            for _ in range(min(len(self.ready), self._concurrency)):
                self._begin()

    def failed(self, error: str) -> None:
        """The hub did not answer."""
        self.last_error = error
        if self.breaker.failed(asyncio.get_running_loop().time()):
            log.warning("circuit_opened", hub_id=self.hub.hub_id, failures=self.breaker.failures, error=error)
            self._counts["dispatch.circuit_opened"] += 1

    def untold(self) -> None:
        """A call ended before the hub was asked."""
        self.breaker.abandoned(asyncio.get_running_loop().time())

    def stop(self) -> "asyncio.Future[list[BaseException | None]]":
        """End what is under way, now, and hang up; the future is done when all has ended. What is ready stays so."""
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._tasks:
            task.cancel()
        self.client.close()
        return asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self) -> None:
        if not self.ready or len(self._tasks) >= self._concurrency:
            return
        if self.breaker.circuit is not Circuit.CLOSED:
            self._set_alarm()
            return
        self._start()

    def _start(self) -> None:
        task = asyncio.create_task(self._work(), name=f"courier-{self.hub.hub_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        while self.ready:
            lane = self.ready.popleft()
            if not self._is_mine(self, lane):
                continue
            if not self.breaker.admit(clock()):
                self.ready.appendleft(lane)
                self._set_alarm()
                return
            await self._call(self, lane)

    def _set_alarm(self) -> None:
        # Half-open, the probe's task goes on by itself.
        if self._alarm is None and self.breaker.circuit is Circuit.OPEN:
            self._alarm = asyncio.get_running_loop().call_at(self.breaker.probe_at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._start()
