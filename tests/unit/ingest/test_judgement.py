"""judge: a row as every door judges it, templates included."""

from typing import Any

import pytest

from ingest import judgement
from ingest.judgement import judge
from streams.errors import InvalidTrigger
from streams.trigger import Trigger
from streams.workspace import Workspace


def row(**columns: Any) -> Trigger:
    """A valid row, changed."""
    return Trigger(id="t", name="t", schedule_expression="feed:goal", agent_id="agent", hub_id="hub", **columns)


FAULTY: list[tuple[dict[str, Any], str]] = [
    ({"window": "5m"}, "window"),
    ({"intent_template": "{{ payload.player"}, "intent_template"),
    ({"payload_transform": {"a": ["{{ nobody }}"]}}, "payload_transform.a.0"),
    ({"input_mapping": {"a": "payload"}}, "input_mapping.a"),
    ({"input": {"a": [float("nan")]}}, "input.a.0"),
    ({"input": {"a": "\0"}}, "input.a"),
    ({"input_template": "x" * 70_000}, "input_template"),
]


@pytest.mark.parametrize(("columns", "path"), FAULTY)
def test_a_faulty_row_is_refused_every_time(columns: dict[str, Any], path: str) -> None:
    """The second time as the first, when what is wrong is remembered."""
    refusals = []
    for _ in range(2):
        with pytest.raises(InvalidTrigger) as refused:
            judge(row(**columns), Workspace("default"))
        refusals.append((refused.value.path, refused.value.message))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] == path


def test_what_is_remembered_of_one_row_holds_for_that_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text in another column is another template; forgetting changes nothing."""
    monkeypatch.setattr(judgement, "REMEMBERED_VERDICTS", 2)
    workspace = Workspace("default")
    for _ in range(3):
        judge(row(input="{{ payload.player"), workspace)
        judge(row(intent_template="{{ payload.player }}"), workspace)
        for column in ("intent_template", "input_template", "payload_transform"):
            with pytest.raises(InvalidTrigger, match=column):
                judge(row(**{column: "{{ payload.player"}), workspace)


def test_an_agent_that_its_workspace_does_not_allow_is_refused() -> None:
    """Whatever else the row says."""
    judge(row(), Workspace("default", allowed_agents=["agent"]))
    with pytest.raises(InvalidTrigger, match="agent_id: may not be fired"):
        judge(row(), Workspace("default", allowed_agents=[]))
