"""The HTTP API as commands speak to it: where it is, with which key, and what its answers mean in a line."""

from typing import Any, Self

import httpx

from streams.errors import TouchlineError, Unavailable

TIMEOUT_SECONDS = 60.0
"""How long one call may take: a search through topics takes the longest."""
PAGE_ROWS = 1000


class Api:
    """A connection to the API; a context manager. Every method raises Unavailable when nobody answers."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise TouchlineError(f"no request can be made to {url} with this key: {error}") from error
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Any = None, **parameters: Any) -> httpx.Response:
        """One request; the answer, whatever its status."""
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            return self._client.request(method, path, json=body, params=given)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"no API answers at {self._url} ({error}); start it with: touchline up, or say where it is: --api URL"
            raise Unavailable(message) from error

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        """One request that is expected to succeed; the answer's body. Raises TouchlineError with the API's own words."""
        response = self.call(method, path, body, **parameters)
        if not response.is_success:
            detail = problem_of(response).get("detail") or response.text[:200]
            raise TouchlineError(f"the API answered {response.status_code}: {detail}")
        return response.json()

    def triggers(self, workspace: str | None) -> list[dict[str, Any]]:
        """Every trigger the key sees, or those of one workspace, oldest first."""
        rows: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.ask("GET", "/api/v1/triggers", workspace=workspace, limit=PAGE_ROWS, cursor=cursor)
            rows += page["triggers"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows


def problem_of(response: httpx.Response) -> dict[str, Any]:
    """The problem details of an answer; what is no JSON (somebody else's server) is empty."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
