"""Errors as clients see them: problem details (RFC 9457), one shape for all, with the fields at fault in `errors`."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem
from fastapi_problem.handler import ExceptionHandler, add_exception_handler, new_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from streams import errors

log = structlog.get_logger()

RETRY_AFTER_SECONDS = 1
"""What a 503 advises: a broker or database that restarts is back within seconds."""


class Kind(NamedTuple):
    """How one of our errors is told: HTTP status, and the name of the problem's type."""

    status: HTTPStatus
    type: str


KINDS: dict[type[errors.TouchlineError], Kind] = {
    errors.InvalidEvent: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-event"),
    errors.InvalidTrigger: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-trigger"),
    errors.InvalidInput: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input"),
    errors.ReservedSource: Kind(HTTPStatus.FORBIDDEN, "reserved-source"),
    errors.ShapingFailed: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "shaping-failed"),
    errors.TryAgain: Kind(HTTPStatus.BAD_GATEWAY, "hub-unavailable"),
    errors.Unavailable: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    errors.ConfigurationError: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "configuration-error"),
    errors.StackError: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "stack-error"),
    errors.ConnectorError: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "connector-error"),
    errors.TouchlineError: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error"),
}
"""The one map from touchline's errors to HTTP."""


def problem(status: int, detail: str, type_: str = "", at: Iterable[tuple[str, str]] = (), **more: Any) -> Problem:
    """A problem to raise or to put into a batch's results. `at` holds (path, message) pairs of the fields at fault."""
    title = HTTPStatus(status).phrase
    named = [{"path": path, "message": message} for path, message in at]
    if named:
        more["errors"] = named
    return Problem(title, type_=type_ or title.lower().replace(" ", "-"), detail=detail, status=int(status), **more)


def problem_of(error: Exception) -> Problem:
    """The problem an error is told as; a defect of ours says nothing of its inside."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.TouchlineError):
        kind = next(KINDS[parent] for parent in type(error).__mro__ if parent in KINDS)
        at = [(error.path, error.message)] if isinstance(error, errors.InvalidInput) else []
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, errors.Unavailable) else None
        return problem(kind.status, str(error), kind.type, at, headers=headers)
    if isinstance(error, RequestValidationError):
        return _invalid_request(error)
    if isinstance(error, HTTPException):
        return problem(error.status_code, error.detail, headers=dict(error.headers or {}))
    if isinstance(error, ClientDisconnect):
        return problem(HTTPStatus.BAD_REQUEST, "the connection was closed before the whole body had arrived")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "touchline failed at this; its log says why")


def _invalid_request(error: RequestValidationError) -> Problem:
    """Query and path parameters that FastAPI judged."""
    at = [(".".join(map(str, fault["loc"][1:])), fault["msg"]) for fault in error.errors()]
    detail = "; ".join(f"{path}: {message}" for path, message in at)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "invalid-request", at)


def _handle(_: ExceptionHandler, request: Request, error: Exception) -> Problem:
    told = problem_of(error)
    if told.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return told


def install(app: FastAPI) -> None:
    """Make `app` answer every error, its own and the framework's, with problem details."""
    handled: tuple[type[Exception], ...] = (HTTPException, RequestValidationError, errors.TouchlineError, ClientDisconnect)
    handler = new_exception_handler(
        handlers=dict.fromkeys((*handled, Exception), _handle),
        http_exception_handler=_handle,
        request_validation_handler=_handle,
    )
    add_exception_handler(app, handler)
    for kind in handled:
        app.add_exception_handler(kind, handler)
