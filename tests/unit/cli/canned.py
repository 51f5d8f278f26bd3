"""A server with canned answers on a unix socket, which remembers what it was asked."""

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

#: "METHOD /path" → answers in turn, the last one for ever.
Answers = Mapping[str, "list[Answer]"]


class Answer(NamedTuple):
    """A status and a body: JSON, or bytes as they are (chunked if they come as several)."""

    body: Any = None
    status: int = 200


class Asked(NamedTuple):
    """One request."""

    line: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Canned:
    """The server's memory."""

    def __init__(self, host: str, answers: dict[str, list[Answer]]) -> None:
        self.host = host
        self.answers = answers
        self.asked: list[Asked] = []

    def answer(self, asked: Asked) -> Answer:
        """The next canned answer; 404 for what nobody canned."""
        self.asked.append(asked)
        found = self.answers.get(asked.line)
        if not found:
            return Answer({"message": f"page not found: {asked.line}"}, 404)
        return found.pop(0) if len(found) > 1 else found[0]

    def bodies(self, line: str) -> list[Any]:
        """What was posted there."""
        return [asked.body for asked in self.asked if asked.line == line]

    def queries(self, line: str) -> list[dict[str, str]]:
        """With which queries it was called."""
        return [asked.query for asked in self.asked if asked.line == line]


class _Handler(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split(" ")
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        data = self.rfile.read(int(headers.get("content-length", 0)))
        parts = urlsplit(target)
        asked = Asked(
            f"{method} {parts.path}",
            dict(parse_qsl(parts.query)),
            headers,
            json.loads(data) if data else None,
        )
        self._send(self.server.canned.answer(asked))

    def _send(self, answer: Answer) -> None:
        head = f"HTTP/1.1 {answer.status} X\r\nContent-Type: application/json\r\n"
        if isinstance(answer.body, list) and answer.body and isinstance(answer.body[0], bytes):
            self.wfile.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for piece in answer.body:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.wfile.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    canned: Canned


@contextlib.contextmanager
def serving(folder: Path, answers: Mapping[str, Answer | list[Answer]]) -> Iterator[Canned]:
    """A server until the end of the block."""
    path = str(folder / "canned.sock")
    listed = {
        line: answer if isinstance(answer, list) else [answer] for line, answer in answers.items()
    }
    with _Server(path, _Handler) as server:
        server.canned = Canned(f"unix://{path}", listed)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.canned
        finally:
            server.shutdown()
            thread.join()
