"""One HTTP request to a daemon on a Unix socket."""

import http.client
import socket
from pathlib import Path
from typing import NamedTuple

CALL_S = 2.0


class Answer(NamedTuple):
    """What the daemon said."""

    status: int
    body: bytes


def answers(path: Path) -> bool:
    """Whether `/_ping` is answered now."""
    try:
        return call(path, "GET", "/_ping").status == 200
    except (OSError, http.client.HTTPException):
        return False


def call(
    path: Path, method: str, target: str, *, tar: bytes = b"", longest_s: float = CALL_S
) -> Answer:
    """Raises OSError or HTTPException when nobody answers in time."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(longest_s)
        connection.sock.connect(str(path))
        headers = {"Content-Type": "application/x-tar"} if tar else {}
        connection.request(method, target, body=tar or None, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    finally:
        connection.close()
