"""touchline's worker with some of its stages: `python -m tests.benchmarks.engines.touchline_stages detect match`.

It is the worker that `touchline worker` runs; the other stages' agents are taken out before it starts.
"""

import logging
import sys
from unittest.mock import patch

from streams import app
from streams.settings import Settings
from tests.benchmarks.engines.lap_settings import LapSettings
from touchline.logs import configure_logs

WANTED = sys.argv[1:]


class SomeStages(app.Worker):
    """The worker without the agents of the stages that are not measured."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        for panel in self.panels:
            panel.members = [member for member in panel.members if member.name in WANTED]
        wanted = {topic.name for stage in WANTED for topic in app.STAGES[stage]}
        for name in set(self.app.agents) - wanted:
            del self.app.agents[name]


if __name__ == "__main__":
    settings = LapSettings()
    configure_logs(settings, logging.INFO)
    with patch.object(app, "Worker", SomeStages):
        sys.exit(app.run(settings))
