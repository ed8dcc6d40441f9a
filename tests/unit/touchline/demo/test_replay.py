"""The replay as a data source over HTTP."""

import asyncio
from typing import Any

import httpx

from tests.waiting import eventually
from touchline.demo.closes import load_closes
from touchline.demo.replay import Replay
from touchline.demo.serving import served
from touchline.demo.tournament import load_tournament

TOURNAMENT, CLOSES = load_tournament(), load_closes()


async def test_before_it_begins_nothing_has_happened() -> None:
    """No game, no price, no progress."""
    replay = Replay(TOURNAMENT, CLOSES, speed=1)
    async with served(replay.app()) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/games")).json() == []
        assert (await client.get("/prices")).json() == []
    assert replay.progress == 0


async def test_it_plays_at_the_chosen_speed_and_ends() -> None:
    """Games appear with what the contract names, and at the end all are over and all prices told."""
    replay = Replay(TOURNAMENT, CLOSES, speed=TOURNAMENT.playing.total_seconds() / 2)
    async with served(replay.app()) as url, httpx.AsyncClient(base_url=url) as client:
        begun_at = asyncio.get_running_loop().time()
        replay.begin()

        async def some() -> list[dict[str, Any]]:
            games: list[dict[str, Any]] = (await client.get("/games")).json()
            return games

        games = await eventually(some, 5, "a game has begun")
        assert {"id", "round", "home", "away", "minute", "status", "score"} <= games[0].keys()
        await eventually(lambda: replay.progress >= 1, 10, "the end")
        assert asyncio.get_running_loop().time() - begun_at >= 2
        games = (await client.get("/games")).json()
        assert sum(len(game.get("goals", [])) for game in games) == 308
        assert len((await client.get("/prices")).json()) == 3270
        assert len((await client.get("/prices", params={"after": CLOSES[-2].date})).json()) == 1
