"""A workspace's limits, as every process reads them."""

import pytest

from streams.errors import InvalidTrigger
from streams.language.policy import Rate
from streams.workspace import Workspace, check_agent, firing_rate


@pytest.mark.parametrize(
    ("workspace", "rate"),
    [
        (None, None),
        (Workspace("w"), None),
        (Workspace("w", max_firings="1000/1h"), Rate(1000, 3_600_000)),
        (Workspace("w", max_firings="1/500ms"), Rate(1, 500)),
    ],
)
def test_a_workspace_fires_as_often_as_its_row_says(workspace: Workspace | None, rate: Rate | None) -> None:
    """Nobody limits one that has no row, or says nothing."""
    assert firing_rate(workspace) == rate


def test_only_agents_that_are_allowed_may_be_fired() -> None:
    """No list allows all, an empty one nobody; a refusal names those that are, if not all of many."""
    check_agent(Workspace("w"), "anybody")
    check_agent(Workspace("w", allowed_agents=["a", "b"]), "b")
    for allowed, accepted in (
        ([], "accepted: none"),
        (["a", "b"], "accepted: a, b"),
        ([f"a{number}" for number in range(12)], "accepted: a0, a1, a2, a3, a4, a5, a6, a7, a8, a9 and 2 more"),
    ):
        with pytest.raises(InvalidTrigger) as refused:
            check_agent(Workspace("w", allowed_agents=allowed), "c")
        assert (refused.value.path, refused.value.message) == ("agent_id", f"may not be fired in workspace w; {accepted}")
