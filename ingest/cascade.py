"""A cascade: what one event caused, as a tree of events, their crossings and their executions. Pure: the rule beside
`event_tree.py`.

An execution's row says which event fired it, and which execution emitted that event; so rows alone make the tree, except for
the cause of a crossing further down. Events out of the topics add that, their names, and what fired nobody.

An id may be emitted again further down, with another lineage: an event is known by its id and the execution that emitted it. A
chain grows with every firing, so nothing is ever below itself.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from streams.event import Event

_LAST = datetime.max.replace(tzinfo=UTC)


class EventNode(msgspec.Struct):
    """An event. Without a source its record was not found; `caused_by` is the event that crossed, of a crossing."""

    event_id: str
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    caused_by: str | None = None
    accepted_at: datetime | None = None
    executions: list["ExecutionNode"] = []
    crossings: list["EventNode"] = []


class ExecutionNode(msgspec.Struct):
    """An execution, with the events that its agent emitted. `trigger_name` is None when the trigger is gone."""

    execution_id: str
    trigger_id: str
    trigger_name: str | None
    trigger_depth: int
    agent_id: str
    status: str
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    events: list[EventNode] = []


class Cascade:
    """The tree under `root_event_id`, out of rows of `executions` and events, both of this tree.

    `detached` are events whose emitter's row is not there: not in Postgres yet, or no longer, or left out for its number.
    """

    def __init__(self, root_event_id: str, rows: Sequence[Mapping[str, Any]], events: Sequence[Event]) -> None:
        self.root = EventNode(root_event_id)
        self._nodes = {(root_event_id, ""): self.root}
        self._executions: dict[str, tuple[EventNode, ExecutionNode]] = {}
        for event in sorted(events, key=lambda event: event.accepted_at_ms):
            self._add_event(event)
        for row in rows:
            self._add_execution(row)
        self.detached = self._link()

    def below(self, node_id: str) -> EventNode | None:
        """The tree below an event; of an execution, that of its event with this execution alone. None when it is not there."""
        if node_id in self._executions:
            event, execution = self._executions[node_id]
            return msgspec.structs.replace(event, executions=[execution], crossings=[])
        found = [node for (event_id, _), node in self._nodes.items() if event_id == node_id]
        return min(found, key=_accepted_at, default=None)

    def _node(self, event_id: str, emitter: str) -> EventNode:
        return self._nodes.setdefault((event_id, emitter), EventNode(event_id))

    def _add_event(self, event: Event) -> None:
        emitter = "" if event.lineage is None else event.lineage.execution_id
        if not (emitter or event.caused_by or event.id == self.root.event_id):
            return
        node = self._node(event.id, emitter)
        if node.source is not None:
            return  # the same event again
        node.source, node.type, node.subject = event.source, event.type, event.subject
        node.accepted_at = datetime.fromtimestamp(event.accepted_at_ms / 1000, UTC)
        if event.caused_by:
            node.caused_by = event.caused_by
            cause = self._node(event.caused_by, emitter)
            cause.accepted_at = cause.accepted_at or node.accepted_at  # a crossing is as old as its cause

    def _add_execution(self, row: Mapping[str, Any]) -> None:
        lineage = row["lineage"]
        emitter = lineage.get("parent_execution_id", "")
        node = self._node(row["event_id"], emitter)
        node.accepted_at = node.accepted_at or row["accepted_at"]
        if not emitter and node is not self.root:
            node.caused_by = self.root.event_id
        fields = {name: row[name] for name in ExecutionNode.__struct_fields__ if name in row}
        execution = ExecutionNode(**fields, trigger_depth=lineage.get("trigger_depth", 0))
        node.executions.append(execution)
        self._executions[execution.execution_id] = node, execution

    def _link(self) -> list[EventNode]:
        detached = []
        for (_, emitter), node in sorted(self._nodes.items(), key=lambda item: _accepted_at(item[1])):
            if node is self.root:
                continue
            if node.caused_by is not None:
                self._nodes[node.caused_by, emitter].crossings.append(node)
            elif emitter in self._executions:
                self._executions[emitter][1].events.append(node)
            else:
                detached.append(node)
        return detached


def sizes(nodes: Iterable[EventNode]) -> tuple[int, int]:
    """How many events and executions there are in these trees."""
    events = executions = 0
    waiting = deque(nodes)
    while waiting:
        node = waiting.popleft()
        events += 1
        executions += len(node.executions)
        waiting += node.crossings
        waiting += [event for execution in node.executions for event in execution.events]
    return events, executions


def _accepted_at(node: EventNode) -> datetime:
    return node.accepted_at or _LAST
