"""`addresses.json`: there when ready, whole, and for its owner's eyes."""

import json
import stat
from pathlib import Path

import pytest

from streams.errors import StackError
from touchline.addresses import Addresses, forget_addresses, read_addresses

ADDRESSES = Addresses(
    api="http://127.0.0.1:8700",
    kafka="127.0.0.1:9092",
    database="postgresql://postgres@127.0.0.1:5432/postgres",
    hub="http://127.0.0.1:8701",
    hub_id="local",
    pids={"up": 1, "worker-1": 2},
)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """Also by anything else that reads JSON, under the names the command promises."""
    ADDRESSES.write(tmp_path)
    assert read_addresses(tmp_path) == ADDRESSES
    written = json.loads((tmp_path / "addresses.json").read_text())
    assert (written["api"], written["kafka"], written["database"]) == (ADDRESSES.api, ADDRESSES.kafka, ADDRESSES.database)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """A database URL may hold a password."""
    ADDRESSES.write(tmp_path)
    assert stat.S_IMODE((tmp_path / "addresses.json").stat().st_mode) == 0o600


def test_writing_again_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    """A reader that has it open keeps the old one, and nothing else is left beside the new one."""
    ADDRESSES.write(tmp_path)
    with (tmp_path / "addresses.json").open() as opened:
        Addresses(api="http://127.0.0.1:1", kafka="", database="", hub="", hub_id="").write(tmp_path)
        assert json.load(opened)["api"] == ADDRESSES.api
    assert [path.name for path in tmp_path.iterdir()] == ["addresses.json"]


def test_where_nothing_runs_the_error_says_how_to_start_it(tmp_path: Path) -> None:
    """A forgotten file is the same as none."""
    ADDRESSES.write(tmp_path)
    forget_addresses(tmp_path)
    forget_addresses(tmp_path)
    with pytest.raises(StackError, match="touchline up"):
        read_addresses(tmp_path)
