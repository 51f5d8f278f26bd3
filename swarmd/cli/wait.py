"""Wait until a service runs, and show how far it is.

On a terminal the lines are drawn over each other; elsewhere a line is printed when it changes, so
that a log shows what happened and not how often somebody looked.
"""

import os
import sys
import time
from collections.abc import Sequence

import click

from swarmd.cli.client import Client, filters, path
from swarmd.cli.progress import Line, progress
from swarmd.errors import PreconditionError

_POLL_S = 0.1
#: Of a terminal that does not say how wide it is.
_UNKNOWN_COLUMNS = 80


def wait_on_service(client: Client, service_id: str, *, is_quiet: bool) -> None:
    """Return when the service has converged; at Ctrl-C, say how to go on watching, and return.

    Raises:
        PreconditionError: the update or the rollback was paused.
    """
    display = Display(is_quiet=is_quiet)
    try:
        while not _step(client, service_id, display):
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        display.message("Operation continuing in background.")
        display.message(f"Use `swarmd service ps {service_id}` to check progress.")


def _step(client: Client, service_id: str, display: "Display") -> bool:
    service = client.get(path("services", service_id))
    tasks = client.list("/tasks", filters({"service": [service["ID"]], "_up-to-date": ["true"]}))
    nodes = client.list("/nodes")
    now = progress(service, tasks, nodes)
    if now.error:
        raise PreconditionError(now.error)
    display.show(now.lines)
    if now.is_done:
        is_job = "JobStatus" in service
        display.show(
            (*now.lines, Line("verify", f"Service {service_id} converged")) if not is_job else ()
        )
        if is_job:
            display.message("job complete")
    return now.is_done


class Display:
    """Named lines on standard output."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._is_terminal = sys.stdout.isatty()
        #: name → text, in the order of appearance
        self._shown: dict[str, str] = {}

    def show(self, lines: Sequence[Line]) -> None:
        """Bring the display up to date."""
        changed = [line for line in lines if self._shown.get(line.name) != line.text]
        drawn = len(self._shown)
        self._shown |= {line.name: line.text for line in changed}
        if self._is_quiet or not changed:
            return
        if not self._is_terminal:
            click.echo("".join(f"{str(line).rstrip()}\n" for line in changed), nl=False)
            return
        # A line that wrapped would be two, and the next drawing would start one too low.
        columns = os.get_terminal_size(sys.stdout.fileno()).columns or _UNKNOWN_COLUMNS
        width = max(columns - 1, 20)
        up = f"\x1b[{drawn}A" if drawn else ""
        lines_now = (f"{name}: {text}"[:width] for name, text in self._shown.items())
        text = "".join(f"\r\x1b[2K{line}\n" for line in lines_now)
        click.echo(up + text, nl=False, color=True)

    def message(self, text: str) -> None:
        """A line of its own below the others."""
        if not self._is_quiet:
            click.echo(text)
