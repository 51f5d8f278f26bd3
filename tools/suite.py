"""The whole test suite, its two halves at once: `python -m tools.suite`, which is `make test`.

The tests on real engines wait most of the time, for engines and containers; the others (units, the
simulator's seeds) do nothing but compute.  Side by side they take as long as the longer half.  What
computes gives way: it gets the processors that the real tests leave idle, so that these do not become
slow, or fail, on its account.

The real tests are watched as they run.  What the others said is shown when they are through, so that
no line comes between.  An interruption, however it comes, is passed on once to each half, which
removes its engines and hosts before it ends.  `pytest tests` runs the same tests one by one.
"""

import argparse
import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from tools.lab.linux import die_with_parent

#: Folders of the tests that have engines; all other tests are the other half.
_REAL = ("tests/real", "tests/compat")
#: What another Python is tried with: everything that needs no engine, and some seeds.
_OTHER = ("-m pytest -q tests/unit tests/house", "-m swarmd.sim --seeds 3")
#: How far the computing half steps back: about a tenth of a processor that both want.
_NICENESS = 10
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Command = Sequence[str]


def main() -> int:
    """Run everything; 0 if all of it passed."""
    parser = argparse.ArgumentParser(prog="suite", description="the whole test suite")
    parser.add_argument("--also", metavar="PYTHON", help="try this Python, too, without engines")
    also = parser.parse_args().also
    pytest = (sys.executable, "-m", "pytest")
    others = [(*pytest, "tests", *(f"--ignore={folder}" for folder in _REAL))]
    if also:
        others += [(also, *shlex.split(words)) for words in _OTHER]
    return asyncio.run(Suite().run((*pytest, *_REAL), others))


class Suite:
    """Two halves: a command in the foreground, and a row of commands that give way to it."""

    def __init__(self) -> None:
        self._running: list[asyncio.subprocess.Process] = []
        self._interrupted = asyncio.Event()

    async def run(self, foreground: Command, others: Iterable[Command]) -> int:
        """0 if every command was run and ended with 0, 1 otherwise."""
        for number in _INTERRUPTIONS:
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt)
        with tempfile.TemporaryFile() as said:
            _tell("two halves at once; this one is shown as it runs, the other at its end")
            async with asyncio.TaskGroup() as group:
                watched = group.create_task(self._run(foreground))
                beside = group.create_task(self._run_each(others, said))
                await watched
                if not beside.done():
                    _tell("the other half goes on; what it says is shown at its end")
            said.seek(0)
            shutil.copyfileobj(said, sys.stdout.buffer)
        has_passed = watched.result() and beside.result()
        _tell("passed" if has_passed else "FAILED")
        return 0 if has_passed else 1

    async def _run_each(self, commands: Iterable[Command], said: IO[bytes]) -> bool:
        """One after another, the next also after a failure; whether all passed."""
        return all([await self._run(command, said) for command in commands])

    async def _run(self, command: Command, said: IO[bytes] | None = None) -> bool:
        """Whether it was run and passed.  `said` takes its output, and then it gives way."""
        if self._interrupted.is_set():
            return False
        _tell(shlex.join(command), said)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # Of a session of its own, it is not interrupted by the terminal and by us: a second
            # interruption would end pytest in the middle of its cleaning up.
            start_new_session=True,
            preexec_fn=_follow if said is None else _give_way,
        )
        self._running.append(process)
        if self._interrupted.is_set():  # while it was made
            _end(process)
        status = await process.wait()
        self._running.remove(process)
        if status:
            _tell(f"status {status}: {shlex.join(command)}", said)
        return status == 0

    def _interrupt(self) -> None:
        """Once: `make` passes on what it gets, and whoever ends a group has told us as well."""
        if not self._interrupted.is_set():
            self._interrupted.set()
            for process in self._running:
                _end(process)


def _end(process: asyncio.subprocess.Process) -> None:
    """As pytest is asked to: it cleans up then."""
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        process.send_signal(signal.SIGINT)


def _follow() -> None:
    """In the new process: it ends with this one, even if this one is killed."""
    die_with_parent(signal.SIGINT)


def _give_way() -> None:
    """In the new process, too: it has the lower priority."""
    _follow()
    os.nice(_NICENESS)
    # Where the kernel weighs sessions (sched_autogroup), niceness counts only within one.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICENESS))


def _tell(words: str, said: IO[bytes] | None = None) -> None:
    """On the terminal, or among what is said beside."""
    if said is None:
        print(f"suite: {words}", flush=True)
    else:
        said.write(f"suite: {words}\n".encode())
        said.flush()


if __name__ == "__main__":
    sys.exit(main())
