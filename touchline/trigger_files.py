"""Triggers as files: two shapes of YAML, both mapped to the columns of the jobs table (SPEC 2).

One trigger a document:

    trigger:
      name: late goals
      type: event                     # event, cron, interval, once or webhook; left out, it follows from the block below
      event:                          # or one text, the event key: sports_feed:goal
        source: sports_feed           # or sources: [sports_feed, stats_feed]; left out: any
        type: goal                    # left out: any
        filter: {minute: {gte: 90}}   # also match_filter, or condition: {field: minute, operator: gte, value: 90}
      agent:
        id: commentator
        instance_id: desk-{date}
        hub: local
        message: "A late goal: say it in one line."
      dedup: queue                    # one run at a time for each game, none longer than ten minutes
      per: payload.game
      timeout_seconds: 600

Many triggers, their names as keys; `template` is the agent's message:

    triggers:
      nightly report:
        type: cron
        schedule: {cron: 0 9 * * *, timezone: Europe/Berlin}   # or interval: 5m, or at: an instant; or one text
        template: Write the report.
        agent: {id: analyst, hub: local}
      on push:
        webhook: {endpoint: github, method: POST}              # or one text, the endpoint
        template: Look at this push.
        agent: {id: reviewer, hub: local}

`_BLOCKS` and `COLUMNS` hold every key that is accepted. `event` also takes `key` (a whole event key), `pattern` and
`crossing`; a trigger also takes `workspace`, `enabled`, the policies, and what shapes its agent's input. A `rate_limit`, such
as 10/1m, stands in the block `webhook` or beside it, and means the same. What a file says nothing of is at its default, except
`enabled`: that is left as it is, so that a file does not wake what fired once or was switched off. Whether a value makes
sense is for the server to say, which is the same for every front door.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from streams.errors import InvalidInput
from touchline.yaml_text import Document, Path, read_yaml

SUFFIXES = (".yaml", ".yml")
SCHEDULES = {"cron": "cron", "interval": "interval", "at": "once"}
"""What a schedule is given by, and the type that follows from it."""
TYPES = ("event", *SCHEDULES.values(), "webhook")

_POLICIES = (
    "workspace enabled one_shot fallback_to_new_hub owner_email dedup max_concurrent timeout_seconds rate_limit "
    "count_threshold window debounce per input input_template input_mapping intent_template payload_transform"
)
COLUMNS = {name: name for name in _POLICIES.split()} | {"template": "supervisor_message"}
TIMES = {name: name for name in ("timezone", "start_date", "end_date", "jitter_seconds", "catchup")}
DOORS = {name: name for name in ("method", "authentication", "tolerance_seconds", "ip_whitelist")}
AGENT = {
    "id": "agent_id",
    "instance_id": "agent_instance_id",
    "hub": "hub_id",
    "message": "supervisor_message",
    "seed_parts": "extra_seed_parts",
    "provider": "provider",
    "model": "model",
}
"""The keys of a trigger, of a schedule, of a webhook and of an agent, with the columns they are."""
_NAMES = ("sources", "source", "type")
"""What an event key is put together from."""
_FILTERS = dict.fromkeys(("filter", "match_filter", "condition"), "match_filter")
_BLOCKS: dict[str, dict[str, str]] = {
    "event": dict.fromkeys(("key", *_NAMES), "schedule_expression") | _FILTERS | {"pattern": "pattern", "crossing": "crossing"},
    "schedule": dict.fromkeys((*SCHEDULES, "expression"), "schedule_expression") | TIMES,
    "webhook": {"endpoint": "schedule_expression", "rate_limit": "rate_limit"} | DOORS | _FILTERS,
    "agent": AGENT,
}
_CONDITIONS = ("event", "schedule", "webhook")


class FileTrigger(NamedTuple):
    """A trigger as a file has it. `columns` are those the file speaks of; `places` is where each stands in the document."""

    name: str
    columns: dict[str, Any]
    file: str
    document: Document
    at: Path
    places: dict[str, Path]

    def place(self, path: str = "") -> str:
        """`file:line` of a path inside the row, such as `match_filter.minute.gte`: of as much of it as the file has."""
        column, *parts = path.split(".")
        at = self.places.get(column, self.at)
        for part in parts if column in self.places else ():
            at = (*at, int(part) if part.isdigit() and (*at, part) not in self.document.lines else part)
        while at not in self.document.lines:
            at = at[:-1]
        return f"{self.file}:{self.document.lines[at]}"


class Reading(NamedTuple):
    """What files say: the triggers, and what is wrong, each as `file:line: what is wrong and what is accepted`."""

    triggers: list[FileTrigger]
    faults: list[str]


def read_files(paths: Iterable[FilePath]) -> Reading:
    """All triggers of these files, and of the YAML files in these directories and below."""
    reading = Reading([], [])
    seen: dict[tuple[Any, str], FileTrigger] = {}
    for path in paths:
        found = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES) if path.is_dir() else [path]
        if not found:
            reading.faults.append(f"{path}: holds no {' or '.join(SUFFIXES)} file")
        for file in found:
            for trigger in _read_file(file, reading.faults):
                first = seen.setdefault((trigger.columns.get("workspace"), trigger.name), trigger)
                if first is trigger:
                    reading.triggers.append(trigger)
                else:
                    reading.faults.append(f"{trigger.place()}: {trigger.name}: stands at {first.place()} already")
    return reading


def _read_file(file: FilePath, faults: list[str]) -> Iterator[FileTrigger]:
    try:
        for document in read_yaml(file.read_bytes(), str(file)):
            yield from _read_document(document, str(file), faults)
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
    except InvalidInput as error:
        faults.append(str(error))


def _read_document(document: Document, file: str, faults: list[str]) -> Iterator[FileTrigger]:
    value = document.value
    if value is None:
        return
    if not isinstance(value, dict) or set(value) - {"trigger", "triggers"}:
        unknown = next((key for key in value if key not in ("trigger", "triggers")), None) if isinstance(value, dict) else None
        place = document.lines[() if unknown is None else (unknown,)]
        faults.append(f"{file}:{place}: {unknown or 'the document'}: is not known here; accepted: trigger, triggers")
        return
    given: list[tuple[Path, Any, Any]] = []
    if "trigger" in value:
        body = value["trigger"]
        given.append((("trigger",), body.get("name") if isinstance(body, dict) else None, body))
    if isinstance(value.get("triggers"), dict):
        given += [(("triggers", name), name, body) for name, body in value["triggers"].items()]
    elif "triggers" in value:
        faults.append(f"{file}:{document.lines['triggers',]}: triggers: must be a mapping of names to triggers")
    for at, name, body in given:
        try:
            yield _Mapping(file, document, at).trigger(name, body)
        except InvalidInput as error:
            faults.append(str(error))


class _Mapping:
    """One trigger on its way from the file's keys to columns."""

    def __init__(self, file: str, document: Document, at: Path) -> None:
        self._file, self._document, self._at = file, document, at
        self._columns: dict[str, Any] = {}
        self._places: dict[str, Path] = {}

    def trigger(self, name: Any, body: Any) -> FileTrigger:
        """Raises InvalidInput, its path `file:line: keys`, for what is not understood."""
        if not isinstance(body, dict):
            raise self._fault(self._at, f"must be a mapping; accepted: {', '.join(_accepted(self._at))}")
        if not isinstance(name, str) or not name:
            raise self._fault((*self._at, "name") if "name" in body else self._at, "must have a name, a text")
        blocks = [block for block in _CONDITIONS if block in body]
        if len(blocks) > 1:
            raise self._fault((*self._at, blocks[1]), f"stands beside {blocks[0]}; one of {', '.join(_CONDITIONS)} is accepted")
        for key, value in body.items():
            self._take(key, value)
        self._settle_type(body.get("type"), blocks[0] if blocks else None, body)
        return FileTrigger(name, self._columns, self._file, self._document, self._at, self._places)

    def _take(self, key: str, value: Any) -> None:
        at = (*self._at, key)
        if key in COLUMNS:
            self._put(COLUMNS[key], value, at)
        elif key in _BLOCKS and isinstance(value, dict):
            self._take_block(key, value, at)
        elif key in _CONDITIONS and isinstance(value, str):
            self._put("schedule_expression", value, at)
        elif key in _BLOCKS:
            raise self._fault(at, f"must be a mapping; accepted: {', '.join(_BLOCKS[key])}")
        elif key not in _accepted(self._at):
            raise self._fault(at, f"is not known; accepted: {', '.join(_accepted(self._at))}")

    def _take_block(self, block: str, given: dict[str, Any], at: Path) -> None:
        for key, value in given.items():
            if key not in _BLOCKS[block]:
                raise self._fault((*at, key), f"is not known; accepted: {', '.join(_BLOCKS[block])}")
            if block != "event" or key not in _NAMES:
                self._put(_BLOCKS[block][key], value, (*at, key))
        names = [name for name in _NAMES if name in given]
        if block == "event" and names:
            self._put("schedule_expression", self._event_key(given, at), (*at, names[0]))

    def _event_key(self, given: dict[str, Any], at: Path) -> str:
        if "source" in given and "sources" in given:
            raise self._fault((*at, "source"), "stands beside sources; one of the two is accepted")
        sources = given.get("sources", [given.get("source", "*")])
        event_type = given.get("type", "*")
        if not isinstance(event_type, str):
            raise self._fault((*at, "type"), "must be a text")
        if not isinstance(sources, list) or not sources or not all(isinstance(source, str) for source in sources):
            raise self._fault((*at, "sources" if "sources" in given else "source"), "must be a text; sources a list of texts")
        expression = event_key(sources, event_type)
        if expression.startswith("[") and any("," in source for source in sources):
            raise self._fault((*at, "sources" if "sources" in given else "source"), "holds a comma; write it as a pattern")
        return expression

    def _settle_type(self, given: Any, block: str | None, body: dict[str, Any]) -> None:
        """The row's type, as it is given, or as it follows from the block."""
        follows = block
        if block == "schedule":
            keys = body["schedule"] if isinstance(body["schedule"], dict) else {}
            follows = next((SCHEDULES[key] for key in keys if key in SCHEDULES), None)
            given = None if given == "schedule" else given
        if given is None and follows is None:
            raise self._fault(self._at, f"must say when it fires, by {', '.join(_CONDITIONS)}, or type: {', '.join(TYPES)}")
        if given is not None and follows is not None and given != follows:
            raise self._fault((*self._at, "type"), f"is {given}, but {block} makes it {follows}")
        self._columns["schedule_type"] = given if follows is None else follows
        self._places["schedule_type"] = (*self._at, "type" if "type" in body else block or "type")

    def _put(self, column: str, value: Any, at: Path) -> None:
        if column in self._columns:
            first = ".".join(map(str, self._places[column][len(self._at) :]))
            raise self._fault(at, f"says what {first} says; one of the two is accepted")
        self._columns[column], self._places[column] = value, at

    def _fault(self, at: Path, message: str) -> InvalidInput:
        line = self._document.lines.get(at) or self._document.lines[self._at]
        return InvalidInput(f"{self._file}:{line}: {'.'.join(map(str, at))}", message)


def event_key(sources: Sequence[str], event_type: str) -> str:
    """The `schedule_expression` of these sources and this type."""
    if len(sources) == 1 and ":" not in sources[0] and not sources[0].startswith("["):
        return f"{sources[0]}:{event_type}"
    return f"[{','.join(sources)}]:{event_type}"


def _accepted(at: Path) -> list[str]:
    return [*(["name"] if at[0] == "trigger" else []), "type", *_BLOCKS, *COLUMNS]
