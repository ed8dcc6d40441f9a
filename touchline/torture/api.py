"""The installation's HTTP API, asked until it answers: what is refused for a time is asked again."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx
import stamina

from streams.errors import TouchlineError
from touchline.torture.history import History

ANSWER_SECONDS = 12.0
"""How long one answer may take: an accept waits 5 s for the broker, a change of a trigger 5 s until it is live."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0
PASSING = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
"""The answers that say: later."""


class _Later(Exception):
    """An answer of PASSING."""


class Api:
    """A client that does not give up. `unexpected` are the answers that neither did what was asked nor said: later."""

    def __init__(self, base_url: str, history: History) -> None:
        self.unexpected: list[dict[str, Any]] = []
        self._history = history
        limits = httpx.Limits(max_connections=64)
        self._client = httpx.AsyncClient(base_url=base_url, timeout=ANSWER_SECONDS, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, body: Any = None, good: tuple[int, ...] = ()) -> httpx.Response:
        """Ask until the answer is below 500. Any 2xx is good, and what `good` names; the rest is `unexpected`.

        Raises TouchlineError for a refusal that asking again would not change.
        """
        async for attempt in stamina.retry_context(
            on=(httpx.TransportError, _Later),
            attempts=None,
            timeout=None,
            wait_initial=FIRST_PAUSE_SECONDS,
            wait_max=LONGEST_PAUSE_SECONDS,
            wait_jitter=FIRST_PAUSE_SECONDS,
        ):
            with attempt:
                answer = await self._client.request(method, path, json=body)
                if not answer.is_success and answer.status_code not in (*good, *PASSING):
                    self.blame({"method": method, "path": path, "status": answer.status_code, "text": answer.text[:500]})
                if answer.status_code in PASSING or answer.is_server_error:
                    raise _Later
        if not answer.is_success and answer.status_code not in good:
            raise TouchlineError(f"{method} {path} was answered with {answer.status_code}: {answer.text}")
        return answer

    def blame(self, answer: dict[str, Any]) -> None:
        """Keep an answer that nobody can know how to bear."""
        self.unexpected.append(answer | {"seconds": round(self._history.seconds, 3)})
        self._history.write("unexpected_answer", **answer)

    async def create_trigger(self, row: Mapping[str, Any]) -> str:
        """Create a trigger and return its id once it is live. An answer that was lost is made up for by the name."""
        created = await self.ask("POST", "/api/v1/triggers", row, good=(HTTPStatus.CONFLICT,))
        if created.status_code == HTTPStatus.CONFLICT:
            found = await self.ask("GET", f"/api/v1/triggers?name={row['name']}")
            trigger_id = str(found.json()["triggers"][0]["id"])
        else:
            trigger_id = str(created.json()["id"])
        if created.status_code != HTTPStatus.CREATED:
            await self.switch_trigger(trigger_id, "enable")
        self._history.write("trigger_live", trigger_id=trigger_id, name=row["name"])
        return trigger_id

    async def switch_trigger(self, trigger_id: str, verb: str) -> None:
        """Enable or disable a trigger; return once the API says that this is live everywhere (200, not 202)."""
        path = f"/api/v1/triggers/{trigger_id}/{verb}"
        while (await self.ask("POST", path)).status_code == HTTPStatus.ACCEPTED:
            self._history.write("trigger_not_live_yet", trigger_id=trigger_id, verb=verb)
        self._history.write("trigger_switched", trigger_id=trigger_id, verb=verb)
