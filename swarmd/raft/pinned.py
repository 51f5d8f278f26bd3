"""The guard: the layer above knows pysyncobj 0.3.17 line by line, so it starts on no other text.

`kernel.py`, the only importer of pysyncobj, calls `check` when it is imported; a test does so too.
To upgrade: read the difference between the two versions, method by method, take the digest that
the error names, and run everything under `tests/sim/raft` for a night.
"""

import hashlib
import inspect
from types import ModuleType

from swarmd.errors import StateError

VERSION = "0.3.17"

#: Private methods that `Kernel` replaces.
OVERRIDDEN = (
    "_SyncObj__doApplyCommand",
    "_SyncObj__connectedToAnyone",
    "_SyncObj__onBecomeLeader",
    "_SyncObj__changeCluster",
    "_SyncObj__parseChangeClusterRequest",
    "_SyncObj__tryLogCompaction",
    "_SyncObj__loadDumpFile",
)
#: Methods whose behaviour the layer relies on, line by line.
RELIED_ON = (
    "__init__",
    "_onTick",
    "_SyncObj__applyLogEntries",
    "_SyncObj__onMessageReceived",
    "_SyncObj__sendAppendEntries",
    "_SyncObj__sendNextNodeIdx",
    "_SyncObj__doChangeCluster",
    "_SyncObj__updateClusterConfiguration",
    "_SyncObj__getEntries",
    "_SyncObj__deleteEntriesFrom",
    "_SyncObj__setCurrentTerm",
    "_SyncObj__setState",
    "_SyncObj__onLeaderChanged",
    "_SyncObj__onNodeConnected",
    "_SyncObj__onNodeDisconnected",
    "_SyncObj__onReadonlyNodeConnected",
    "_SyncObj__onReadonlyNodeDisconnected",
    "_SyncObj__callErrCallback",
    "_SyncObj__generateRaftTimeout",
    "_applyCommand",
    "_checkCommandsToApply",
    "transferLeadership",
)
#: Attributes that `Kernel` reads or writes by name.
ATTRIBUTES = (
    "_SyncObj__raftLog",
    "_SyncObj__raftNextIndex",
    "_SyncObj__raftMatchIndex",
    "_SyncObj__noopIDx",
    "_SyncObj__transferInProgress",
    "_SyncObj__commandsWaitingReply",
    "_SyncObj__commandsWaitingCommit",
    "_SyncObj__raftLastApplied",
    "_SyncObj__raftCommitIndex",
    "_SyncObj__serializer",
    "_SyncObj__needLoadDumpFile",
)
SHA256 = "a47abab9f01a806549df2ff53a775ef02120ff982d569308cf4ef5793b270e6d"


def digest(core: type, config: ModuleType) -> str:
    """Of the text of every method named above, and of the defaults."""
    sources = [inspect.getsource(getattr(core, name)) for name in OVERRIDDEN + RELIED_ON]
    sources.append(inspect.getsource(config))
    return hashlib.sha256("".join(sources).encode()).hexdigest()


def check(core: type, config: ModuleType, version: str) -> None:
    """Raises StateError if this is not the pysyncobj that the layer was written for."""
    if version != VERSION:
        raise StateError(f"pysyncobj {version} is installed; swarmd needs exactly {VERSION}")
    try:
        text, found = inspect.getsource(core), digest(core, config)
    except (AttributeError, OSError) as error:
        raise StateError(f"pysyncobj {version} cannot be checked: {error}") from error
    missing = [name for name in ATTRIBUTES if f"self.{name.removeprefix('_SyncObj')}" not in text]
    if missing:
        raise StateError(f"pysyncobj {version} was changed: it has no {', '.join(missing)}")
    if found != SHA256:
        raise StateError(
            f"pysyncobj {version} was changed: its core has digest {found}, not {SHA256}; "
            "reinstall it from the package index"
        )
