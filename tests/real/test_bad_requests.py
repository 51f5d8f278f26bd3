"""Whatever comes over the API's socket: an answer in Docker's form, at once, and no trace in the log.

Asked of the leader, of another manager and of a worker.
"""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.real.swarm import RealSwarm

pytestmark = pytest.mark.real

JSON = {"Content-Type": "application/json"}
#: Long enough for a busy machine; no request here has anything to wait for.
ANSWER_S = 15.0
LEADER, MANAGER, WORKER = 1, 2, 3
#: A record of Docker's errors that have no code of their own, which clients know as 500.
KNOWN_500 = (
    "rpc error: code = Unknown desc = ",
    "Bad parameters: you must choose at least one stream",
    "could not parse since timestamp",
    "Invalid desired-state filter",
    "Invalid role filter",
)
SERVICE = {"Name": "big", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}}
TARGETS = (
    *("/services", "/services/x", "/services/create", "/services/x/update", "/services/x/logs"),
    *("/services/x/update?version=", "/services/x/update?version=abc", "/services/x/logs?stdout=1"),
    *("/services/x/update?version=-1", "/services/x/update?version=99999999999999999999999"),
    *("/services/x/logs?stdout=1&tail=abc&since=zzz", "/services/%00", "/services/%ff%fe"),
    *("/services/" + "a" * 5000, "/services/%2e%2e%2fx", "/services/", "/services//"),
    *("/services?filters=", "/services?filters=%7B", "/services?filters=%5B%5D"),
    *("/services?filters=%ff", "/services?filters=%7B%22x%22:[%22y%22]%7D", "/services?status=x"),
    *("/services?filters=" + "%5B" * 3000, "/tasks", "/tasks/x", "/tasks/x/logs?stdout=1"),
    *("/tasks?filters=%7B%22desired-state%22:[%22x%22]%7D", "/nodes", "/nodes/x"),
    *("/nodes?filters=%7B%22role%22:[%22x%22]%7D", "/nodes/x/update", "/nodes/x/update?version=1"),
    *("/swarm", "/swarm/init", "/swarm/join", "/swarm/update", "/swarm/update?version=1"),
    *("/swarm/unlock", "/swarm/unlockkey", "/swarm/nope", "/networks", "/networks/x"),
    *("/networks/create", "/networks/x/connect", "/networks/x/disconnect", "/secrets"),
    *("/secrets/x", "/secrets/create", "/configs", "/configs/create", "/info", "/version"),
    *("/containers/json?filters=%7B", "/containers/create", "/containers/x/json"),
    *("/nope", "/", "//", "/v1.41", "/v1.41/", "/v1.41/v1.41/services", "/vabc/services"),
    *("/v9.99/services", "/v0.1/services", "/v1.41/services/../services", "/images/x/json"),
)
BODIES = (b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"Name":1}', b"x" * 2_000_000)
WITH_BODY = (
    *("/services/create", "/services/x/update?version=1", "/nodes/x/update?version=1"),
    *("/swarm/init", "/swarm/join", "/swarm/update?version=1", "/swarm/unlock"),
    *("/networks/create", "/networks/x/connect", "/networks/x/disconnect"),
    *("/containers/create", "/secrets/create", "/configs/create"),
)


class Answer(NamedTuple):
    """What came back."""

    status: int
    message: str


@pytest.fixture(autouse=True)
def quiet(formed: RealSwarm) -> Iterator[None]:
    """No request is an event for whoever operates the daemons."""
    before = {n: daemon.log_path.stat().st_size for n, daemon in formed.daemons.items()}
    yield
    for number, daemon in formed.daemons.items():
        written = daemon.log_path.read_bytes()[before[number] :].decode()
        assert "Traceback" not in written, written
        assert " ERROR " not in written, written


@pytest.mark.parametrize("number", [LEADER, MANAGER, WORKER])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
def test_every_path_and_method_is_answered_in_dockers_form(
    formed: RealSwarm, number: int, method: str
) -> None:
    """A client of another version, a script with a slip, somebody who looks what is there."""
    for target in TARGETS:
        _check(_ask(formed, number, method, target), f"{method} {target[:60]}")


