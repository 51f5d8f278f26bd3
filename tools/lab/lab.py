"""The lab as Python sees it: hosts made, run in, cut, powered off, removed.

    lab = Lab("demo")
    lab.create(3, engine=EngineOptions(program="/usr/sbin/dockerd"))
    lab.run("demo1", ["ip", "-br", "address"])
    lab.destroy()

State is in a folder per lab and under a lock, so that a second process may use the same lab, and a
run after one that was interrupted finds and repairs or removes what is there.
"""

import concurrent.futures
import contextlib
import fcntl
import fnmatch
import ipaddress
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tools.lab import records
from tools.lab.engine import HostEngine
from tools.lab.linux import start_time
from tools.lab.records import DEFAULT_SUBNET, Boot, EngineOptions, HostRecord, LabRecord
from tools.lab.shell import LabError, network_namespaces, program
from tools.lab.underlay import Underlay

__all__ = ["EngineOptions", "HostStatus", "Lab", "LabError", "Started"]

#: Host 1 has the eleventh address of the subnet.
_FIRST = 11
#: Hosts that /etc/hosts names, so that growing a lab changes nothing in the running ones.
_NAMED_HOSTS = 99
_NO_ENGINE = EngineOptions()
_BOOT_S = 20.0
_HALT_S = 10.0
_START_S = 60.0
_RUN_S = 60.0
T = TypeVar("T")

_NO_ENVIRONMENT: Mapping[str, str] = {}


class HostStatus(NamedTuple):
    """One host, as it is now."""

    host: str
    ip: str
    is_on: bool
    #: PID of its init as seen from this machine, if it is on
    init: int | None
    engine_answers: bool
    #: its engine's socket as seen from this machine
    socket: str
    folder: str
    netns: str


class Started(NamedTuple):
    """A host that came up, and the seconds until it was usable."""

    host: str
    seconds: float


