"""Settings handed to a subprocess arrive as they were."""

import pytest
from pydantic import SecretStr

from streams.settings import Settings
from tests.environment import installation_environment


def test_settings_survive_the_way_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting, secrets included, is read by a process as it was set in the test."""
    settings = Settings(topic_prefix="test.", partitions=4, signing_key=SecretStr("key"), kafka_bootstrap_servers="host:1")
    for name, value in installation_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
