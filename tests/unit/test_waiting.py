"""`eventually`, which every other test trusts."""

import pytest

from tests.waiting import eventually


async def test_the_first_truthy_answer_is_returned() -> None:
    """Plain and awaitable conditions are asked until they answer."""
    answers = iter([0, None, "yes"])

    async def condition() -> object:
        return next(answers)

    assert await eventually(condition) == "yes"
    assert await eventually(lambda: 5) == 5


async def test_a_condition_that_stays_false_fails_with_its_name() -> None:
    """A failing test says what it waited for."""
    with pytest.raises(AssertionError, match="the sky falls"):
        await eventually(lambda: False, 0.05, "the sky falls")
