"""The migration files themselves."""

import re
from pathlib import Path

import migrations

FOLDER = Path(migrations.__file__).parent


def test_every_migration_goes_up_and_down() -> None:
    """They are numbered from 1 without a gap, and what goes up has its way down."""
    names = migrations.names()
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    files = sorted(path.name for path in FOLDER.glob("*.sql"))
    assert files == sorted(f"{name}.{way}.sql" for name in names for way in ("up", "down"))


def test_no_migration_names_a_schema() -> None:
    """The runner chooses it, so that an installation, or a test, has one of its own."""
    for path in FOLDER.glob("*.sql"):
        made = re.findall(r"(?:CREATE|DROP|ALTER)\s+(?:TABLE|FUNCTION|INDEX|TRIGGER)\s+(\S+)", path.read_text(encoding="utf-8"))
        assert made
        assert not [name for name in made if "." in name]
