"""One real engine in a network namespace of its own, and the docker CLI.

The engine is `$SWARMD_TEST_ENGINE/bin/dockerd` (unpacked by `tools/get-engine`; .engine unless it is set).
It has its own data, its own containerd and its own socket; nothing is pulled: the image `busybox`
is made of the machine's static busybox.
"""

import asyncio
import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ENGINE_BIN = (
    Path(os.environ.get("SWARMD_TEST_ENGINE", Path(__file__).parents[2] / ".engine")) / "bin"
)
#: Its own, whatever the machine has: the distributions' are years apart.
DOCKER = str(ENGINE_BIN / "docker")
_START_S = 60.0
_STOP_S = 60.0
_COMMAND_S = 120.0


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output, without the last newline."""
        return self.out.decode().rstrip("\n")


class Cli:
    """The docker CLI against one socket."""

    def __init__(self, socket_path: str, config: str) -> None:
        self._host = f"unix://{socket_path}"
        self._config = config

    async def start(self, *argv: str, tty: bool = False) -> asyncio.subprocess.Process:
        """A docker command with pipes; with `tty`, on a terminal made by script(1)."""
        command = [DOCKER, "-H", self._host, *argv]
        if tty:
            command = ["script", "-qefc", " ".join(command), "/dev/null"]
        pipe = asyncio.subprocess.PIPE
        environment = {
            **os.environ,
            "DOCKER_CONFIG": self._config,
            "DOCKER_BUILDKIT": "0",
            "DOCKER_API_VERSION": "",
        }
        return await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )

    async def __call__(self, *argv: str, data: bytes = b"", tty: bool = False) -> Ended:
        """Run a docker command to its end."""
        process = await self.start(*argv, tty=tty)
        try:
            async with asyncio.timeout(_COMMAND_S):
                out, err = await process.communicate(data)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Ended(process.returncode, out, err)

    async def ok(self, *argv: str, data: bytes = b"") -> str:
        """Its output; a failure is the test's."""
        ended = await self(*argv, data=data)
        assert ended.status == 0, f"docker {' '.join(argv)}: {ended.err.decode()}"
        return ended.text


def busybox_tar() -> bytes:
    """A root file system of a static busybox and its applets."""
    busybox = shutil.which("busybox")
    assert busybox, "apt-get install busybox-static"
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "root"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add(Path(busybox).resolve(), "bin/busybox")
        for applet in sorted(set(applets.stdout.split()) - {"busybox"}):
            info = tarfile.TarInfo(f"bin/{applet}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
        users = b"root:x:0:0:root:/root:/bin/sh\n"
        info = tarfile.TarInfo("etc/passwd")
        info.size = len(users)
        tar.addfile(info, io.BytesIO(users))
    return out.getvalue()


@contextlib.contextmanager
def running_engine() -> Iterator[str]:
    """The socket of an engine with the image busybox; its files are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="eng-", dir="/tmp"))
    socket_path = folder / "docker.sock"
    command = (
        f"ip link set lo up; exec {ENGINE_BIN}/dockerd --data-root {folder}/data "
        f"--exec-root {folder}/exec --pidfile {folder}/pid -H unix://{socket_path}"
    )
    environment = {**os.environ, "PATH": f"{ENGINE_BIN}:{os.environ['PATH']}:/usr/sbin:/sbin"}
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )
    try:
        _await_answer(daemon, socket_path, folder / "log")
        importing = [DOCKER, "-H", f"unix://{socket_path}", "import", "-", "busybox:latest"]
        subprocess.run(importing, input=busybox_tar(), check=True, capture_output=True)
        yield str(socket_path)
    finally:
        daemon.terminate()
        try:
            daemon.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        subprocess.run(["umount", "-R", f"{folder}/exec/netns"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _await_answer(daemon: "subprocess.Popen[bytes]", socket_path: Path, log: Path) -> None:
    """Returns when the engine answers its API."""
    deadline = time.perf_counter() + _START_S
    probe = [DOCKER, "-H", f"unix://{socket_path}", "version"]
    while subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        is_dead = daemon.poll() is not None
        assert not is_dead, log.read_text()[-2000:]
        assert time.perf_counter() < deadline, log.read_text()[-2000:]
