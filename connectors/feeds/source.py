"""Reading a polled HTTP data source."""

from typing import TypeVar

import httpx
import msgspec

from streams.errors import Unavailable

Answer = TypeVar("Answer")


async def get_json(client: httpx.AsyncClient, url: str, answer_type: type[Answer]) -> Answer:
    """GET `url` and read its JSON as this type. Raises Unavailable when it does not answer so."""
    try:
        response = await client.get(url)
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=answer_type)
    except httpx.HTTPError as error:
        raise Unavailable(f"the data source {url} does not answer: {error!r}") from error
    except msgspec.DecodeError as error:
        raise Unavailable(f"the data source {url} answers something else than expected: {error}") from error
