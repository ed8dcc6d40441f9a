"""The data directory: held by one process at a time, with a key of its own."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import StackError
from touchline.data_directory import held, signing_key

HOLD = """
import sys, pathlib
from touchline.data_directory import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_held_directory_is_refused_and_free_again_after_kill_9(tmp_path: Path) -> None:
    """The error names the process that holds it; a holder that is killed leaves no lock behind."""
    directory = tmp_path / "new" / "data"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StackError, match=rf"in use by another touchline \(process {holder.pid}\)"), held(directory):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with held(directory):
        assert (directory / "lock").read_text() == str(os.getpid())


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """The system's own words, without a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"Not a directory|File exists"), held(tmp_path / "file" / "data"):
        pass


def test_the_signing_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The same directory gives the same key for ever, another directory another."""
    (tmp_path / "other").mkdir()
    key = signing_key(tmp_path)
    assert len(bytes.fromhex(key)) == 32
    assert signing_key(tmp_path) == key
    assert signing_key(tmp_path / "other") != key
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600
