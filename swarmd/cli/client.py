"""Docker's HTTP API from the command line: HTTP/1.1 over a unix or TCP socket, one call each.

`http.client` would do, and would cost a fifth of a command's start-up, mostly for parsing mail
headers.  What the daemon sends is known well: a status line, headers, and a body that is chunked,
counted, or ends with the connection.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from io import BufferedReader

from swarmd.cli.output import Json
from swarmd.errors import InvalidArgumentError, NotFoundError, SwarmError, UnavailableError

DEFAULT_HOST = "unix:///run/swarmd.sock"

_CONNECT_S = 10.0
_UNQUOTED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")


class ApiError(SwarmError):
    """The daemon's answer was an error.

    Attributes:
        status: the HTTP status.
        message: what the daemon said.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Error response from daemon: {message}")
        self.status = status
        self.message = message

    @property
    def is_not_found(self) -> bool:
        """True if the named object does not exist."""
        return self.status == 404


class Response:
    """A status and a body that is read once, by `read` or piece by piece by `chunks`."""

    def __init__(self, reader: BufferedReader, connection: socket.socket) -> None:
        self._reader = reader
        self._connection = connection
        self.status = int(self._line().split(" ", 2)[1])
        self.headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; closes the connection at its end, or when no longer read."""
        try:
            if self.headers.get("transfer-encoding") == "chunked":
                yield from self._chunked()
            elif "content-length" in self.headers:
                yield self._exactly(int(self.headers["content-length"]))
            elif self.status not in (204, 304):
                while data := self._reader.read1(65536):
                    yield data
        finally:
            self._reader.close()
            self._connection.close()

    def _chunked(self) -> Iterator[bytes]:
        while size := int(self._line().partition(";")[0], 16):
            yield self._exactly(size)
            self._line()
        while self._line():
            pass  # trailers

    def _exactly(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise UnavailableError("error during connect: unexpected EOF")
        return data

    def _line(self) -> str:
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise UnavailableError("error during connect: unexpected EOF")
        return line.rstrip(b"\r\n").decode("latin-1")


class Client:
    """Calls to one daemon.  Paths are unversioned: the daemon answers in its newest version."""

    def __init__(self, host: str) -> None:
        self.host = host

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """The JSON object at `path`.

        Raises:
            ApiError: the daemon refused.
            UnavailableError: no daemon answers.
        """
        found: Json = json.loads(self.call("GET", path, query).read())
        return found

    def list(self, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
        """The JSON objects at `path`."""
        found: list[Json] | None = json.loads(self.call("GET", path, query).read())
        return found or []

    def find(self, path: str, query: Mapping[str, str] | None = None) -> Json | None:
        """The JSON object at `path`, or None if there is none."""
        try:
            return self.get(path, query)
        except ApiError as error:
            if error.is_not_found:
                return None
            raise

    def post(
        self,
        path: str,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        """Post JSON; the JSON answered, or None."""
        data = self.call("POST", path, query, headers, body).read()
        return json.loads(data) if data.strip() else None

    def delete(self, path: str, query: Mapping[str, str] | None = None) -> None:
        """Delete the object at `path`."""
        self.call("DELETE", path, query).read()

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Response:
        """Send one request; the response is not read yet, except an error's.

        Raises:
            ApiError: any status from 400.
            UnavailableError: no daemon answers.
        """
        data = b"" if body is None else json.dumps(body).encode()
        connection = _connected(self.host)
        try:
            connection.sendall(_head(method, path, query, headers, data) + data)
            reader = connection.makefile("rb")
            response = Response(reader, connection)
        except OSError as error:
            connection.close()
            raise UnavailableError(f"error during connect: {error}") from error
        except UnavailableError:
            reader.close()
            connection.close()
            raise
        if response.status >= 400:
            raise ApiError(response.status, _message(response))
        return response


def path(*parts: str) -> str:
    """A path of parts that may be anything a user typed: `path("services", name)`."""
    return "/" + "/".join(map(quoted, parts))


def filters(values: Mapping[str, list[str]]) -> dict[str, str]:
    """The query for a list: what must match."""
    return {"filters": json.dumps(values)} if values else {}


def quoted(text: str) -> str:
    """Percent-encoded, for a path's part or a query's value."""
    return "".join(chr(byte) if byte in _UNQUOTED else f"%{byte:02X}" for byte in text.encode())


def required(kind: str, reference: str, found: Json | None) -> Json:
    """`found`, or Docker's "service web not found".

    Raises:
        NotFoundError: it is None.
    """
    if found is None:
        raise NotFoundError(kind, reference)
    return found


def _connected(host: str) -> socket.socket:
    scheme, _, address = host.partition("://")
    try:
        if scheme == "unix":
            return _connected_unix(address)
        if scheme == "tcp":
            name, _, port = address.rpartition(":")
            connection = socket.create_connection((name.strip("[]"), int(port)), _CONNECT_S)
            connection.settimeout(None)
            return connection
    except PermissionError as error:
        raise UnavailableError(
            f"permission denied while trying to connect to the swarmd daemon socket at {host}"
        ) from error
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"Cannot connect to the swarmd daemon at {host}. Is the swarmd daemon running?"
        ) from error
    raise InvalidArgumentError(f"unable to parse docker host `{host}`: use unix:// or tcp://")


def _connected_unix(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _head(
    method: str,
    target: str,
    query: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
    data: bytes,
) -> bytes:
    if query:
        target += "?" + "&".join(f"{name}={quoted(value)}" for name, value in query.items())
    lines = [f"{method} {target} HTTP/1.1", "Host: swarmd", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if data or method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _message(response: Response) -> str:
    data = response.read()
    try:
        return str(json.loads(data)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return data.decode(errors="replace").strip() or f"status {response.status}"
