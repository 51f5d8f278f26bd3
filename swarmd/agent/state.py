"""The agent's files: written whole, read with suspicion.

`agent/assignments` and `agent/tasks`, msgpack.  A file that cannot be read is set aside under its
name with `.unreadable` behind it and the agent goes on without: a manager sends the assignments
again, the containers are found by their labels, and until a complete set has come nothing is
removed.  A file of another cluster, or of a later format, is treated alike but for the words: it
would be wrong to act on it.  What the disk refuses (full, broken) is an OSError for the caller.
"""

import logging
from typing import TypeVar

import msgspec

from swarmd.agent.records import FORMAT, Saved, SavedAssignments, SavedMemories
from swarmd.errors import StateError
from swarmd.model.ids import ClusterID
from swarmd.ports import Disk

log = logging.getLogger(__name__)

ASSIGNMENTS_FILE = "agent/assignments"
MEMORIES_FILE = "agent/tasks"

_File = TypeVar("_File", SavedAssignments, SavedMemories)


def load(disk: Disk, cluster_id: ClusterID) -> Saved:
    """What the last process of this cluster left.  Blocks; raises OSError."""
    return Saved(
        assignments=_read(disk, ASSIGNMENTS_FILE, SavedAssignments, cluster_id),
        memories=_read(disk, MEMORIES_FILE, SavedMemories, cluster_id),
    )


class Writer:
    """Writes what changed since the last write.  Blocks; raises OSError."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        #: as last written by this process
        self._written: dict[str, bytes] = {}

    def write(self, saved: Saved) -> None:
        """Both files, the assignments first: a memory without its task is of no use."""
        if saved.assignments is not None:
            self._replace(ASSIGNMENTS_FILE, msgspec.msgpack.encode(saved.assignments))
        if saved.memories is not None:
            self._replace(MEMORIES_FILE, msgspec.msgpack.encode(saved.memories))

    def _replace(self, name: str, data: bytes) -> None:
        if self._written.get(name) != data:
            self._written.pop(name, None)
            self._disk.write(name, data)
            self._written[name] = data


def erase(disk: Disk) -> None:
    """Forget everything (the node leaves).  Blocks; raises OSError."""
    for name in disk.list("agent/"):
        disk.delete(name)


def _read(disk: Disk, name: str, kind: type[_File], cluster_id: ClusterID) -> _File | None:
    data = disk.read(name)
    if data is None:
        return None
    try:
        found = msgspec.msgpack.decode(data, type=kind)
        _check(found, cluster_id)
    except (msgspec.DecodeError, UnicodeDecodeError, StateError) as error:
        log.error("state file set aside", extra={"file": name, "reason": str(error)})  # noqa: TRY400 - said once, no trace needed
        disk.rename(name, name + ".unreadable")
        return None
    return found


def _check(found: SavedAssignments | SavedMemories, cluster_id: ClusterID) -> None:
    """Raises StateError if this process must not act on it."""
    if found.format != FORMAT:
        raise StateError(f"it has format {found.format}, this version knows {FORMAT}")
    if found.cluster_id != cluster_id:
        raise StateError(f"it belongs to cluster {found.cluster_id}")
