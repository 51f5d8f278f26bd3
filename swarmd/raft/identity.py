"""What a disk is: the raft id of its one life, and a journal from the first moment.

A raft id names one life of one disk.  It is drawn at random and never used again, since an emptied
disk under an old id would vote a second time (D13).  For the same reason a disk with an id and
without a journal is refused: the journal exists before the id does.
"""

import errno

from swarmd.errors import StateError
from swarmd.ports import Disk, Random
from swarmd.raft.interface import RaftConfig, RaftID
from swarmd.raft.journalfile import JournalFile, NoSpaceError
from swarmd.raft.membership import founding_entries
from swarmd.raft.records import Log, extend
from swarmd.raft.seal import SALT_BYTES, Sealer

_PREFIX = "raft/"
_NAME = "raft/id"


def read_id(disk: Disk) -> RaftID | None:
    """Whose disk it is; None if nobody's yet.  Blocks; raises OSError, StateError."""
    data = disk.read(_NAME)
    if data is None:
        return None
    text = data.decode("ascii", "replace").strip()
    if not text.isdecimal():
        raise StateError(f"{_NAME} does not hold a raft id")
    return RaftID(text)


def bootstrap(disk: Disk, sealer: Sealer, random: Random, config: RaftConfig) -> RaftID:
    """Found a cluster of which this disk is the one voter.

    Blocks.  Raises StateError if the disk is in use, JournalError, OSError.
    """
    me = _new_id(disk, random)
    log = Log()
    extend(log, founding_entries([me]))
    log.setCurrentTerm(1, None)
    return _create(disk, sealer, random, config, me, log)


def join(disk: Disk, sealer: Sealer, random: Random, config: RaftConfig) -> RaftID:
    """Prepare a disk for a cluster that will add it: it does not campaign until its log names it.

    Blocks.  Raises StateError if the disk is in use, JournalError, OSError.
    """
    return _create(disk, sealer, random, config, _new_id(disk, random), Log())


def wipe(disk: Disk) -> None:
    """End this disk's life as a member, for good.  Blocks; raises OSError."""
    disk.delete(_NAME)
    for name in disk.list(_PREFIX):
        disk.delete(name)


def _new_id(disk: Disk, random: Random) -> RaftID:
    if read_id(disk) is not None:
        raise StateError("this disk is a raft member already")
    wipe(disk)  # what an interrupted call left
    return RaftID(str(int.from_bytes(random.token(8), "big") >> 1))


def _create(
    disk: Disk, sealer: Sealer, random: Random, config: RaftConfig, me: RaftID, log: Log
) -> RaftID:
    journal = JournalFile(
        disk,
        sealer,
        step_bytes=config.journal_step_bytes,
        segment_bytes=config.segment_bytes,
    )
    try:
        journal.write(log.take(), random.token(SALT_BYTES))
    except NoSpaceError as error:
        raise OSError(errno.ENOSPC, "no space left for the raft journal") from error
    finally:
        journal.close()
    disk.write(_NAME, me.encode() + b"\n")
    return me
