"""`ip` and friends, and the lab's own small programs."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
COMMAND_S = 60.0


class LabError(Exception):
    """What the lab was asked cannot be done, in words for whoever asked."""


def sh(*argv: str, is_checked: bool = True) -> str:
    """Standard output of a command.  Raises LabError with its own words if it fails and is checked."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    if is_checked and done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)}: status {done.returncode}: {words}")
    return done.stdout


def ip_in(netns: str, *argv: str, is_checked: bool = True) -> str:
    """`ip -n NETNS …`."""
    return sh("ip", "-n", netns, *argv, is_checked=is_checked)


def ip_batch(lines: Sequence[str], netns: str = "") -> None:
    """Many `ip` commands in one process, here or in a network namespace."""
    argv = ["ip", *(["-n", netns] if netns else []), "-batch", "-"]
    text = "\n".join(lines) + "\n"
    done = subprocess.run(
        argv, input=text, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    if done.returncode:
        raise LabError(f"ip -batch ({netns or 'here'}): {done.stderr.strip()}\n{text}")


def network_namespaces() -> set[str]:
    """Those with a name."""
    return {line.split()[0] for line in sh("ip", "netns", "list").splitlines() if line}


def program(module: str, function: str, *argv: str) -> list[str]:
    """The command that runs `tools.lab.<module>.<function>()` in a small interpreter of its own.

    Without site packages and without the caller's Python variables, which its children keep.
    """
    code = (
        f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
        f"from tools.lab.{module} import {function}; {function}()"
    )
    return [sys.executable, "-S", "-E", "-c", code, *argv]
