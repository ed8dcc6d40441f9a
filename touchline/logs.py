"""How every touchline process logs: structlog and the libraries' own loggers alike, one line a fact, to stderr."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from streams.settings import Settings
from touchline.repeats import Repeats

HEARD = ("touchline", "uvicorn.error")
"""Loggers that are heard from the chosen level on: our own, and the server's word on where it listens. Of all other
libraries, which tell of every request and rebalance, only the warnings are facts about touchline."""


def configure_logs(settings: Settings, level: int) -> None:
    """Set up logging for this process, once, from `level` on, in the format the settings ask for (`json` or `console`)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: logging.getLogger("touchline"),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                _without_colour,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_render(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in HEARD:
        logging.getLogger(name).setLevel(level)


def _without_colour(_: Any, __: str, event: EventDict) -> EventDict:
    """Uvicorn sends each message a second time, coloured."""
    event.pop("color_message", None)
    return event


def _render(log_format: str) -> list[Processor]:
    if log_format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Plain tracebacks: rich ones show local variables, passwords among them.
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
