"""What the lab remembers: a JSON file per lab, read and written under the lab's lock."""

import json
from pathlib import Path
from typing import NamedTuple

from tools.lab.linux import start_time

DEFAULT_SUBNET = "10.77.0.0/24"


class EngineOptions(NamedTuple):
    """Which dockerd a host runs, if any."""

    #: path of the program; its folder goes first in its PATH.  Empty: this host has no engine
    program: str = ""
    arguments: tuple[str, ...] = ()
    #: imported when the engine has come up; empty = none
    image: str = "busybox"
    log_level: str = "info"


class HostRecord(NamedTuple):
    """One host, on or off."""

    ip: str
    engine: EngineOptions


class LabRecord(NamedTuple):
    """One lab."""

    hosts: dict[str, HostRecord]
    subnet: str = DEFAULT_SUBNET
    mtu: int = 1500
    #: directed pairs of hosts that do not hear each other: (from, to)
    cuts: tuple[tuple[str, str], ...] = ()


class Boot(NamedTuple):
    """All that a host's init needs to know, passed on its command line as JSON."""

    name: str
    #: the host's folder: run, etc, docker, logs
    folder: str
    netns: str
    cgroup: str
    #: texts of /etc/hosts and /etc/resolv.conf
    hosts: str
    resolver: str
    engine: EngineOptions

    def encoded(self) -> str:
        """As `decoded` reads it."""
        return json.dumps({**self._asdict(), "engine": self.engine._asdict()})

    @classmethod
    def decoded(cls, text: str) -> "Boot":
        """Raises ValueError or TypeError if it is not one."""
        fields = json.loads(text)
        return cls(**{**fields, "engine": _engine(fields["engine"])})


def load(path: Path) -> LabRecord:
    """The lab's record; an empty one if there is none yet."""
    try:
        fields = json.loads(path.read_text())
    except FileNotFoundError:
        return LabRecord(hosts={})
    hosts = {
        name: HostRecord(ip=host["ip"], engine=_engine(host["engine"]))
        for name, host in fields["hosts"].items()
    }
    cuts = tuple((a, b) for a, b in fields["cuts"])
    return LabRecord(hosts=hosts, subnet=fields["subnet"], mtu=fields["mtu"], cuts=cuts)


def save(path: Path, record: LabRecord) -> None:
    """Replace the record as a whole."""
    hosts = {
        name: {"ip": host.ip, "engine": host.engine._asdict()}
        for name, host in record.hosts.items()
    }
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({**record._asdict(), "hosts": hosts}, indent=1))
    beside.rename(path)


def running_init(folder: Path) -> int | None:
    """PID, as seen from outside, of the init of the host in `folder`; None when the host is off."""
    try:
        init = json.loads((folder / "init.json").read_text())
    except (OSError, ValueError):
        return None
    pid = int(init["pid"])
    return pid if start_time(pid) == init["start"] else None


def _engine(fields: dict[str, object]) -> EngineOptions:
    arguments = fields["arguments"]
    assert isinstance(arguments, list)
    return EngineOptions(
        program=str(fields["program"]),
        arguments=tuple(str(argument) for argument in arguments),
        image=str(fields["image"]),
        log_level=str(fields["log_level"]),
    )
