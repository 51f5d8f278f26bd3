"""The sockets that the API is served on."""

import socket
from pathlib import Path

import pytest

from swarmd.api import listen
from swarmd.errors import StateError


def test_a_unix_socket_is_for_its_owner_and_group_and_goes_when_released(tmp_path: Path) -> None:
    path = tmp_path / "new" / "api.sock"
    bound = listen.bind(f"unix://{path}")
    assert path.stat().st_mode & 0o777 == 0o660
    listen.release(f"unix://{path}", bound)
    assert not path.exists()


def test_the_socket_of_a_daemon_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listen.bind(f"unix://{path}"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_on_which_another_daemon_answers_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with listen.bind(f"unix://{path}"), socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(StateError, match="another daemon answers there; stop it, or choose"):
            listen.bind(f"unix://{path}")
        client.connect(str(path))


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("precious")
    with pytest.raises(StateError, match="is no socket"):
        listen.bind(f"unix://{path}")
    assert path.read_text() == "precious"


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:0", "tcp://localhost:0", "tcp://[::1]:0"])
def test_loopback_addresses_are_served_plainly(host: str) -> None:
    with listen.bind(host) as bound:
        assert bound.getsockname()[1] > 0


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("tcp://0.0.0.0:2375", "would be root here"),
        ("tcp://10.1.2.3:2375", r"only loopback addresses are served\. Use tcp://127\.0\.0\.1"),
        ("tcp://example.org:2375", "use an IP address and a port"),
        ("tcp://127.0.0.1:port", "use an IP address and a port"),
        ("unix://relative", "use unix:///path/to/socket"),
        ("npipe://x", "use unix:///path/to/socket"),
        ("/run/x.sock", "use unix:///path/to/socket"),
    ],
)
def test_another_host_is_refused_with_what_to_say_instead(host: str, words: str) -> None:
    with pytest.raises(StateError, match=words):
        listen.bind(host)


def test_a_port_in_use_is_named() -> None:
    with listen.bind("tcp://127.0.0.1:0") as bound:
        host = f"tcp://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(StateError, match=f"cannot serve on {host}: .*in use"):
            listen.bind(host)


def test_a_path_that_is_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot serve on unix://"):
        listen.bind(f"unix://{tmp_path}/{'x' * 120}")
    assert list(tmp_path.iterdir()) == []
