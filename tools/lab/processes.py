"""Daemons in a host, from outside: found by their command lines, and ended."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

from tools.lab.linux import start_time


def find(init: int | None, is_wanted: Callable[[Collection[bytes]], bool]) -> int | None:
    """PID, as seen from this machine, in the host of an init; None if it is not there, or off.

    `is_wanted` judges the words of a command line.
    """
    if init is None:
        return None
    namespace = Path(f"/proc/{init}/ns/pid").readlink()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended meanwhile
            is_here = (process / "ns/pid").readlink() == namespace
            if is_here and is_wanted((process / "cmdline").read_bytes().split(b"\0")):
                return int(process.name)
    return None


def end(pid: int, number: signal.Signals, longest_s: float) -> bool:
    """Send a signal and wait until the process is gone; False if it takes longer."""
    began = start_time(pid)
    os.kill(pid, number)
    deadline = time.perf_counter() + longest_s
    while start_time(pid) == began:
        if time.perf_counter() > deadline:
            return False
        time.sleep(0.01)
    return True
