"""Wait for a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_SECONDS = 0.02


@overload
async def eventually(condition: Callable[[], Coroutine[Any, Any, T]], deadline_seconds: float = ..., what: str = ...) -> T: ...


@overload
async def eventually(condition: Callable[[], T], deadline_seconds: float = ..., what: str = ...) -> T: ...


async def eventually(condition: Callable[[], Any], deadline_seconds: float = 30, what: str = "") -> Any:
    """Ask until the answer is truthy, and return it. Raises AssertionError saying `what` after the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {deadline_seconds} s: {what or condition}; last answer: {value!r}"
        await asyncio.sleep(POLL_SECONDS)
