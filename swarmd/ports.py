"""The ports: every effect that swarmd has on the world, as Protocols.

A `Daemon` is built from ports and a config.  Production passes the real ones (`net`, `engine`,
`overlay`, ...), the simulator its own; nothing else differs.  Time inside a process is the event
loop's (`asyncio.sleep`, `asyncio.timeout` are virtual under the simulator); what is compared
across processes or restarts comes from `Clock`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NewType, Protocol, TypeVar

import msgspec

#: Seconds on a monotonic clock, or a duration.
Seconds = float
#: Nanoseconds since 1970-01-01 UTC.
Timestamp = int
#: "10.0.0.1:2377", "[fd00::1]:2377".
Address = NewType("Address", str)

T = TypeVar("T")


class Clock(Protocol):
    """This machine's two clocks."""

    def monotonic(self) -> Seconds:
        """Seconds since an arbitrary moment; never backwards while the process lives."""
        ...

    def wall(self) -> Timestamp:
        """The wall clock, which may jump."""
        ...


class Random(Protocol):
    """Chance, seedable.  Ids that need to be unguessable come from `token`."""

    def uniform(self, low: float, high: float) -> float:
        """A float in [low, high)."""
        ...

    def below(self, count: int) -> int:
        """An integer in [0, count)."""
        ...

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a random order."""
        ...

    def token(self, size_bytes: int) -> bytes:
        """Unguessable bytes."""
        ...

    def rarely(self, name: str) -> bool:
        """Take the rare path called `name`?  Always False in production (FoundationDB's buggify)."""
        ...


class DiskFile(Protocol):
    """An open file.  Calls block: make them inside `Disk.run`."""

    def size(self) -> int:
        """Length in bytes."""
        ...

    def pread(self, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`; shorter only at the end of the file."""
        ...

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`, growing the file if need be; not durable before `sync`."""
        ...

    def truncate(self, size: int) -> None:
        """Give back the room behind the first `size` bytes; durable with the next `sync`."""
        ...

    def sync(self) -> None:
        """Returns when everything written is on the disk.  After an OSError here nothing is known."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


class Disk(Protocol):
    """A directory of files, flat: names may contain `/`, folders are made as needed, mode 0700/0600.

    All methods but `run` block and raise OSError.
    """

    def list(self, prefix: str = "") -> Sequence[str]:
        """Names that begin with `prefix`, sorted."""
        ...

    def read(self, name: str) -> bytes | None:
        """The whole file, or None if there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Replace the file as a whole, durably: written beside, synced, renamed, folder synced."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Atomic and durable; replaces `new`."""
        ...

    def delete(self, name: str) -> None:
        """Durable; no error if there is none."""
        ...

    def open(self, name: str) -> DiskFile:
        """Open for reading and writing, created empty if absent."""
        ...

    async def run(self, call: Callable[[], T]) -> T:
        """Run blocking calls off the loop, one at a time, in the order they were given."""
        ...


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at the other end of a connection, by certificate.  All empty: nobody known."""

    node_id: str = ""
    #: "manager", "worker" or ""
    role: str = ""
    cluster_id: str = ""
    #: serial number of the certificate, for revocation
    serial: str = ""
    #: when the certificate ends; 0 = never
    expires_at: Timestamp = 0
    #: host part of the remote address
    host: str = ""


class Connection(Protocol):
    """An ordered stream of frames to one peer, encrypted and authenticated."""

    @property
    def peer(self) -> Peer:
        """As authenticated when the connection was made."""
        ...

    def send(self, frame: bytes) -> None:
        """Queue a frame; lost silently if the connection ends.  At most `net.frames.MAX_FRAME_BYTES`."""
        ...

    def pending_bytes(self) -> int:
        """Queued here and not yet taken by the kernel."""
        ...

    async def drain(self) -> None:
        """Returns when the queue is short again.  Raises ConnectionError when the connection ended."""
        ...

    async def receive(self) -> bytes:
        """The next frame.  Raises ConnectionError when there will be none."""
        ...

    def close(self) -> None:
        """Idempotent; frames already queued are still sent if the peer reads."""
        ...


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a process shows and what it trusts.  PEM texts; no certificate = anonymous."""

    certificate: str = ""
    key: str = ""
    #: concatenated roots; empty = take any server (only the join call does, and compares the root)
    trusted: str = ""


class Listener(Protocol):
    """A bound port."""

    @property
    def port(self) -> int: ...

    def close(self) -> None: ...


class Datagrams(Protocol):
    """A bound UDP port."""

    def send(self, data: bytes, to: Address) -> None:
        """Best effort."""
        ...

    def close(self) -> None: ...


class Network(Protocol):
    """Streams and datagrams between nodes."""

    async def listen(
        self,
        address: Address,
        credentials: Callable[[], Credentials],
        accept: Callable[[Connection], Awaitable[None]],
    ) -> Listener:
        """Serve connections, with or without a client certificate; `accept` owns each one.

        `credentials` is asked at each handshake, so a renewed certificate needs no restart.
        Raises OSError if the address cannot be bound.
        """
        ...

    async def connect(self, address: Address, credentials: Credentials) -> Connection:
        """Raises ConnectionError (refused, no answer, handshake) naming the address."""
        ...

    async def open_datagrams(
        self, address: Address, receive: Callable[[bytes, Address], None]
    ) -> Datagrams:
        """Raises OSError if the address cannot be bound."""
        ...


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What swarmd reads out of a certificate."""

    node_id: str
    #: "swarm-manager" | "swarm-worker" | "" (a root)
    organizational_unit: str
    cluster_id: str
    serial: str
    not_before: Timestamp
    not_after: Timestamp
    #: DER of issuer name and of the issuer's public key are in Docker's TLSInfo
    issuer_subject: bytes = b""
    issuer_public_key: bytes = b""


class Crypto(Protocol):
    """Keys, certificates, seals: random by nature, therefore a port."""

    def new_root(self, cluster_id: str, now: Timestamp) -> tuple[str, str]:
        """(certificate PEM, key PEM) of a self-signed root, 20 years."""
        ...

    def new_request(self) -> tuple[str, str]:
        """(request PEM, key PEM): a fresh key and a CSR that proves it."""
        ...

    def issue(self, request: str, root: tuple[str, str], facts: CertificateFacts) -> str:
        """Certificate PEM for a CSR.  Raises InvalidArgumentError if the CSR does not verify."""
        ...

    def facts(self, certificate: str) -> CertificateFacts:
        """Raises InvalidArgumentError if it is no certificate."""
        ...

    def seal(self, key: bytes, nonce: bytes, data: bytes) -> bytes:
        """AES-256-GCM; 16 bytes longer than `data`.  A nonce is used once per key."""
        ...

    def unseal(self, key: bytes, nonce: bytes, data: bytes) -> bytes:
        """Raises WireError if key, nonce or data is wrong."""
        ...


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mount of a container, as far as anybody asks."""

    type: str
    source: str
    target: str


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says of one container (`GET /containers/{id}/json`)."""

    id: str
    name: str
    labels: Mapping[str, str]
    #: created | running | paused | restarting | removing | exited | dead
    status: str
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    #: "" (no check) | starting | healthy | unhealthy
    health: str = ""
    started_at: Timestamp = 0
    finished_at: Timestamp = 0
    image: str = ""
    #: the container's or its image's; empty = SIGTERM
    stop_signal: str = ""
    #: network name -> address
    addresses: Mapping[str, str] = {}
    #: ("tcp", target port, published port) as bound by the engine
    ports: tuple[tuple[str, int, int], ...] = ()


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says of itself and its machine (`GET /info`, `GET /version`)."""

    id: str
    hostname: str
    os: str
    architecture: str
    nano_cpus: int
    memory_bytes: int
    engine_version: str
    api_version: str
    min_api_version: str
    labels: Mapping[str, str] = {}
    #: (type, name), sorted
    plugins: tuple[tuple[str, str], ...] = ()
    #: "active" if the engine itself is in swarm mode, which swarmd refuses to stand beside
    swarm_state: str = "inactive"


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `GET /events`, as far as the agent reads it."""

    type: str
    action: str
    id: str
    labels: Mapping[str, str]
    at: Timestamp


class LogChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a container's log."""

    #: 1 stdout, 2 stderr
    stream: int
    at: Timestamp
    data: bytes


class EngineNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of the engine (`GET /networks`)."""

    id: str
    name: str
    driver: str
    labels: Mapping[str, str] = {}
    options: Mapping[str, str] = {}


class Engine(Protocol):
    """The local Docker Engine, as far as the agent and the overlay drive it.

    Every method raises EngineError: with the engine's status and message, or with status 0 if it
    cannot be reached.  Bodies are Docker's JSON, made by `wire`.
    """

    async def info(self) -> EngineInfo: ...

    async def list_containers(self, label: str) -> Sequence[str]:
        """Ids of all containers, stopped ones too, with the label `key` or `key=value`."""
        ...

    async def inspect_container(self, reference: str) -> Container | None:
        """By id or name; None if there is none (404)."""
        ...

    async def create_container(self, name: str, body: bytes) -> str:
        """Its id.  EngineError 404 "No such image: …" if the image is not here."""
        ...

    async def start_container(self, container_id: str) -> None: ...

    async def kill_container(self, container_id: str, signal: str) -> None:
        """No error if it does not run (409) or does not exist (404)."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Forced, with its anonymous volumes; no error if it does not exist."""
        ...

    async def pull_image(self, reference: str, registry_auth: str) -> None:
        """`registry_auth` is the value of X-Registry-Auth, or empty.  Returns when it is there."""
        ...

    def events(self) -> AsyncIterator[EngineEvent]:
        """Container events from now on.  Ends with EngineError when the stream breaks."""
        ...

    def logs(
        self, container_id: str, *, follow: bool, tail: str, since: str, streams: tuple[bool, bool]
    ) -> AsyncIterator[LogChunk]:
        """Lines of (stdout, stderr); `tail` = "all" or a number, `since` as Docker's query."""
        ...

    async def list_networks(self, label: str) -> Sequence[EngineNetwork]: ...

    async def has_network(self, network_id: str) -> bool: ...

    async def create_network(self, body: bytes) -> str: ...

    async def remove_network(self, network_id: str) -> None:
        """No error if it does not exist; 403 while containers are attached."""
        ...

    async def connect_network(self, network_id: str, body: bytes) -> None: ...

    async def create_volume(self, body: bytes) -> None: ...


class HeldPort(Protocol):
    """A port that is kept from other programs."""

    def close(self) -> None:
        """It is free again."""
        ...


class Kernel(Protocol):
    """Links, routes and rules of this machine and of its containers' network namespaces.

    Every method raises OSError with the tool's own words.
    """

    async def nft(self, text: str, *, pid: int = 0) -> None:
        """One atomic nftables transaction, here or in the network namespace of process `pid`."""
        ...

    async def ip(self, lines: Sequence[str]) -> None:
        """`ip -force -batch`: all lines are tried; raises if one failed."""
        ...

    async def bridge(self, lines: Sequence[str]) -> None:
        """`bridge -force -batch`, likewise."""
        ...

    async def output(self, *argv: str) -> str:
        """Standard output of a read-only command (`ip -j link`, `nft list ...`)."""
        ...

    async def run(self, *argv: str) -> int:
        """Exit status of a command whose failure is an answer (`iptables -C ...`)."""
        ...

    async def sysctl(self, name: str, value: str) -> None:
        """Write /proc/sys/`name` (slashes); no error if the file does not exist."""
        ...

    def hold_port(self, protocol: str, port: int) -> HeldPort:
        """Bind a port of all IPv4 addresses without serving it.  OSError if it is in use."""
        ...

    def links_gone(self) -> AsyncGenerator[str, None]:
        """Names of links deleted from now on; an empty one for a routing rule, or what was missed."""
        ...
