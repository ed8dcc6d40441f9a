"""The replay: an HTTP data source that plays the recorded matches and prices at a chosen speed."""

import time
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from fastapi import FastAPI, Response

from connectors.feeds.prices import Close
from touchline.demo.tournament import Tournament


class Replay:
    """The recording, running: `speed` seconds of play pass in one second, with no pause between matches."""

    def __init__(self, tournament: Tournament, closes: Sequence[Close], speed: float) -> None:
        self._tournament = tournament
        self._closes = closes
        self._dates = [close.date for close in closes]
        self._speed = speed
        self._began_at_seconds: float | None = None

    def begin(self) -> None:
        """Kick off: before this, nothing has happened yet."""
        self._began_at_seconds = time.monotonic()

    @property
    def played(self) -> timedelta:
        """How much of the tournament's play is over."""
        if self._began_at_seconds is None:
            return timedelta()
        return min(timedelta(seconds=(time.monotonic() - self._began_at_seconds) * self._speed), self._tournament.playing)

    @property
    def progress(self) -> float:
        """How far it is, from 0 to 1."""
        return self.played / self._tournament.playing

    @property
    def instant(self) -> datetime:
        """What time it is in the recording."""
        return self._tournament.instant_after(self.played)

    async def games(self) -> Response:
        """`GET /games`: the live state of every match that has begun."""
        begun = [] if self._began_at_seconds is None else self._tournament.games_at(self.instant)
        return _json(begun)

    async def prices(self, after: str = "") -> Response:
        """`GET /prices?after=2000-03-01`: the closes later than that date, oldest first; they come as evenly as play does."""
        shown = int(self.progress * len(self._closes))
        return _json(self._closes[bisect_right(self._dates, after) : shown])

    def app(self) -> FastAPI:
        """The data source over HTTP."""
        app = FastAPI(title="touchline replay")
        app.add_api_route("/games", self.games, methods=["GET"])
        app.add_api_route("/prices", self.prices, methods=["GET"])
        return app


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
