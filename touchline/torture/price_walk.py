"""Prices that walk around their thresholds, and which of them cross. Pure, and nothing of touchline's own rule is used."""

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

ABOVE, BELOW = "price_cross_above", "price_cross_below"

FIRST_PRICE = 100.0
STEP = 3.0
"""Standard deviation of one step: with the pull below about one step in six crosses a threshold near the middle."""
PULL = 0.3
"""How much of the distance to the first price each step takes back, so that a walk keeps crossing."""


class Price(NamedTuple):
    """One price of one symbol, and the fact that told it."""

    fact_id: str
    price: float


def walk(chance: random.Random) -> Iterator[float]:
    """Prices without end; whole ones now and then, so that a threshold is met exactly."""
    price = FIRST_PRICE
    while True:
        price += chance.gauss(0.0, STEP) + PULL * (FIRST_PRICE - price)
        price = float(round(price)) if chance.random() < 0.2 else round(price, 2)
        yield price


def crossings(direction: str, threshold: float, prices: Iterable[Price]) -> list[str]:
    """The facts at which the price went over `threshold`: from below to it or above, or, for BELOW, the other way round.

    The first price only says on which side it is.
    """
    crossed: list[str] = []
    before: float | None = None
    for fact_id, price in prices:
        if before is not None:
            upward = before < threshold <= price
            downward = before > threshold >= price
            if upward if direction == ABOVE else downward:
                crossed.append(fact_id)
        before = price
    return crossed
