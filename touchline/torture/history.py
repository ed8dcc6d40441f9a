"""The history of a run: one JSON object a line, each with its time, in `history.jsonl` of the data directory."""

import time
from pathlib import Path
from typing import Any

import msgspec

FILE_NAME = "history.jsonl"


class History:
    """Writes the file. `say` prints a line for a person, with the seconds since the beginning."""

    def __init__(self, data_directory: Path) -> None:
        self.path = data_directory / FILE_NAME
        self._file = self.path.open("ab")
        self.begin()

    def begin(self) -> None:
        """Now is second 0."""
        self._began = time.monotonic()
        self.began_at_ms = time.time_ns() // 1_000_000

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def say(self, line: str) -> None:
        """A line for a person, kept too. Called by the supervisor's threads as well."""
        print(f"{self.seconds:7.1f} s  {line}", flush=True)
        self.write("said", line=line)

    def write(self, what: str, **told: Any) -> None:
        """One line: `at_ms` is Unix time in milliseconds."""
        line = {"at_ms": time.time_ns() // 1_000_000, "seconds": round(self.seconds, 3), "what": what, **told}
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()

    def append(self, path: Path, what: str) -> None:
        """Take over the lines of another file, as `what`."""
        with path.open("rb") as lines:
            for line in lines:
                self._file.write(msgspec.json.encode({"what": what} | msgspec.json.decode(line)) + b"\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.close()
