"""`touchline tree`: the API's answer as people read it."""

from typing import Any

from rich.console import Console

from touchline.tree_command import remarks, tree


def event(event_id: str, **more: Any) -> dict[str, Any]:
    """An event of the answer."""
    empty: dict[str, Any] = {"subject": None, "caused_by": None, "accepted_at": None, "executions": [], "crossings": []}
    return {"event_id": event_id, "source": "feed", "type": "goal"} | empty | more


def execution(execution_id: str, status: str, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An execution of the answer, with what its agent emitted."""
    fields = {"execution_id": execution_id, "trigger_id": "t", "trigger_name": "late goals", "status": status, "error": None}
    return fields | {"events": list(events)} | more


def printed(root: dict[str, Any]) -> list[str]:
    """The lines, without colours."""
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(tree(root))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_tree_is_printed_with_what_became_of_each_execution() -> None:
    """Names of feeds and agents are no markup; what has no name any more is told by its id."""
    refused = execution("x2", "REFUSED", trigger_name=None, error="11 deep [10 is the limit]")
    crossing = event("c1", type="price_cross_above", caused_by="e1", executions=[refused])
    emitted = event("e1", source=None, type=None, crossings=[crossing])
    root = event("e0", type="[red]", subject="game 7", accepted_at="19:00", executions=[execution("x1", "COMPLETED", emitted)])
    assert printed(root) == [
        "event e0: feed:[red] (game 7), accepted 19:00",
        "└── late goals COMPLETED execution x1",
        "    └── event e1: its record was not found",
        "        └── crossing c1: feed:price_cross_above",
        "            └── trigger t, which is gone REFUSED execution x2: 11 deep [10 is the limit]",
    ]


def test_what_the_answer_leaves_out_is_said() -> None:
    """Nothing, when it is the whole and complete."""
    whole = {
        "event_id": "e0",
        "root_event_id": "e0",
        "tree": event("e0"),
        "executions": {"count": 1, "complete": True},
        "events": {"count": 1, "complete": True, "records_searched": 9},
    }
    assert remarks(whole) == []
    part = whole | {
        "event_id": "e1",
        "tree": event("e1"),
        "executions": {"count": 1000, "complete": False},
        "events": {"count": 1, "complete": False, "records_searched": 9},
    }
    began, more, missing = remarks(part)
    assert "event e0; --root shows" in began
    assert "these 1000" in more
    assert "only 9" in missing
