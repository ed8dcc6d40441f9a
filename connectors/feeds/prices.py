"""The producer `stocks`: polls closing prices and emits each as a `price`, in order."""

from urllib.parse import urlencode

import msgspec

from connectors.feeds.producer import WebProducer
from connectors.feeds.source import get_json
from streams.event import Event, derived_id

SOURCE = "stocks"


class Close(msgspec.Struct, frozen=True):
    """One day's closing price. `date` is an ISO 8601 date, so texts sort as days do; `price` is in US dollars."""

    symbol: str
    date: str
    price: float


Closes = tuple[Close, ...]


class Prices(WebProducer[Closes]):
    """Watches an endpoint that answers a JSON list of `Close`, oldest first, later than the date given as `?after=`."""

    async def poll(self) -> Closes:
        """The closes since the last one seen; what was seen itself when there is nothing newer."""
        after = self.seen[-1].date if self.seen else ""
        return await get_json(self._client, f"{self._url}?{urlencode({'after': after})}", Closes) or self.seen or ()

    def diff(self, before: Closes | None, after: Closes) -> list[Event]:
        """A `price` for each close that is later than all seen before, oldest first."""
        last = before[-1].date if before else ""
        return [self._price(close) for close in after if close.date > last]

    def _price(self, close: Close) -> Event:
        return Event(
            id=derived_id(SOURCE, self._edition, close.symbol, close.date),
            source=SOURCE,
            type="price",
            subject=close.symbol,
            payload={"symbol": close.symbol, "price": close.price, "date": close.date},
        )
