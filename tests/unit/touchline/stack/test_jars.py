"""The lock of the broker's jars."""

from pathlib import Path

import pytest

from streams.errors import StackError
from touchline.stack.jars import ROOTS, cache_directory, kafka_jars, locked_jars


def test_every_root_is_locked_with_its_checksum() -> None:
    """What the lock names is what the roots ask for, each jar once, each with a sha256."""
    jars = locked_jars()
    coordinates = [f"{jar.group}:{jar.artifact}:{jar.version}" for jar in jars]
    assert set(ROOTS) <= set(coordinates)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
    assert len({jar.file_name for jar in jars}) == len(jars)


def test_all_of_kafka_is_of_one_release() -> None:
    """A broker with another release's client on its class path would fail late, and oddly."""
    assert len({jar.version for jar in locked_jars() if jar.group == "org.apache.kafka"}) == 1


def test_the_cache_can_be_put_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TOUCHLINE_CACHE_DIR wins over the platform's own place."""
    monkeypatch.setenv("TOUCHLINE_CACHE_DIR", str(tmp_path))
    assert cache_directory() == tmp_path


def test_a_cache_that_cannot_be_made_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home that is read-only is no riddle."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("TOUCHLINE_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(StackError, match="TOUCHLINE_CACHE_DIR"):
        kafka_jars()
