"""The price feed's diff, and how it asks for what it has not seen."""

from collections.abc import Sequence

import httpx

from connectors.feeds.prices import Close, Prices
from streams.event import Event
from tests.waiting import eventually
from touchline.demo.closes import load_closes
from touchline.demo.replay import Replay
from touchline.demo.serving import served
from touchline.demo.tournament import load_tournament

MONDAY, TUESDAY, WEDNESDAY = (Close("AAPL", f"2000-03-0{day}", 100.0 + day) for day in (6, 7, 8))


class Collected:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        """Keep them."""
        self.events += events


def test_each_close_later_than_those_seen_is_a_price() -> None:
    """Several missed closes are emitted one by one, oldest first, and seen ones never again."""
    feed = Prices(Collected(), httpx.AsyncClient(), "http://127.0.0.1/prices")
    facts = feed.diff((MONDAY,), (MONDAY, TUESDAY, WEDNESDAY))
    assert [(fact.source, fact.type, fact.subject) for fact in facts] == [("stocks", "price", "AAPL")] * 2
    assert [fact.payload for fact in facts] == [
        {"symbol": "AAPL", "price": 107.0, "date": "2000-03-07"},
        {"symbol": "AAPL", "price": 108.0, "date": "2000-03-08"},
    ]


def test_a_new_process_emits_the_same_ids() -> None:
    """Ids follow from the edition, the symbol and the date alone."""
    feeds = [Prices(Collected(), httpx.AsyncClient(), "http://127.0.0.1/prices", edition) for edition in ("1", "1", "2")]
    first, again, other = ([fact.id for fact in feed.diff(None, (MONDAY, TUESDAY))] for feed in feeds)
    assert first == again
    assert not set(first) & set(other)


async def test_every_close_of_a_replay_arrives_once_and_in_order() -> None:
    """A feed that polls while the replay runs, asking only for what is newer, ends with all closes as recorded."""
    closes = load_closes()
    tournament = load_tournament()
    replay = Replay(tournament, closes, speed=tournament.playing.total_seconds())
    async with served(replay.app()) as url, httpx.AsyncClient() as client:
        collected = Collected()
        feed = Prices(collected, client, f"{url}/prices")
        assert await feed.step() == 0
        replay.begin()

        async def all_there() -> bool:
            await feed.step()
            return replay.progress >= 1 and len(collected.events) >= len(closes)

        await eventually(all_there, 20, "every close was emitted")
    assert [event.payload["date"] for event in collected.events] == [close.date for close in closes]
