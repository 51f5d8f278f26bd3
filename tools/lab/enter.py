"""A command inside a host: all its namespaces, its exit status passed on.

A relay process enters the namespaces and forks once, because only a child is born into a PID
namespace.  Signals sent to the relay reach the command; the command dies with the relay.
"""

import os
import signal
import sys
from pathlib import Path

from tools.lab.linux import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    die_with_parent,
    setns,
)
from tools.lab.records import running_init

#: The mount namespace comes last: the paths of the others are this machine's.
_NAMESPACES = (
    ("net", CLONE_NEWNET),
    ("uts", CLONE_NEWUTS),
    ("ipc", CLONE_NEWIPC),
    ("pid", CLONE_NEWPID),
    ("mnt", CLONE_NEWNS),
)
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def main() -> None:
    """`enter FOLDER COMMAND…`: does not return."""
    folder, *command = sys.argv[1:]
    here = Path.cwd()
    init = running_init(Path(folder))
    if init is None:
        sys.exit(f"lab: {Path(folder).name} is off")
    for name, kind in _NAMESPACES:
        setns(f"/proc/{init}/ns/{name}", kind)
    os.chdir(here if here.is_dir() else "/")
    # The host's own engine, not one that the caller's environment names.
    os.environ.pop("DOCKER_HOST", None)
    pid = os.fork()
    if not pid:
        _become(command)
    for number in _FORWARDED:
        signal.signal(number, lambda received, _: os.kill(pid, received))
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)


def _become(command: list[str]) -> None:
    die_with_parent(signal.SIGKILL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127)
