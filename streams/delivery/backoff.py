"""How long to wait before a failed dispatch is tried again."""

import random

RETRY_AFTER_CAP_SECONDS = 300.0
"""Longest wait that a hub's Retry-After is believed: a date next year must not keep an agent's message until then."""


def backoff_seconds(attempts: int, first_seconds: float, cap_seconds: float, chance: float) -> float:
    """The wait after this many failed attempts: exponential, with full jitter; `chance` is drawn evenly from 0 to 1.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    ceiling = cap_seconds
    if attempts < 64:  # beyond, the power alone is larger than any cap
        ceiling = min(cap_seconds, first_seconds * 2 ** (attempts - 1))
    return ceiling * chance


def wait_seconds(attempts: int, asked_seconds: float | None, first_seconds: float, cap_seconds: float) -> float:
    """The wait before the next attempt: what the hub asked for, up to a cap, and otherwise the back-off.

    What asked for the same instant does not come back in the same instant: up to a tenth is added.
    """
    if asked_seconds is None:
        return backoff_seconds(attempts, first_seconds, cap_seconds, random.random())  # noqa: S311 -- no secret
    asked = min(asked_seconds, RETRY_AFTER_CAP_SECONDS)
    return asked + asked / 10 * random.random()  # noqa: S311 -- no secret
