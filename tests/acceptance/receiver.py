"""A plain HTTP server that knows nothing of touchline and stands in no file of it: what a customer's own hub is."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

Answer = tuple[int, dict[str, Any]] | tuple[int, dict[str, Any], dict[str, str]]
"""A status, a body, and headers beside the usual ones."""

COMPLETED: Answer = (200, {"status": "completed", "output": {"said": "seen"}})


class Received(NamedTuple):
    """One request: its path, its headers with lower-case names, its JSON body, and when it came (monotonic seconds)."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at_seconds: float = 0.0


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # five, the default, are fewer than a worker's connections


class Receiver:
    """Listens on a free port and keeps what it is sent. Gives `answers` in turn, then what `answer` says, for ever."""

    def __init__(
        self, answers: Iterable[Answer] = (), *, answer: Callable[[Received], Answer] = lambda _: COMPLETED, port: int = 0
    ) -> None:
        self.received: list[Received] = []
        self._answers = iter(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body go in two writes, and the second would wait 40 ms for an ack

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.path, headers, body, time.monotonic())
                receiver.received.append(received)
                status, said, *extra = next(receiver._answers, None) or answer(received)
                payload = json.dumps(said).encode()
                self.send_response(status)
                for name, value in extra[0].items() if extra else ():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's own signature
                """Say nothing: the test looks at `received`."""

        self._server = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        """What to register as the hub's base_url."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def of(self, trigger_id: str) -> list[Received]:
        """What was received for one trigger, in order."""
        return [received for received in self.received if received.body["trigger_id"] == trigger_id]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
