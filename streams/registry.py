"""The enabled triggers as a worker uses them: filed in the index, their watches handed to the detector, row by row."""

from typing import Any

import structlog

from streams.crossing import Watches
from streams.errors import InvalidTrigger
from streams.index import Index
from streams.topics import TRIGGERS
from streams.trigger import Trigger

log = structlog.get_logger()


class Registry:
    """Follows the rows (`Rows(on_change=registry.apply)`). An invalid row is left out and said so; its neighbours work on."""

    def __init__(self) -> None:
        self.index = Index()
        self.watches = Watches()

    def apply(self, table: str, key: str, row: Any) -> None:
        """One row changed; None: it is gone."""
        if table != TRIGGERS.name:
            return
        before = self.index.remove(key)
        if before is not None and before.watch is not None:
            self.watches.remove(before.watch)
        trigger: Trigger | None = row
        if trigger is None or not trigger.enabled:
            return
        try:
            condition = self.index.add(trigger)
        except InvalidTrigger as error:
            log.warning("trigger_invalid", trigger_id=key, field=error.path, reason=error.message)
            return
        if condition.watch is not None:
            self.watches.add(condition.watch)
