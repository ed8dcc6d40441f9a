"""Carries out the plan of faults on real processes, and logs each with the time."""

import asyncio
from collections.abc import Callable, Sequence

import psutil

from touchline.torture.history import History
from touchline.torture.hub import WELL
from touchline.torture.hub_process import NAME as HUB
from touchline.torture.hub_process import HubProcess
from touchline.torture.plan import FREEZE, KILL, Fault

PRESENCE_SECONDS = 10.0
"""How long a process that is just being started again is waited for; then the fault falls out."""
POLL_SECONDS = 0.05


class Saboteur:
    """`pids` tells the process ids of what runs now. `done` are the faults that took place, with their second."""

    def __init__(self, pids: Callable[[], dict[str, int]], hub: HubProcess, history: History) -> None:
        self.done: list[tuple[float, Fault]] = []
        self._pids = pids
        self._hub = hub
        self._history = history
        self._frozen: dict[int, tuple[psutil.Process, int]] = {}
        self._mood: Fault | None = None

    async def run(self, faults: Sequence[Fault]) -> None:
        """All faults, each at its time; returns when the last is over, everything thawed and the hub well."""
        try:
            await asyncio.gather(*[self._commit(fault) for fault in faults])
        finally:
            for process, _ in self._frozen.values():
                _resume(process)
            await self._hub.become(WELL)

    async def _commit(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_seconds - self._history.seconds))
        if fault.kind == KILL:
            await self._kill(fault)
        elif fault.kind == FREEZE:
            await self._freeze(fault)
        else:
            await self._vex(fault)

    async def _kill(self, fault: Fault) -> None:
        if (process := await self._present(fault)) is not None:
            process.kill()
            self._log(fault, f"{fault} (process {process.pid})")

    async def _freeze(self, fault: Fault) -> None:
        if (process := await self._present(fault)) is None:
            return
        _, others = self._frozen.get(process.pid, (process, 0))
        self._frozen[process.pid] = process, others + 1  # two freezes of one process may overlap
        process.suspend()
        self._log(fault, f"{fault} (process {process.pid})")
        await asyncio.sleep(fault.lasts_seconds)
        _, holders = self._frozen[process.pid]
        self._frozen[process.pid] = process, holders - 1
        if holders == 1:
            _resume(process)
            self._history.say(f"thawed {fault.target} (process {process.pid})")

    async def _vex(self, fault: Fault) -> None:
        if not await self._hub.become(fault.target):
            self._history.say(f"left out: {fault}; it is dead")
            return
        self._mood = fault
        self._log(fault, str(fault))
        await asyncio.sleep(fault.lasts_seconds)
        if self._mood is fault:  # no other mood has come meanwhile
            await self._hub.become(WELL)
            self._history.say("hub well")

    async def _present(self, fault: Fault) -> psutil.Process | None:
        """The target's process; None, and a word about it, when it has not come back in time."""
        deadline = self._history.seconds + PRESENCE_SECONDS
        while self._history.seconds < deadline:
            pid = self._hub.pid if fault.target == HUB else self._pids().get(fault.target)
            if pid is not None:
                try:
                    return psutil.Process(pid)
                except psutil.NoSuchProcess:
                    pass  # it died a moment ago
            await asyncio.sleep(POLL_SECONDS)
        self._history.say(f"left out: {fault}; it has not come back from its last end")
        return None

    def _log(self, fault: Fault, line: str) -> None:
        self.done.append((round(self._history.seconds, 1), fault))
        self._history.say(line)
        self._history.write("fault", kind=fault.kind, target=fault.target, lasts_seconds=fault.lasts_seconds)


def _resume(process: psutil.Process) -> None:
    """SIGCONT, unless it has ended meanwhile; psutil knows a reused pid from the process it was."""
    if process.is_running():
        process.resume()
