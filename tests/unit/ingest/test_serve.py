"""The ingest process, before it listens."""

import pytest

from ingest.serve import run
from streams.errors import ConfigurationError
from streams.settings import Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_without_authentication_it_listens_to_this_machine_alone(host: str) -> None:
    """Anywhere else it does not start, and says what to do."""
    with pytest.raises(ConfigurationError, match=r"TOUCHLINE_AUTHENTICATION is none.*127\.0\.0\.1"):
        run(Settings(authentication="none"), host, 1)
