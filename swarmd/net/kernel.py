"""The Kernel port of production: `ip`, `bridge`, `nft` and `iptables` as child processes.

A process per transaction costs about 20 ms; what calls this is written so that a quiet node makes a
handful of them in half a minute and a change makes a handful more.  At most a few run at once, each
is bounded in time, and each is killed with the call that waits for it.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

from swarmd.net.netlink import links_gone
from swarmd.ports import Seconds

#: Longest that a command may take; a table of thousands of rules takes a tenth of a second.
_COMMAND_S = 30.0
#: Commands at once: more only make each other slower, and the daemon with them.
_PROCESSES = 4


class LinuxKernel:
    """`ports.Kernel` on this machine: in the network namespace that the daemon runs in."""

    def __init__(self, *, command_s: Seconds = _COMMAND_S) -> None:
        self._command_s = command_s
        self._slots = asyncio.Semaphore(_PROCESSES)
        self._threads = ThreadPoolExecutor(_PROCESSES, thread_name_prefix="kernel")

    async def nft(self, text: str, *, pid: int = 0) -> None:
        """All of `text` or nothing of it.  Raises ProcessLookupError if the process is gone."""
        if not pid:
            await self._checked("nft", "-f", "-", text=text)
            return
        _check_elsewhere(pid)
        try:
            await self._checked("nsenter", "-t", str(pid), "-n", "--", "nft", "-f", "-", text=text)
        except OSError:
            _check_elsewhere(pid)  # it may have ended since: then that is the error
            raise

    async def ip(self, lines: Sequence[str]) -> None:
        """All lines are tried, in order; one that failed is named in the OSError."""
        await self._batch("ip", lines)

    async def bridge(self, lines: Sequence[str]) -> None:
        """Likewise."""
        await self._batch("bridge", lines)

    async def output(self, *argv: str) -> str:
        """Standard output; OSError with the command's own words if it fails."""
        return await self._checked(*argv)

    async def run(self, *argv: str) -> int:
        """The exit status, whatever it is.  OSError if there is no such program."""
        status, _, _ = await self._process(argv, "")
        return status

    async def sysctl(self, name: str, value: str) -> None:
        """`net/ipv4/conf/swb4096/rp_filter`; what this kernel does not have is left out."""
        _write_setting(Path("/proc/sys", name), value)

    def hold_port(self, protocol: str, port: int) -> socket.socket:
        """A TCP socket that does not listen: the system refuses connections as if there were none."""
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        held = socket.socket(socket.AF_INET, kind)
        try:
            held.bind(("0.0.0.0", port))  # noqa: S104  nothing is served there
        except OSError:
            held.close()
            raise
        return held

    async def links_gone(self) -> AsyncGenerator[str, None]:
        """By rtnetlink, without a process."""
        async with aclosing(links_gone()) as names:
            async for name in names:
                yield name

    async def _batch(self, tool: str, lines: Sequence[str]) -> None:
        if lines:
            await self._checked(tool, "-force", "-batch", "-", text="\n".join(lines) + "\n")

    async def _checked(self, *argv: str, text: str = "") -> str:
        status, output, words = await self._process(argv, text)
        if status:
            raise OSError(f"{' '.join(argv)}: {words.strip() or f'status {status}'}")
        return output

    async def _process(self, argv: Sequence[str], text: str) -> tuple[int, str, str]:
        """(exit status, output, error output).  Raises TimeoutError, an OSError, if it takes too long."""
        command = _Command(argv, text)
        async with self._slots:
            running = asyncio.get_running_loop().run_in_executor(self._threads, command.run)
            try:
                async with asyncio.timeout(self._command_s):
                    return await asyncio.shield(running)
            except TimeoutError as error:
                raise TimeoutError(f"{' '.join(argv)}: no end in {self._command_s} s") from error
            finally:
                if not running.done():
                    command.kill()
                    await asyncio.wait([running])


class _Command:
    """One command in a thread of its own, which its caller may end.

    Both of asyncio's loops lose a child whose start is cancelled, and uvloop raises a RuntimeError
    when a command ends before it has read its input; `subprocess` has neither weakness, and it does
    not copy the daemon's page tables to start a child.
    """

    def __init__(self, argv: Sequence[str], text: str) -> None:
        self._argv, self._text = argv, text
        self._lock = threading.Lock()
        self._is_wanted = True
        self._process: subprocess.Popen[str] | None = None

    def run(self) -> tuple[int, str, str]:
        """Blocks until it has ended."""
        with self._lock:
            if not self._is_wanted:
                return -signal.SIGKILL, "", ""
            self._process = self._start()
        output, words = self._process.communicate(self._text)
        return self._process.returncode, output, words

    def _start(self) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(
                self._argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace"
            )
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self._argv[0]} is not installed") from error

    def kill(self) -> None:
        """It does not start, or ends at once."""
        with self._lock:
            self._is_wanted = False
            if self._process is not None:
                self._process.kill()


def _check_elsewhere(pid: int) -> None:
    """Raises ProcessLookupError if a process is gone, or is in this network namespace.

    The number of a process that has ended is given to another, and a container's table would take
    the place of the host's.
    """
    try:
        theirs = Path(f"/proc/{pid}/ns/net").stat().st_ino
    except FileNotFoundError as error:
        raise ProcessLookupError(f"process {pid} is gone") from error
    if theirs == Path("/proc/self/ns/net").stat().st_ino:
        raise ProcessLookupError(f"process {pid} is not in a container's network")


def _write_setting(path: Path, value: str) -> None:
    """A file of /proc: no disk is waited for."""
    with contextlib.suppress(FileNotFoundError):
        path.write_text(value)