class Lab:
    """A lab: its hosts are `<prefix>1`, `<prefix>2` and so on."""

    def __init__(self, prefix: str = "lab", folder: Path | None = None) -> None:
        # Interface names end at 15 characters.
        if not re.fullmatch("[a-z][a-z0-9-]{0,7}", prefix):
            raise LabError("prefix: a letter, then up to 7 letters, digits or dashes")
        self.prefix = prefix
        self.folder = (folder or Path(tempfile.gettempdir(), "swarmlab", prefix)).absolute()
        self._record = records.load(self._record_path)

    # -- life

    def create(
        self,
        count: int,
        *,
        engine: EngineOptions = _NO_ENGINE,
        subnet: str = DEFAULT_SUBNET,
        mtu: int = 1500,
        has_uplink: bool = False,
        longest_s: float = _START_S,
    ) -> list[Started]:
        """Bring the lab to `count` hosts; those that are there are left alone or powered on.

        Only new hosts get `engine`.  `subnet` and `mtu` count for a new lab only.
        """
        if os.geteuid():
            raise LabError("must be root")
        with self._locked():
            if not self._record.hosts:
                self._purge_leftovers()
                self._remember(LabRecord(hosts={}, subnet=subnet, mtu=mtu))
            self._underlay().build(has_uplink=has_uplink)
            network = ipaddress.ip_network(self._record.subnet)
            names = [f"{self.prefix}{index}" for index in range(1, count + 1)]
            hosts = dict(self._record.hosts)
            for index, name in enumerate(names):
                hosts.setdefault(name, HostRecord(str(network[_FIRST + index]), engine))
            self._remember(self._record._replace(hosts=hosts))
            return self._start([name for name in names if self.init_pid(name) is None], longest_s)

    def poweroff(self, *hosts: str) -> None:
        """Power failure: everything in these hosts ends at once."""
        with self._locked():
            _each(self._halt, self.names(*hosts))

    def poweron(self, *hosts: str, longest_s: float = _START_S) -> list[Started]:
        """Boot hosts that are off, with the disks they had."""
        with self._locked():
            off = [name for name in self.names(*hosts) if self.init_pid(name) is None]
            return self._start(off, longest_s)

    def destroy(self, *hosts: str) -> None:
        """Remove hosts with their disks; without names, everything, also what a lost state left."""
        with self._locked():
            names = self.names(*hosts) if hosts else list(self._record.hosts)
            _each(self._remove, names)
            left = {name: host for name, host in self._record.hosts.items() if name not in names}
            self._remember(self._record._replace(hosts=left))
            if not left:
                self._purge_leftovers()
                self._underlay().remove()
                shutil.rmtree(self.folder, ignore_errors=True)
        if not self.folder.exists():
            with contextlib.suppress(OSError):
                self._lock_path.unlink()
                self.folder.parent.rmdir()

    # -- what is there

    def names(self, *patterns: str) -> list[str]:
        """Hosts that match shell patterns; `all`, or no pattern, means every host."""
        found: dict[str, None] = {}
        for pattern in patterns or ("all",):
            wanted = "*" if pattern == "all" else pattern
            matches = [h for h in self._record.hosts if fnmatch.fnmatchcase(h, wanted)]
            if not matches and wanted != "*":
                there = " ".join(self._record.hosts) or "none"
                raise LabError(f"no host {pattern!r} (there are: {there})")
            found.update(dict.fromkeys(matches))
        return list(found)

    def host_folder(self, host: str) -> Path:
        """Where a host keeps its `run`, `etc`, `docker` and logs."""
        return self.folder / host

    def ip(self, host: str) -> str:
        """Its address on the underlay."""
        return self._record.hosts[host].ip

    def socket_path(self, host: str) -> Path:
        """Its engine's socket, as seen from this machine."""
        return self.engine(host).socket_path

    def init_pid(self, host: str) -> int | None:
        """PID, as seen from this machine, of its init; None when it is off."""
        return records.running_init(self.host_folder(host))

    def status(self) -> list[HostStatus]:
        """Every host."""
        return [self._status_of(name) for name in self._record.hosts]

    # -- in a host

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` inside a host and passes its exit status on."""
        return program("enter", "main", str(self.host_folder(host)), *argv)

    def popen(
        self,
        host: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] = _NO_ENVIRONMENT,
        output: int | None = None,
    ) -> "subprocess.Popen[str]":
        """Start a command in a host; `output` as Popen's stdout, for both streams, None inherits.

        It dies with the relay that Popen starts; signals sent there reach it.
        """
        return subprocess.Popen(
            self.command(host, argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            env={**os.environ, **environment},
        )

    def run(
        self,
        host: str,
        argv: Sequence[str],
        *,
        text: str = "",
        longest_s: float = _RUN_S,
        is_checked: bool = True,
    ) -> str:
        """Standard output of a command in a host.  Raises LabError if it fails and is checked."""
        try:
            done = subprocess.run(
                self.command(host, argv),
                input=text,
                capture_output=True,
                text=True,
                timeout=longest_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{host}: {' '.join(argv)}: no end after {longest_s} s") from error
        if is_checked and done.returncode:
            words = (done.stderr or done.stdout).strip()
            raise LabError(f"{host}: {' '.join(argv)}: status {done.returncode}: {words}")
        return done.stdout

    # -- its engine

    def engine(self, host: str) -> HostEngine:
        """The engine of a host, for whoever wants to look at it."""
        return HostEngine(self.host_folder(host))

    def start_engine(self, host: str, longest_s: float = _START_S) -> None:
        """Start dockerd in a host that is on; returns when it answers.  No error if it runs."""
        engine = self.engine(host)
        if engine.pid() is None:
            if not self._record.hosts[host].engine.program:
                raise LabError(f"{host} was created without an engine")
            argv = program("host", "start_engine", self._boot(host).encoded())
            self.run(host, argv, longest_s=_BOOT_S)
        engine.await_answer(longest_s)

    def stop_engine(self, host: str, number: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM is a graceful stop, SIGKILL a crash that leaves the containers running."""
        self.engine(host).end(number)

    # -- faults

    def cut(self, host: str, other: str = "", *, is_seen: bool = False, both: bool = True) -> None:
        """Pull the host's cable; with `other`, these two no longer hear each other.

        Without `both` only `host` no longer reaches `other`.
        """
        with self._locked():
            if not other:
                self._underlay().pull(host, is_seen=is_seen)
                return
            pairs = ((host, other), (other, host)) if both else ((host, other),)
            for deaf, unheard in pairs:
                self._underlay().deafen(deaf, self.ip(unheard))
            cuts = dict.fromkeys((*self._record.cuts, *pairs))
            self._remember(self._record._replace(cuts=tuple(cuts)))

    def partition(self, *groups: Sequence[str]) -> None:
        """Split the underlay; hosts in no group stay with the first."""
        with self._locked():
            self._underlay().split(groups)

    def heal(self, *hosts: str) -> None:
        """Undo every cut, partition and rate of these hosts, or of all."""
        with self._locked():
            names = self.names(*hosts)
            for name in names:
                self._underlay().rejoin(name)
            left = []
            for host, other in self._record.cuts:
                if host in names or other in names:
                    self._underlay().mend(host, self.ip(other))
                else:
                    left.append((host, other))
            self._remember(self._record._replace(cuts=tuple(left)))

    def rate(self, host: str, rate: str) -> None:
        """Limit what a host sends and receives (`100mbit`); `off` lifts it."""
        self._underlay().limit(host, rate)

    # -- inside

    @property
    def _record_path(self) -> Path:
        return self.folder / "lab.json"

    @property
    def _lock_path(self) -> Path:
        return self.folder.with_suffix(".lock")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock_path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._record = records.load(self._record_path)
            yield

    def _remember(self, record: LabRecord) -> None:
        self._record = record
        records.save(self._record_path, record)

    def _underlay(self) -> Underlay:
        return Underlay(self.prefix, self._record.subnet, self._record.mtu)

    def _boot(self, host: str) -> Boot:
        network = ipaddress.ip_network(self._record.subnet)
        count = min(_NAMED_HOSTS, network.num_addresses - _FIRST - 1)
        lines = [f"{network[_FIRST + i]} {self.prefix}{i + 1}\n" for i in range(count)]
        return Boot(
            name=host,
            folder=str(self.host_folder(host)),
            netns=f"/run/netns/{host}",
            cgroup=_cgroup(host),
            hosts="127.0.0.1 localhost\n" + "".join(lines),
            resolver="nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
            engine=self._record.hosts[host].engine,
        )

    def _start(self, hosts: Sequence[str], longest_s: float) -> list[Started]:
        began = time.perf_counter()

        def start(host: str) -> Started:
            self._boot_host(host)
            options = self._record.hosts[host].engine
            if options.program:
                engine = self.engine(host)
                engine.await_answer(longest_s)
                if options.image:
                    engine.import_busybox(options.image)
            return Started(host, time.perf_counter() - began)

        return _each(start, hosts)

    def _boot_host(self, host: str) -> None:
        folder = self.host_folder(host)
        shutil.rmtree(folder / "run", ignore_errors=True)  # empty after a boot
        for name in ("run", "etc", "etcwork", "cg", "docker"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        record = self._record.hosts[host]
        self._underlay().plug_in(host, record.ip, forwards=not record.engine.program)
        log = folder / "init.log"
        with log.open("ab") as stream:
            done = subprocess.run(
                program("host", "main", self._boot(host).encoded()),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                timeout=_BOOT_S,
                check=False,
            )
        if done.returncode or self.init_pid(host) is None:
            raise LabError(f"{host}: its init failed: {log.read_text()[-800:]}")

    def _halt(self, host: str) -> None:
        pid = self.init_pid(host)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)  # takes the whole PID namespace with it
            deadline = time.perf_counter() + _HALT_S
            while start_time(pid) is not None:
                if time.perf_counter() > deadline:
                    raise LabError(f"{host}: its init {pid} does not end")
                time.sleep(0.01)
        (self.host_folder(host) / "init.json").unlink(missing_ok=True)
        self._underlay().unplug(host)
        _remove_cgroup(host)

    def _remove(self, host: str) -> None:
        self._halt(host)
        folder = self.host_folder(host)
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():  # a file of the engine went while the folder was being read
            shutil.rmtree(folder)

    def _purge_leftovers(self) -> None:
        """What a lab of this prefix left whose state was lost: inits by command line, then names."""
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and _boots_into(process / "cmdline", self.folder):
                os.kill(int(process.name), signal.SIGKILL)
        for name in network_namespaces():
            if name.startswith(self.prefix) and name[len(self.prefix) :].isdigit():
                self._remove(name)

    def _status_of(self, host: str) -> HostStatus:
        init = self.init_pid(host)
        record = self._record.hosts[host]
        return HostStatus(
            host=host,
            ip=record.ip,
            is_on=init is not None,
            init=init,
            engine_answers=bool(init and record.engine.program and self.engine(host).answers()),
            socket=str(self.socket_path(host)),
            folder=str(self.host_folder(host)),
            netns=f"/run/netns/{host}",
        )


def _each(work: Callable[[str], T], hosts: Iterable[str]) -> list[T]:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(work, hosts))


def _cgroup(host: str) -> str:
    return f"/swarmlab-{host}"


def _remove_cgroup(host: str) -> None:
    root = Path("/sys/fs/cgroup")
    # Version 1 has a tree per controller, version 2 one.
    for top in (*root.glob(f"*/swarmlab-{host}"), root / f"swarmlab-{host}"):
        for _ in range(20):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # not yet empty
                    Path(folder).rmdir()
            if not top.exists():
                break
            time.sleep(0.05)


def _boots_into(command_line: Path, folder: Path) -> bool:
    """Whether a process is a host's init of the lab in `folder`."""
    try:
        words = command_line.read_bytes().split(b"\0")
        if len(words) < 6 or b"tools.lab.host import main" not in words[4]:
            return False
        boot: Boot = Boot.decoded(words[5].decode())
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return Path(boot.folder).parent == folder
