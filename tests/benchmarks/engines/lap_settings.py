"""touchline's settings during one lap."""

from streams.settings import Settings


class LapSettings(Settings):
    """Settings with a consumer group, and so a state, of the lap's own: it begins with the first record."""

    lap: str

    @property
    def group(self) -> str:
        """The group is called as the lap is."""
        return f"{self.topic_prefix}{self.lap}"
