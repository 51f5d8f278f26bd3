"""Logs as Docker's clients read them: lines in frames, errors in a frame of their own.

A frame: one byte for the stream, three zeros, four for the length, big endian.  A line:
`[time SP][details SP]message`.
Source: moby daemon/server/httputils/write_log_stream.go, pkg/stdcopy.
"""

import struct
from collections.abc import Mapping
from urllib.parse import quote_plus

from swarmd.model.assignment import LogMessage
from swarmd.model.task import Task
from swarmd.wire.times import rfc3339_fixed

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
#: API version from which multiplexed streams say so in their content type.
MULTIPLEXED_SINCE = (1, 42)
#: The stream of errors that come after the 200.
_SYSTEM_ERROR = 3
_HEADER = struct.Struct(">BxxxI")


def frame(stream: int, data: bytes) -> bytes:
    """One frame."""
    return _HEADER.pack(stream, len(data)) + data


def error_frame(message: str) -> bytes:
    """The client prints this as the stream's error."""
    return frame(_SYSTEM_ERROR, f"Error grabbing logs: {message}\n".encode())


def line(message: LogMessage, task: Task | None, *, timestamps: bool, details: bool) -> bytes:
    """A line with what was asked for in front of it."""
    head = ""
    if timestamps:
        head += f"{rfc3339_fixed(message.timestamp)} "
    if details and task is not None:
        head += f"{_details(_context(task))} "
    return head.encode() + message.data


def _context(task: Task) -> Mapping[str, str]:
    """What the client needs to say whose line it is."""
    return {
        "com.docker.swarm.node.id": task.node_id,
        "com.docker.swarm.service.id": task.service_id,
        "com.docker.swarm.task.id": task.id,
    }


def _details(attributes: Mapping[str, str]) -> str:
    pairs = sorted(attributes.items())
    return ",".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs)
