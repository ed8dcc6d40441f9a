"""A cascade, put together from rows and events, whichever of them are there."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from ingest.answers import encode
from ingest.cascade import Cascade, EventNode, sizes
from streams.event import Event, Lineage
from streams.lineage import LONGEST_CHAIN

AT = datetime(2026, 6, 11, 19, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)


def row(execution_id: str, event_id: str, emitter: str = "", depth: int = 1, **more: Any) -> dict[str, Any]:
    """A row of `executions`."""
    lineage = {"root_event_id": "root", "trigger_depth": depth, "execution_id": execution_id}
    return {
        "execution_id": execution_id,
        "trigger_id": "t",
        "trigger_name": "a trigger",
        "agent_id": "agent",
        "event_id": event_id,
        "status": "COMPLETED",
        "error": None,
        "lineage": lineage | ({"parent_execution_id": emitter} if emitter else {}),
        "accepted_at": AT,
        "created_at": AT,
        "finished_at": AT,
        **more,
    }


def event(event_id: str, emitter: str = "", caused_by: str = "", seconds: int = 0) -> Event:
    """An event of this tree; `emitter` is the execution it came from."""
    lineage = Lineage("root", ["t"], 1, emitter) if emitter else None
    return Event("feed", "type", id=event_id, lineage=lineage, caused_by=caused_by, accepted_at_ms=AT_MS + 1000 * seconds)


def outline(node: EventNode) -> Any:
    """The ids, nested as they are: an event's executions, each with what it emitted, then its crossings."""
    executions = [(one.execution_id, *map(outline, one.events)) for one in node.executions]
    return (node.event_id, *executions, *[("crossing", outline(one)) for one in node.crossings])


def test_a_tree_goes_from_events_to_executions_to_what_they_emitted() -> None:
    """Events that fired nobody are leaves; those of one execution stand in the order in which they were accepted."""
    rows = [row("x1", "root"), row("x2", "root"), row("x3", "e1", "x1", 2)]
    events = [event("late", "x1", seconds=9), event("root"), event("e1", "x1", seconds=1), event("leaf", "x3", seconds=2)]
    cascade = Cascade("root", rows, events)
    assert outline(cascade.root) == ("root", ("x1", ("e1", ("x3", ("leaf",))), ("late",)), ("x2",))
    assert (cascade.root.source, cascade.root.accepted_at, cascade.detached) == ("feed", AT, [])
    assert sizes([cascade.root]) == (4, 3)


def test_rows_alone_make_the_tree() -> None:
    """Without its record an event has no name, and a crossing of the root is known by its having had no emitter."""
    cascade = Cascade("root", [row("x1", "c1"), row("x2", "e1", "x1", 2)], [])
    assert outline(cascade.root) == ("root", ("crossing", ("c1", ("x1", ("e1", ("x2",))))))
    assert cascade.root.source is None
    assert cascade.root.crossings[0].caused_by == "root"


def test_a_crossing_hangs_below_the_event_that_crossed() -> None:
    """Also one that an agent emitted, and also when that event's own record is not there."""
    crossing = event("c1", "x1", caused_by="e1")
    rows = [row("x1", "root"), row("x2", "c1", "x1", 2)]
    expected = ("root", ("x1", ("e1", ("crossing", ("c1", ("x2",))))))
    assert outline(Cascade("root", rows, [event("e1", "x1"), crossing]).root) == expected
    assert outline(Cascade("root", rows, [crossing]).root) == expected
    assert outline(Cascade("root", rows, []).root) == ("root", ("x1", ("c1", ("x2",))))


def test_the_tree_below_any_node() -> None:
    """An event, a crossing, or an execution: then its event with this execution alone."""
    rows = [row("x1", "root"), row("x2", "root"), row("x3", "e1", "x1", 2)]
    cascade = Cascade("root", rows, [event("c1", caused_by="root")])
    for node_id, expected in (
        ("e1", ("e1", ("x3",))),
        ("c1", ("c1",)),
        ("x1", ("root", ("x1", ("e1", ("x3",))))),
        ("x3", ("e1", ("x3",))),
    ):
        found = cascade.below(node_id)
        assert found is not None
        assert outline(found) == expected
    assert cascade.below("nothing") is None


def test_an_event_whose_emitter_is_not_there_is_not_lost() -> None:
    """Its row may not be in Postgres yet; what the event led to stays with it."""
    cascade = Cascade("root", [row("x3", "e1", "x1", 2)], [event("e1", "x1"), event("e2", "x9")])
    assert outline(cascade.root) == ("root",)
    assert sorted(map(outline, cascade.detached)) == [("e1", ("x3",)), ("e2",)]


def test_an_id_that_is_emitted_again_further_down_is_another_event() -> None:
    """Each stands where it was emitted, and the same one sent twice stands there once; no tree is ever below itself."""
    rows = [row("x1", "root"), row("x2", "e1", "x1", 2), row("y1", "e1", "x2", 3)]
    events = [event("root"), event("e1", "x1"), event("e1", "x1"), event("e1", "x2"), event("root", "y1"), event("root")]
    expected = ("root", ("x1", ("e1", ("x2", ("e1", ("y1", ("root",)))))))
    assert outline(Cascade("root", rows, events).root) == expected


def test_the_deepest_cascade_there_can_be_is_told() -> None:
    """Each level an event that crossed, its crossing, and an execution: as JSON too."""
    rows = [row("x0", "root")]
    events = [event("root")]
    for depth in range(1, LONGEST_CHAIN):
        events += [
            event(f"e{depth}", f"x{depth - 1}"),
            event(f"c{depth}", f"x{depth - 1}", caused_by=f"e{depth}"),
        ]
        rows.append(row(f"x{depth}", f"c{depth}", f"x{depth - 1}", depth + 1))
    cascade = Cascade("root", rows, events)
    assert sizes([cascade.root]) == (2 * LONGEST_CHAIN - 1, LONGEST_CHAIN)
    assert f"x{LONGEST_CHAIN - 1}".encode() in encode(cascade.root)
    assert msgspec.json.decode(encode(cascade.root))["event_id"] == "root"
