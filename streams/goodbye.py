"""Ending a Kafka client, whatever state it and its broker are in."""

import asyncio
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

log = structlog.get_logger()

LET_GO_SECONDS = 5.0
"""How long a client may take to say goodbye. One whose broker died meanwhile may wait for ever, and its owner with it."""


class Client(Protocol):
    """A client of Kafka, or whatever holds one, as far as ending it goes."""

    async def stop(self) -> None:
        """Say goodbye and close."""


async def let_go(client: Client) -> None:
    """Stop a client; what it still held is told again by whoever comes next.

    aiokafka 0.14.0 cancels its own fetches and awaits them, so that stopping a consumer raises CancelledError in a task
    that nobody cancelled; passed on, it would end that task without a word.
    """
    try:
        async with asyncio.timeout(LET_GO_SECONDS):
            await client.stop()
    except (KafkaError, OSError) as error:
        log.warning("client_not_stopped", client=type(client).__name__, error=repr(error))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
