"""The Kernel port of production: `ip`, `bridge`, `nft` and `iptables` as child processes.

A process per transaction costs about 20 ms; what calls this is written so that a quiet node makes a
handful of them in half a minute and a change makes a handful more.  At most a few run at once, each
is bounded in time, and each is killed with the call that waits for it.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
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

    async def nft(self, text: str, *, pid: int = 0) -> None:
        """All of `text` or nothing of it.  A process that is gone is an OSError like any other."""
        enter = ("nsenter", "-t", str(pid), "-n", "--") if pid else ()
        await self._checked(*enter, "nft", "-f", "-", text=text)

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
        pipe = asyncio.subprocess.PIPE
        async with self._slots:
            with _memory_file(text) as stdin:
                try:
                    process = await asyncio.create_subprocess_exec(
                        *argv, stdin=stdin, stdout=pipe, stderr=pipe
                    )
                except FileNotFoundError as error:
                    raise FileNotFoundError(f"{argv[0]} is not installed") from error
            try:
                async with asyncio.timeout(self._command_s):
                    output, words = await process.communicate()
            except TimeoutError as error:
                raise TimeoutError(f"{' '.join(argv)}: no end in {self._command_s} s") from error
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
        assert process.returncode is not None
        return process.returncode, output.decode(errors="replace"), words.decode(errors="replace")


@contextlib.contextmanager
def _memory_file(text: str) -> Iterator[int]:
    """What a command reads, whole before it starts.

    A pipe would have to be written while the command runs, and uvloop raises a RuntimeError when the
    command has ended before that.
    """
    descriptor = os.memfd_create("swarmd")
    try:
        os.write(descriptor, text.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _write_setting(path: Path, value: str) -> None:
    """A file of /proc: no disk is waited for."""
    with contextlib.suppress(FileNotFoundError):
        path.write_text(value)
