"""Every error touchline raises on purpose, in one tree. Each message says what the user can do."""


class TouchlineError(Exception):
    """The root: catch this to catch all that touchline raises on purpose."""


class InvalidInput(TouchlineError):
    """Something a client sent cannot be accepted as it is.

    `path` names the field inside what was sent (`match_filter.price.gte`), empty for the whole.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


class InvalidEvent(InvalidInput):
    """An event that cannot be read or accepted; the message says what would be."""


class InvalidTrigger(InvalidInput):
    """A trigger that is refused when it is written; the message says what would be accepted."""


class ShapingFailed(TouchlineError):
    """An event's input could not be shaped as its trigger's templates ask.

    `path` names the place in the row (`input_template.repo`), the message what to change.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


class ReservedSource(TouchlineError):
    """The source belongs to touchline itself; publish under a name of your own."""


class Unavailable(TouchlineError):
    """Kafka or Postgres did not answer in time; nothing was accepted, send it again later."""


class ConfigurationError(TouchlineError):
    """A process was started with settings that must not go together; the message says which to change."""


class StackError(TouchlineError):
    """The embedded Kafka or Postgres could not be fetched, started or stopped; its log says why."""


class ConnectorError(TouchlineError):
    """The Postgres connector met something it must not pass over; its message says what to repair."""


class TryAgain(TouchlineError):
    """A hub did not answer, or asked for patience; the same call may succeed later, and is made again.

    `after_seconds`: when it asked to be called again, if it did. `works`: it is up, and only has enough to do.
    """

    def __init__(self, reason: str, after_seconds: float | None = None, *, works: bool = False) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds
        self.works = works
