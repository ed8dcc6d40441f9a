"""What must come of the feed, by hand."""

from touchline.torture.asks import Ask, is_ordered, plan_asks
from touchline.torture.feed import HTTP, Fact, plan_feed


def fact(source: str, number: int, payload: dict[str, object], subject: str | None = None) -> Fact:
    """One fact."""
    return Fact(number, f"{source}#{number}", source, "any", subject, payload, number, HTTP)


def of(asks: list[Ask], beginning: str) -> Ask:
    """The one whose label begins so."""
    [found] = [ask for ask in asks if ask.label.startswith(beginning)]
    return found


def test_plain_triggers_expect_exactly_what_their_filter_says() -> None:
    """All moves, the red ones, the high ones, the low blue ones."""
    payloads = [
        {"colour": "red", "level": 8},
        {"colour": "blue", "level": 2},
        {"colour": "blue", "level": 3},
        {"colour": "green", "level": 7},
    ]
    asks = plan_asks(1, [fact("line-0", number, payload) for number, payload in enumerate(payloads)])
    assert of(asks, "line-0 all").expected == [f"line-0#{number}" for number in range(4)]
    assert of(asks, "line-0 red").expected == ["line-0#0"]
    assert of(asks, "line-0 high").expected == ["line-0#0"]
    assert of(asks, "line-0 low blue").expected == ["line-0#1"]
    assert not is_ordered(of(asks, "line-0 low blue").row)
    assert is_ordered(of(asks, "line-0 all").row)


def test_a_trigger_without_an_equality_watches_every_subject_for_itself() -> None:
    """Two symbols that take turns do not cross for one another."""
    prices = [("M000", 99), ("M001", 101), ("M000", 98), ("M001", 102), ("M000", 100)]
    told = [fact("market", n, {"symbol": symbol, "price": price}, symbol) for n, (symbol, price) in enumerate(prices)]
    assert of(plan_asks(1, told), "market any").expected == ["market#4"]


def test_a_run_has_hundreds_of_triggers_and_of_crossings_in_both_directions() -> None:
    """Names are unique, since a workspace allows each one once."""
    asks = plan_asks(1, plan_feed(1, 180))
    assert len({ask.label for ask in asks}) == len(asks) > 300
    for direction in ("above", "below"):
        assert sum(len(ask.expected) for ask in asks if f"price_cross_{direction}" in ask.label) > 500
