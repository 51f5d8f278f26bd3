"""The sockets that the API is served on, by `--host` values in dockerd's words."""

import ipaddress
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

from swarmd.errors import StateError

_BACKLOG = 512
#: root and the socket's group; whoever may write to it owns the machine
_MODE = 0o660
_PROBE_S = 2.0
_DEFAULT_PORT = 2375


def bind(host: str) -> socket.socket:
    """A bound and listening socket for `unix:///path` or `tcp://127.0.0.1:2375`.

    Raises StateError that says what to do instead.
    """
    scheme, _, rest = host.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return _bind_unix(Path(rest))
    if scheme == "tcp":
        return _bind_tcp(host)
    raise StateError(f"--host {host}: use unix:///path/to/socket or tcp://127.0.0.1:port")


def release(host: str, listener: socket.socket) -> None:
    """Close what `bind(host)` has given; the file of a unix socket goes with it."""
    listener.close()
    scheme, _, rest = host.partition("://")
    if scheme == "unix":
        Path(rest).unlink(missing_ok=True)


def _bind_unix(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(path))
        path.chmod(_MODE)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StateError(f"cannot serve on unix://{path}: {error}") from error
    listener.setblocking(False)
    return listener


def _remove_stale(path: Path) -> None:
    """Make way if a dead daemon left its socket; never if something answers, or is no socket."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise StateError(f"cannot serve on unix://{path}: the file there is no socket; remove it")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise StateError(f"cannot serve on unix://{path}: {error}") from error
    raise StateError(
        f"cannot serve on unix://{path}: another daemon answers there; "
        "stop it, or choose another socket with --host"
    )


def _bind_tcp(host: str) -> socket.socket:
    try:
        url = urlsplit(host)
        name, port = url.hostname or "", url.port
        address = ipaddress.ip_address("127.0.0.1" if name == "localhost" else name)
    except ValueError as error:
        raise StateError(f"--host {host}: use an IP address and a port") from error
    if not address.is_loopback:
        raise StateError(
            f"--host {host}: anybody who reaches this address would be root here; without TLS only "
            "loopback addresses are served. Use tcp://127.0.0.1:port and a tunnel (ssh -L)"
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), _DEFAULT_PORT if port is None else port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StateError(f"cannot serve on {host}: {error}") from error
    listener.setblocking(False)
    return listener
