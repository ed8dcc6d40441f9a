"""API keys: what lets somebody in, and what does not."""

from datetime import UTC, datetime, timedelta

import pytest

from streams.key import SCOPES, ApiKey, find_key, new_key

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def made() -> tuple[ApiKey, str]:
    """A key's row and its text."""
    key_id, hashed, text = new_key()
    return ApiKey(key_id, "a test's", list(SCOPES), hashed), text


def test_a_key_is_found_by_its_text() -> None:
    """And its row holds nothing that the text could be made from."""
    key, text = made()
    assert find_key(text, {key.key_id: key}, NOW) is key
    assert text.rpartition("_")[2] not in repr(key)


def test_keys_differ() -> None:
    """In their ids and in their secrets; neither is short."""
    texts = {made()[1] for _ in range(100)}
    assert len({text.split("_")[1] for text in texts}) == len({text[20:] for text in texts}) == 100
    assert min(map(len, texts)) > 60


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text + "A",
        lambda text: text.replace("tl_", "sk_"),
        lambda text: text + "\n",
        lambda text: "tl_" + "0" * 16 + text[19:],
        lambda text: "tl__" + text[20:],
        lambda text: text * 100,
        lambda text: text[:19] + "_ключ",
    ],
)
def test_any_other_text_is_no_key(change: object) -> None:
    """However close it comes."""
    key, text = made()
    assert callable(change)
    assert find_key(change(text), {key.key_id: key}, NOW) is None


def test_a_key_ends_when_it_expires_or_is_revoked() -> None:
    """At that instant, not after it."""
    key, text = made()
    keys = {key.key_id: key}
    key.expires_at = NOW
    assert find_key(text, keys, NOW - timedelta(microseconds=1)) is key
    assert find_key(text, keys, NOW) is None
    key.expires_at, key.revoked_at = None, NOW
    assert find_key(text, keys, NOW - timedelta(days=1)) is None
