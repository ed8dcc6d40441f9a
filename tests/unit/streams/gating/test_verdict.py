"""What needs no policy, as tables: (row, state) to verdict, and (workspace, lineage) to refusal."""

from typing import Any

import pytest

from streams.event import Lineage
from streams.gating.state import Gate, Seen
from streams.gating.verdict import Verdict, judge_row, refusal
from streams.trigger import Trigger
from streams.workspace import Workspace

HERE = 5
"""The offset of the record that is judged."""


def trigger(**fields: Any) -> Trigger:
    """A row."""
    return Trigger(**{"id": "t", "name": "t", "schedule_expression": "feed:goal", "agent_id": "a", "hub_id": "h", **fields})


@pytest.mark.parametrize(
    ("row", "spent", "seen", "verdict"),
    [
        (trigger(), None, None, None),
        (trigger(), None, Seen(offset=3), Verdict.REPEATED),
        (trigger(), None, Seen(offset=HERE), None),
        (None, None, None, Verdict.GONE),
        (trigger(enabled=False), None, None, Verdict.DISABLED),
        (trigger(one_shot=True), None, None, None),
        (trigger(one_shot=True), Gate(offset=1, spent_generation=1), None, Verdict.SPENT),
        (trigger(one_shot=True), Gate(offset=HERE, spent_generation=1), Seen(offset=HERE), None),
        (trigger(one_shot=True, generation=2), Gate(offset=1, spent_generation=1), None, None),
        (trigger(generation=1), Gate(offset=1, spent_generation=1), None, None),
    ],
)
def test_a_firing_gets_one_verdict(row: Trigger | None, spent: Gate | None, seen: Seen | None, verdict: Verdict | None) -> None:
    """A one-shot that was enabled again may fire again; an id that was decided before never does, unless by this record."""
    assert judge_row(row, spent, seen, HERE) is verdict


@pytest.mark.parametrize(
    ("workspace", "depth", "says"),
    [
        (None, 10, None),
        (None, 11, "the cascade is 11 triggers deep, and 10 is the limit: t > t"),
        (Workspace("default", max_depth=2), 3, "the cascade is 3 triggers deep, and 2 is the limit: t > t"),
        (Workspace("default", max_depth=20), 20, None),
        (Workspace("default", allowed_agents=["a"]), 1, None),
        (Workspace("default", allowed_agents=["b"]), 1, "agent a may not be fired in workspace default"),
        (Workspace("default", allowed_agents=[]), 1, "agent a may not be fired in workspace default"),
    ],
)
def test_a_workspace_says_who_may_be_fired_and_how_deep(workspace: Workspace | None, depth: int, says: str | None) -> None:
    """Its own word before the installation's; the refusal shows the chain."""
    reason = refusal(trigger(), Lineage("e", ["t", "t"], depth), workspace, max_depth=10)
    assert reason == says if says is None else reason is not None and reason.startswith(says)
