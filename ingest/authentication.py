"""Who calls: `Authorization: Bearer tl_<key_id>_<secret>`, looked up in memory, so that keys work while Postgres is away.

A route says in its signature what it asks for: `caller: TriggersCaller`. 401 tells nobody why; 403 names what is lacking.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request

from ingest.connections import Connections
from ingest.problems import problem
from ingest.validation import checked_name
from streams.key import SCOPES, find_key
from streams.workspace import DEFAULT_WORKSPACE


class Caller(NamedTuple):
    """What a caller may do, and where: in one workspace, or in every one when `workspace` is None (the installation)."""

    workspace: str | None
    scopes: frozenset[str]

    def sees(self, workspace: str) -> bool:
        """Whether what belongs to this workspace exists for the caller."""
        return self.workspace is None or self.workspace == workspace

    def workspace_of(self, given: Mapping[str, Any]) -> str:
        """The workspace of what the caller writes: the one its `given` body names, or else its own.

        Raises problem 403 for another one than the key's, InvalidInput for what cannot be one.
        """
        if "workspace" not in given:
            return self.workspace or DEFAULT_WORKSPACE
        named = checked_name("workspace", given["workspace"])
        if not self.sees(named):
            raise problem(
                HTTPStatus.FORBIDDEN, f"workspace: the key belongs to {self.workspace}, not to {named}", "other-workspace"
            )
        return named


EVERYBODY = Caller(None, frozenset(SCOPES))
"""Whoever calls an installation without authentication."""


def _caller(request: Request) -> Caller:
    """Raises problem 401, and Unavailable before the keys have been read."""
    connections: Connections = request.app.state.connections
    if connections.settings.authentication == "none":
        return EVERYBODY
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    key = find_key(text.strip(), connections.rows.keys, datetime.now(UTC)) if scheme.lower() == "bearer" else None
    if key is None:
        raise problem(
            HTTPStatus.UNAUTHORIZED,
            "an API key is asked for, as Authorization: Bearer tl_…; whoever runs this makes one with: touchline keys create",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return Caller(key.workspace, frozenset(key.scopes))


def _allowed(scope: str | None = None, *, everywhere: bool = False) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: the caller, who must have `scope` and, for `everywhere`, be the installation's. Raises 401 and 403."""

    async def allowed(request: Request) -> Caller:
        caller = _caller(request)
        if scope is not None and scope not in caller.scopes:
            detail = f"the key lacks the scope {scope}; it has: {', '.join(sorted(caller.scopes))}"
            raise problem(HTTPStatus.FORBIDDEN, detail, "missing-scope", scope=scope)
        if everywhere and caller.workspace is not None:
            detail = f"the key belongs to workspace {caller.workspace}; this asks for a key of the installation"
            raise problem(HTTPStatus.FORBIDDEN, detail, "missing-scope", scope=scope)
        return caller

    return allowed


allowed_to_ingest = _allowed("ingest")

AnyCaller = Annotated[Caller, Depends(_allowed())]
IngestCaller = Annotated[Caller, Depends(allowed_to_ingest)]
TriggersCaller = Annotated[Caller, Depends(_allowed("triggers"))]
ExecutionsCaller = Annotated[Caller, Depends(_allowed("executions"))]
AdminCaller = Annotated[Caller, Depends(_allowed("admin"))]
InstallationCaller = Annotated[Caller, Depends(_allowed("admin", everywhere=True))]
