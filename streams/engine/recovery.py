"""Faust's recovery, which says that partitions are ready only while they are this process's.

Faust says so (`on_rebalance_complete`) and only then looks whether its generation has passed. Whoever heard it took up work in
partitions that were already somebody else's, and whose states were just being let go of: a worker that had done so stopped
when the first of it ended. `touchline torture` found it.
"""

import structlog
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery

log = structlog.get_logger()


class AssignedRecovery(Recovery):  # type: ignore[misc]  # faust ships no complete types
    """Ends silently when the next rebalance has begun: what that one assigns is recovered anew."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """All states are there, of what this generation was assigned."""
        if generation_id != self.app.consumer_generation_id or not self.app.consumer.is_assigned():
            log.info("recovery_overtaken", generation=generation_id)
            return
        await super().on_recovery_completed(generation_id)


class AssignedTables(TableManager):  # type: ignore[misc]  # faust ships no complete types
    """Faust's tables, with that recovery."""

    _recovery: AssignedRecovery | None

    @property
    def recovery(self) -> AssignedRecovery:
        """Made when it is first asked for."""
        if self._recovery is None:
            self._recovery = AssignedRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