@pytest.mark.parametrize("number", [LEADER, MANAGER, WORKER])
def test_a_body_that_is_not_what_is_asked_for_is_refused(formed: RealSwarm, number: int) -> None:
    for target in WITH_BODY:
        for body in BODIES:
            answer = _ask(formed, number, "POST", target, body)
            _check(answer, f"{target} {body[:10]!r}")
            assert answer.status >= 400, (target, body[:10])


@pytest.mark.parametrize("number", [LEADER, MANAGER])
def test_a_request_that_is_too_large_is_refused_with_how_large_it_may_be(
    formed: RealSwarm, number: int
) -> None:
    """Somebody's archive in an environment variable."""
    large = {**SERVICE, "Labels": {"x": "y" * (2 << 20)}}
    body = json.dumps(large).encode()
    status, message = _ask(formed, number, "POST", "/services/create", body)
    assert status == 400
    assert "the request is too large: it takes 2097" in message
    status, message = _ask(formed, number, "POST", "/services/create", b" " * (17 << 20))
    assert status == 400
    assert "the request's body is larger than 16777216 bytes" in message


@pytest.mark.parametrize(
    "sent",
    [
        b"GET * HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET services HTTP/1.1\r\nHost: d\r\n\r\n",
        b"FOO /services HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET /services HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /swarm/init HTTP/1.1\r\nHost: d\r\nContent-Length: -5\r\n\r\n",
        b"GET /services HTTP/1.1\r\nHost: d\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
    ids=lambda sent: str(sent[:16]),
)
def test_what_is_no_http_is_refused_in_dockers_form(formed: RealSwarm, sent: bytes) -> None:
    """A port scanner, or a client that speaks TLS to a plain socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(str(formed.daemons[LEADER].socket_path))
        connection.sendall(sent)
        head, _, body = _everything(connection).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert json.loads(body)["message"]


def test_the_wrong_token_is_refused_in_dockers_words(formed: RealSwarm) -> None:
    """Of another swarm, of a role that was rotated, cut off at the end of the line."""
    path = formed.daemons[WORKER].socket_path
    formed.docker(WORKER, "swarm", "leave")
    try:
        for token, message in (
            ("nonsense", "invalid join token"),
            (_other_root(formed.token("worker")), "remote CA does not match fingerprint"),
            (_other_end(formed.token("worker")), "A valid join token is necessary to join"),
        ):
            asked = {"RemoteAddrs": [f"{formed.ip(LEADER)}:2377"], "JoinToken": token}
            body = json.dumps({**asked, "ListenAddr": "0.0.0.0:2377"}).encode()
            answer = _call(path, "POST", "/swarm/join", body)
            assert message in answer.message
            assert answer.status in (400, 503), answer
    finally:
        formed.join(WORKER, formed.token("worker"))
        form = "{{.ID}} {{.Hostname}} {{.Status}}"
        for line in formed.docker(LEADER, "node", "ls", "--format", form).splitlines():
            if line.endswith(f" {formed.host(WORKER)} Down"):
                formed.docker(LEADER, "node", "rm", line.split()[0])


def _check(answer: Answer, what: str) -> None:
    if answer.status == 500:
        assert answer.message.startswith(KNOWN_500), (what, answer)
    elif answer.status >= 400:
        assert answer.status in (400, 403, 404, 405, 409, 501, 503), (what, answer)


def _ask(swarm: RealSwarm, number: int, method: str, target: str, body: bytes = b"") -> Answer:
    return _call(swarm.daemons[number].socket_path, method, target, body)


def _call(
    path: Path, method: str, target: str, body: bytes, headers: Mapping[str, str] = JSON
) -> Answer:
    """The answer, whose refusals have a message unless they have no body at all."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(ANSWER_S)
        connection.sock.connect(str(path))
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    if answer.status < 400 or method == "HEAD":
        return Answer(answer.status, "")
    return Answer(answer.status, str(json.loads(data)["message"]))


def _everything(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


def _other_root(token: str) -> str:
    prefix, version, root, secret = token.split("-")
    return "-".join((prefix, version, _other_end(root), secret))


def _other_end(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")
