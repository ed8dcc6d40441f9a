"""An API key: one row of `scheduler.api_keys`, and the text a client sends. Pure.

A key is `tl_<key_id>_<secret>`. Its row holds only the SHA-256 of the secret: that is 256 random bits, which no dictionary
has, so a slow hash would protect nothing more, and would cost every request.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime

import msgspec

SCOPES = ("ingest", "triggers", "executions", "admin")
"""What a key may be for: handing in events; triggers, firing them and asking why; executions and their ends; keys and
workspaces, and for a key of the installation hubs and sources too."""

_KEY_ID_BYTES = 8
_TEXT = re.compile(r"tl_([A-Za-z0-9]{1,64})_([A-Za-z0-9_-]{1,128})")
_NO_HASH = "0" * 64


class ApiKey(msgspec.Struct):
    """One row. `workspace` null is the whole installation; `hash` is the SHA-256 of the secret, in hex."""

    key_id: str
    name: str
    scopes: list[str]
    hash: str
    workspace: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_key() -> tuple[str, str, str]:
    """A key nobody else has: its id, its hash, and its text, which is kept nowhere."""
    key_id, secret = secrets.token_hex(_KEY_ID_BYTES), secrets.token_urlsafe(32)
    return key_id, _hashed(secret), f"tl_{key_id}_{secret}"


def find_key(text: str, keys: Mapping[str, ApiKey], now: datetime) -> ApiKey | None:
    """The valid key of this text, None when there is none; which of the reasons it was takes the same time to find out."""
    parts = _TEXT.fullmatch(text)
    if parts is None:
        return None
    key = keys.get(parts[1])
    is_right = hmac.compare_digest(_hashed(parts[2]), key.hash if key is not None else _NO_HASH)
    return key if key is not None and is_right and key.is_valid(now) else None


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
