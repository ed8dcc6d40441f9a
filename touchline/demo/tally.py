"""What the demo saw on the topics, counted by unique id: a record that a restarted stage wrote twice counts once. Pure."""

from collections import defaultdict, deque
from typing import Any

import msgspec

from connectors.feeds import prices, sports_feed
from streams.event import Event
from streams.execution import Execution, Firing, Status, decode_execution, decode_firing
from streams.topics import CROSSINGS, EVENTS, EXECUTIONS, FIRINGS, Topic

COUNTED = (EVENTS, CROSSINGS, FIRINGS, EXECUTIONS)
LAST_GOALS = 8
"""Goals kept for the live view: as many as fit a small terminal."""

_decode_event = msgspec.json.Decoder(Event).decode


class Tally:
    """Sets of unique ids for one run of the demo. `watch` is that of its price trigger."""

    def __init__(self, watch: str) -> None:
        self._watch = watch
        self.events: set[str] = set()
        self.goals: set[str] = set()
        self.prices: set[str] = set()
        self.crossings: set[str] = set()
        self.firings: defaultdict[str, set[str]] = defaultdict(set)
        """Execution ids by trigger id."""
        self.completed: defaultdict[str, set[str]] = defaultdict(set)
        self.failed: defaultdict[str, set[str]] = defaultdict(set)
        self.accepted_at_ms: dict[str, int] = {}
        """When the event behind each execution was accepted: Unix milliseconds by execution id."""
        self.last_goals: deque[dict[str, Any]] = deque(maxlen=LAST_GOALS)
        self.unreadable: dict[str, int] = {}
        """Records, by topic, that could not be read: none of them is touchline's own."""

    def count(self, topic: Topic, value: bytes | None) -> None:
        """Take one record's value into the count. One that cannot be read is counted as such, and nothing stops."""
        try:
            if topic is EVENTS:
                self._event(_decode_event(value or b""))
            elif topic is CROSSINGS:
                self._crossing(_decode_event(value or b""))
            elif topic is FIRINGS:
                self._firing(decode_firing(value or b""))
            else:
                self._execution(decode_execution(value or b""))
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.unreadable[topic.name] = self.unreadable.get(topic.name, 0) + 1

    def _event(self, event: Event) -> None:
        if event.source not in (sports_feed.SOURCE, prices.SOURCE) or event.id in self.events:
            return
        self.events.add(event.id)
        if (event.source, event.type) == (sports_feed.SOURCE, "goal"):
            self.goals.add(event.id)
            self.last_goals.append(event.payload)
        elif (event.source, event.type) == (prices.SOURCE, "price"):
            self.prices.add(event.id)

    def _crossing(self, event: Event) -> None:
        if event.watch == self._watch:
            self.crossings.add(event.id)

    def _firing(self, firing: Firing) -> None:
        self.firings[firing.trigger_id].add(firing.execution_id)

    def _execution(self, execution: Execution) -> None:
        if execution.accepted_at_ms:
            self.accepted_at_ms[execution.execution_id] = execution.accepted_at_ms
        if execution.status is Status.COMPLETED:
            self.completed[execution.trigger_id].add(execution.execution_id)
        elif execution.status is Status.FAILED:
            self.failed[execution.trigger_id].add(execution.execution_id)
