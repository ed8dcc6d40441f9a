"""Going on: a stage whose session ended, because Postgres or Kafka went away, begins another, and another."""

import asyncio
from functools import wraps
from typing import NoReturn, Protocol

import asyncpg
import stamina
import structlog
from aiokafka.errors import KafkaError

from streams.errors import ConnectorError

PASSING = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, KafkaError, ConnectorError)
"""What ends with time or with a repair from outside: worth another try. TimeoutError is an OSError."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
"""Between two tries, doubling: what comes back is noticed within seconds, what stays away is not hammered."""
SETTLED_SECONDS = 10.0
"""A session that lasted this long did work: when it ends, the next begins at once and pauses start small again."""

log = structlog.get_logger()


class Stage(Protocol):
    """Something that works in sessions: one holds its connections, and lasts until one of them breaks."""

    name: str
    working: bool

    async def session(self) -> None:
        """Connect and work until something breaks; set `working` once it does."""


async def keep_going(stage: Stage) -> NoReturn:
    """Run one session after another until cancelled. What is not passing, a mistake in the program, is raised."""
    loop = asyncio.get_running_loop()

    @stamina.retry(
        on=PASSING,
        attempts=None,
        timeout=None,
        wait_initial=FIRST_PAUSE_SECONDS,
        wait_max=LONGEST_PAUSE_SECONDS,
        wait_jitter=FIRST_PAUSE_SECONDS,
    )
    @wraps(stage.session)  # stamina logs each retry under this name
    async def session() -> None:
        began = loop.time()
        try:
            await stage.session()
        except PASSING as error:
            if loop.time() - began < SETTLED_SECONDS:
                raise
            log.warning("stage_interrupted", stage=stage.name, error=repr(error))
        finally:
            stage.working = False

    while True:
        await session()
