"""The recorded prices."""

from connectors.feeds.prices import Close
from touchline.demo.closes import load_closes, upward_crossings


def test_the_recording_crosses_one_hundred_upwards_nine_times() -> None:
    """3270 closes, by date, each date once."""
    closes = load_closes()
    dates = [close.date for close in closes]
    assert len(dates) == len(set(dates)) == 3270
    assert dates == sorted(dates)
    assert upward_crossings(closes, 100) == 9


def test_the_first_price_crosses_nothing_and_reaching_counts() -> None:
    """The first value sets the side; a value equal to the threshold is across."""

    def closes(*prices: float) -> list[Close]:
        return [Close("AAPL", f"2000-01-{day:02}", price) for day, price in enumerate(prices, 1)]

    assert upward_crossings(closes(120, 110), 100) == 0
    assert upward_crossings(closes(120, 99.9, 100, 101, 99, 100.5), 100) == 2
    assert upward_crossings([], 100) == 0
