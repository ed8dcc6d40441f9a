"""The recorded closing prices of AAPL, and how often they cross a threshold. Pure."""

import csv
from collections.abc import Sequence
from importlib import resources
from itertools import pairwise

from connectors.feeds.prices import Close


def load_closes() -> tuple[Close, ...]:
    """AAPL's unadjusted closes, one a trading day, oldest first, as recorded in touchline/data."""
    text = resources.files("touchline").joinpath("data", "aapl-daily.csv").read_text(encoding="utf-8")
    return tuple(Close(row["Ticker"], row["Date"], float(row["Close"])) for row in csv.DictReader(text.splitlines()))


def upward_crossings(closes: Sequence[Close], threshold: float) -> int:
    """How often the price goes from below the threshold to it or above; the first one only sets the side."""
    return sum(before.price < threshold <= after.price for before, after in pairwise(closes))
