"""Bodies judged by pydantic models, each fault told with its path and what would be accepted."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ingest.problems import problem
from streams.errors import InvalidEvent, InvalidInput
from streams.event import NAME_LENGTH, check_name
from streams.trigger import HUB_ID

Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""1 to 256 characters, none of them a control character."""
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""Any text that Postgres can keep: all but NUL."""
HubId = Annotated[str, StringConstraints(pattern=f"^{HUB_ID.pattern}$")]
"""A hub's id stands in the path of every inject: 1 to 128 letters, digits, dots, dashes or underscores."""


def checked_name(path: str, value: object) -> str:
    """Return `value` if it can be a name, as `check_name` says. Raises InvalidInput at `path` otherwise."""
    try:
        return check_name(path, value)
    except InvalidEvent as error:
        raise InvalidInput(path, error.message) from error


class Body(BaseModel):
    """A body as a client sends it: nothing is coerced, and a field that is not known is refused by its name."""

    model_config = ConfigDict(extra="forbid", strict=True)


BodyType = TypeVar("BodyType", bound=Body)


def validated(body: type[BodyType], given: Mapping[str, Any]) -> BodyType:
    """`given` as a `body`. Raises problem 422 with every fault."""
    try:
        return body.model_validate(given)
    except ValidationError as error:
        accepted = ", ".join(body.model_fields)
        at = [
            (
                ".".join(map(str, fault["loc"])),
                f"is not a known field; accepted: {accepted}" if fault["type"] == "extra_forbidden" else fault["msg"],
            )
            for fault in error.errors(include_url=False, include_context=False)
        ]
        detail = "; ".join(f"{path}: {message}" for path, message in at)
        raise problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "invalid-body", at) from error
