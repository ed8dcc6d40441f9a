"""The independent rule of crossings, by hand."""

import random
from itertools import islice

import pytest

from touchline.torture.price_walk import ABOVE, BELOW, Price, crossings, walk


@pytest.mark.parametrize(
    ("direction", "prices", "crossed"),
    [
        (ABOVE, [99, 100, 101], [1]),
        (ABOVE, [100, 99, 100], [2]),
        (ABOVE, [101, 102], []),
        (ABOVE, [99, 99.9, 98], []),
        (ABOVE, [99, 101, 99, 101], [1, 3]),
        (BELOW, [101, 100, 99], [1]),
        (BELOW, [99, 98], []),
        (BELOW, [100, 101, 100], [2]),
        (BELOW, [101, 99, 101, 99], [1, 3]),
        (ABOVE, [], []),
    ],
)
def test_only_the_step_over_the_threshold_crosses(direction: str, prices: list[float], crossed: list[int]) -> None:
    """To the threshold counts as over it; the first price only sets the side."""
    told = [Price(str(number), price) for number, price in enumerate(prices)]
    assert crossings(direction, 100, told) == [str(number) for number in crossed]


def test_a_walk_crosses_often_in_both_directions_and_meets_the_threshold_exactly() -> None:
    """Otherwise a run would prove little."""
    prices = list(islice(walk(random.Random(1)), 1000))
    told = [Price(str(number), price) for number, price in enumerate(prices)]
    assert len(crossings(ABOVE, 100, told)) > 100
    assert len(crossings(BELOW, 100, told)) > 100
    assert 100.0 in prices
