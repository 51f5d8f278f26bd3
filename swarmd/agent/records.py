"""What the agent keeps on disk, as structs.

Two files, since they change at different times: the assignments (what is wanted) and the memories
(what was seen and decided).  Both name their cluster: a node that left one and joined another must
not act on what the first one wanted.  Unassigned tasks need no file: whatever container of this
cluster is not assigned is found by its label and removed.  Registry credentials are never in them, only which services
need some.
"""

from swarmd.agent.task import Memory
from swarmd.model.base import Record
from swarmd.model.ids import ClusterID, ServiceID
from swarmd.model.service import StoredSpec
from swarmd.model.task import Task

#: Counted up when a reader of the old form would misread the new one.
FORMAT = 1


class SavedAssignments(Record, frozen=True, kw_only=True):
    """The last complete set with all differences since."""

    format: int
    cluster_id: ClusterID
    term: int
    tasks: tuple[Task, ...] = ()
    specs: tuple[StoredSpec, ...] = ()
    #: services whose images are pulled with credentials
    with_credentials: tuple[ServiceID, ...] = ()


class SavedMemories(Record, frozen=True, kw_only=True):
    """What is remembered of each assigned task."""

    format: int
    cluster_id: ClusterID
    memories: tuple[Memory, ...] = ()


class Saved(Record, frozen=True, kw_only=True):
    """Both files; None = there is none, or it cannot be used."""

    assignments: SavedAssignments | None = None
    memories: SavedMemories | None = None
