"""What a node keeps on its disk about itself: `node.json` in the state directory, mode 0600.

Written as a whole, durably, before anything is promised that depends on it.  A file that cannot be
read, or was written by a newer version, stops the daemon with a sentence: guessing here would make
a node with a new identity out of an old one.
"""

import msgspec

from swarmd.errors import StateError
from swarmd.model.assignment import ManagerAddress
from swarmd.model.ids import ClusterID, NodeID
from swarmd.model.node import Availability, Role
from swarmd.ports import Credentials, Disk

NAME = "node.json"
FORMAT = 1


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """This node, between two starts of its daemon."""

    format: int = FORMAT
    node_id: NodeID
    cluster_id: ClusterID
    #: the role that the certificate has
    role: Role
    certificate: str
    key: str
    #: PEM of the roots that this node trusts
    trusted: str
    #: "host:port" bound for managers and agents, and as others reach it
    listen_address: str
    advertise_address: str
    #: address for VXLAN; empty = the advertised one
    data_path_address: str = ""
    #: managers last known
    managers: tuple[ManagerAddress, ...] = ()
    gossip_keys: tuple[bytes, ...] = ()
    #: id of this disk among the raft members; empty on a worker
    raft_id: str = ""
    #: key under which journal and snapshots are sealed
    raft_key: bytes = b""
    #: `swarm init` was begun and not acknowledged: at the next start it never happened
    is_founding: bool = False
    #: availability that a joining node asked for
    availability: Availability = Availability.ACTIVE

    @property
    def credentials(self) -> Credentials:
        """What this node shows and trusts."""
        return Credentials(certificate=self.certificate, key=self.key, trusted=self.trusted)

    @property
    def host(self) -> str:
        """The advertised address without its port."""
        return self.advertise_address.rsplit(":", 1)[0]


def load(disk: Disk) -> Identity | None:
    """None if this node is in no swarm.  Raises StateError."""
    content = disk.read(NAME)
    if content is None:
        return None
    try:
        identity = msgspec.json.decode(content, type=Identity)
    except msgspec.DecodeError as error:
        raise StateError(
            f"{NAME} in the state directory cannot be read ({error}): "
            "restore it, or remove the directory and join the swarm anew"
        ) from error
    if identity.format > FORMAT:
        raise StateError(f"{NAME} was written by a newer swarmd: upgrade this one")
    return identity


def save(disk: Disk, identity: Identity) -> None:
    """Durable when it returns."""
    disk.write(NAME, msgspec.json.format(msgspec.json.encode(identity), indent=1))


def wipe(disk: Disk) -> None:
    """Leave the swarm: nothing of it stays, the identity first so that a half wipe is no node."""
    disk.delete(NAME)
    for name in disk.list():
        disk.delete(name)
