"""Services: a spec, and what the cluster makes of it."""

from enum import StrEnum

from swarmd.model.base import Record
from swarmd.model.ids import NetworkID, ServiceID, TaskID, Version
from swarmd.model.meta import Meta
from swarmd.model.spec import PortConfig, ServiceSpec
from swarmd.ports import Timestamp


class UpdateState(StrEnum):
    """Docker's words for the progress of an update."""

    UPDATING = "updating"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLBACK_STARTED = "rollback_started"
    ROLLBACK_PAUSED = "rollback_paused"
    ROLLBACK_COMPLETED = "rollback_completed"

    @property
    def is_paused(self) -> bool:
        """Nothing more happens before the spec changes."""
        return self in (UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED)

    @property
    def is_under_way(self) -> bool:
        """Slots are being replaced or watched."""
        return self in (UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED)


class UpdateStatus(Record, frozen=True, kw_only=True):
    """How far an update is."""

    state: UpdateState
    started_at: Timestamp = 0
    completed_at: Timestamp = 0
    message: str = ""
    #: slots that were dirty when the update began: the denominator of the failure ratio
    slots: int = 0
    #: tasks of this update that failed, in the order in which they were counted
    failed_tasks: tuple[TaskID, ...] = ()


class VirtualIP(Record, frozen=True, kw_only=True):
    """A service's address in one network, without prefix length."""

    network_id: NetworkID
    address: str


class Service(Record, frozen=True, kw_only=True):
    """One service.  Its specs are stored beside it, by version."""

    id: ServiceID
    #: the spec's name, for the index
    name: str
    meta: Meta = Meta()
    #: which spec is in force: a key of the table of specs
    spec_version: Version
    previous_spec_version: Version | None = None
    update_status: UpdateStatus | None = None
    #: the ports of the spec with published ports filled in
    ports: tuple[PortConfig, ...] = ()
    virtual_ips: tuple[VirtualIP, ...] = ()
    #: credentials for pulling, as received in X-Registry-Auth; never shown
    registry_auth: str = ""


class StoredSpec(Record, frozen=True, kw_only=True):
    """One version of a service's spec; shared by all tasks made from it."""

    service_id: ServiceID
    version: Version
    spec: ServiceSpec
