"""What becomes a host: builds its namespaces and mounts, then stays as its PID 1.

Two programs, both started by `lab` and `engine` through `shell.program`: `main` builds the host,
forks its init and leaves `init.json` in the host's folder; `start_engine`, run inside a host, starts
its dockerd.
"""

import contextlib
import json
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
    MS_BIND,
    MS_MOVE,
    MS_PRIVATE,
    MS_REC,
    mount,
    set_hostname,
    setns,
    start_time,
    unshare,
)
from tools.lab.records import Boot

#: Files of the machine's own engine that no host may see.
_NOT_OURS = ("key.json", "daemon.json")
#: The docker CLI's variables, which a daemon's children need not inherit.
_CLI_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
#: Orphans that end are noticed by SIGCHLD; this is the pause after which init looks anyway.
_REAP_S = 5.0


def main() -> None:
    """Become the host that argv describes: returns nothing, ends when its init has been forked."""
    boot = Boot.decoded(sys.argv[1])
    setns(boot.netns, CLONE_NEWNET)
    unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)
    _mount_all(Path(boot.folder))
    _write_etc(boot)
    set_hostname(boot.name)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        # Written by the parent, which still sees the outer /proc.
        init = json.dumps({"pid": pid, "start": start_time(pid)})
        beside = Path(boot.folder, "init.tmp")
        beside.write_text(init)
        beside.rename(Path(boot.folder, "init.json"))
        os._exit(0)
    os.close(write_end)
    os.read(read_end, 1)  # until the parent has written its file and gone
    os.close(read_end)
    _be_init(boot)


def start_engine() -> None:
    """Start dockerd inside this host, detached: it is re-parented to the host's init."""
    boot = Boot.decoded(sys.argv[1])
    engine = boot.engine
    with contextlib.suppress(FileNotFoundError):
        Path("/run/docker.pid").unlink()
    argv = [
        engine.program,
        *("--data-root", f"{boot.folder}/docker"),
        *("--exec-root", "/run/docker"),
        *("--pidfile", "/run/docker.pid"),
        *("-H", "unix:///run/docker.sock"),
        *("--cgroup-parent", boot.cgroup),
        *("--log-level", engine.log_level),
        *engine.arguments,
    ]
    folder = str(Path(engine.program).parent)
    path = f"{folder}:{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    # What an engine that is killed leaves in its temporary folder goes with the host.
    temporary = Path(boot.folder, "tmp")
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "PATH": path, "TMPDIR": str(temporary)}
    for name in _CLI_VARIABLES:
        environment.pop(name, None)
    log = os.open(
        f"{boot.folder}/dockerd.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
    )
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    streams = [(os.POSIX_SPAWN_DUP2, null, 0)]
    streams += [(os.POSIX_SPAWN_DUP2, log, stream) for stream in (1, 2)]
    os.posix_spawn(argv[0], argv, environment, setsid=True, file_actions=streams)
    os.close(log)
    os.close(null)


def _mount_all(folder: Path) -> None:
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # /sys of this network namespace, but with the machine's cgroup tree, which dockerd needs.
    cgroups = str(folder / "cg")
    mount("/sys/fs/cgroup", cgroups, flags=MS_BIND | MS_REC)
    mount("sysfs", "/sys", "sysfs")
    mount(cgroups, "/sys/fs/cgroup", flags=MS_MOVE)
    layers = f"lowerdir=/etc,upperdir={folder}/etc,workdir={folder}/etcwork"
    mount("overlay", "/etc", "overlay", data=layers)
    mount(str(folder / "run"), "/run", flags=MS_BIND)


def _write_etc(boot: Boot) -> None:
    # The machine's engine id and daemon.json are not this host's: a whiteout in the overlay hides
    # them.  What a host writes there itself is kept over a poweroff.
    for name in _NOT_OURS:
        if not os.path.lexists(f"{boot.folder}/etc/docker/{name}"):
            with contextlib.suppress(FileNotFoundError):
                Path("/etc/docker", name).unlink()
    texts = {"hostname": boot.name + "\n", "hosts": boot.hosts, "resolv.conf": boot.resolver}
    for name, text in texts.items():
        path = Path("/etc", name)
        if path.is_symlink():
            path.unlink()
        path.write_text(text)


def _be_init(boot: Boot) -> None:
    """PID 1: adopt and reap orphans until killed."""
    mount("proc", "/proc", "proc")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if boot.engine.program:
        start_engine()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        signal.sigtimedwait([signal.SIGCHLD], _REAP_S)
