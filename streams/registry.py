"""The enabled triggers as a worker uses them: filed in the index, their watches handed to the detector, row by row."""

from typing import Any

import structlog

from streams.crossings.crossing import Watches
from streams.errors import InvalidTrigger
from streams.language.dialect import is_plain
from streams.language.scale import Scales
from streams.matching.index import Index
from streams.topics import TRIGGERS, WORKSPACES
from streams.trigger import Trigger, parse_condition

log = structlog.get_logger()


class Registry:
    """Follows the rows (`Rows(on_change=registry.apply)`). An invalid row is left out and said so; its neighbours work on.

    What a row asked for is read from it again when it goes: to keep a million conditions would double what the index takes.
    """

    def __init__(self) -> None:
        self.index = Index()
        self.watches = Watches()
        self._scales: dict[str, Scales] = {}
        self._in_dialect: dict[str, Trigger] = {}
        """The rows whose meaning hangs on their workspace's scales: those that SQL wrote in a condition form."""

    def apply(self, table: str, key: str, before: Any, row: Any) -> None:
        """One row changed; None: it was not there before, or is gone."""
        if table == WORKSPACES.name:
            self._rescale(key, {} if row is None else row.scales)
        if table != TRIGGERS.name:
            return
        try:
            if before is not None and before.enabled:
                self._remove(key, before)
        finally:
            if row is not None and row.enabled:
                self._add(key, row)

    def _rescale(self, workspace: str, scales: Scales) -> None:
        concerned = [trigger for trigger in self._in_dialect.values() if trigger.workspace == workspace]
        for trigger in concerned:
            self._remove(trigger.id, trigger)
        self._scales[workspace] = scales
        for trigger in concerned:
            self._add(trigger.id, trigger)

    def _add(self, trigger_id: str, trigger: Trigger) -> None:
        if trigger.match_filter and not is_plain(trigger.match_filter):
            self._in_dialect[trigger_id] = trigger
        try:
            condition = parse_condition(trigger, self._scales.get(trigger.workspace))
        except InvalidTrigger as error:
            log.warning("trigger_invalid", trigger_id=trigger_id, field=error.path, reason=error.message)
            return
        self.index.add(trigger_id, trigger.workspace, condition)
        if condition.watch is not None:
            self.watches.add(condition.watch)

    def _remove(self, trigger_id: str, trigger: Trigger) -> None:
        self._in_dialect.pop(trigger_id, None)
        try:
            condition = parse_condition(trigger, self._scales.get(trigger.workspace))
        except InvalidTrigger:
            return  # it was never filed
        self.index.remove(trigger_id, trigger.workspace, condition)
        if condition.watch is not None:
            self.watches.remove(condition.watch)
