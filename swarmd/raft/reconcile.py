"""Log and snapshot brought in line after a start: a crash may lie between writing one and the other."""

from swarmd.raft.image import Head
from swarmd.raft.interface import CorruptError
from swarmd.raft.records import Log


def reconcile(log: Log, head: Head | None, keep_entries: int) -> None:
    """Make the log begin at, in front of, or behind the end of the snapshot, as it should.

    If the log holds the snapshot's last entry, what follows is ours and may have been acknowledged:
    it stays.  If it ends before, or holds another entry there, the snapshot was received and the
    log begins anew with it.  Raises CorruptError if entries between the two are missing.
    """
    if head is None:
        if log.entries and log.first_index > 1:
            raise CorruptError(
                f"the journal begins with entry {log.first_index}, without a snapshot"
            )
        return
    log.membership.rebase(head.index, head.configuration)
    if log.entries and log.first_index > head.index:
        raise CorruptError(
            f"entries {head.index + 1} to {log.first_index - 1} are in neither journal nor snapshot"
        )
    if log.entries and log.term_at(head.index) == head.term:
        log.deleteEntriesTo(max(0, head.index - log.first_index - 1 - keep_entries))
        return
    log.clear()
    log.add(*head.previous)
    log.add(*head.last)
