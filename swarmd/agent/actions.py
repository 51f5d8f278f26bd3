"""What the agent's mind asks its hands to do, and what they answer.

An action is one call of the engine, or one wait for the node; a task has at most one in flight.
Every action ends in exactly one outcome, so nothing is assumed about an engine that did not answer:
`Lost` means that the call may or may not have been carried out, and only an inspection tells.
"""

import msgspec

from swarmd.model.spec import ServiceSpec
from swarmd.model.task import Task
from swarmd.ports import Container
from swarmd.wire.container import TaskNetworks


class _Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """An alternative; compared by value, so that transcripts can name it."""


class Pull(_Tagged, frozen=True, kw_only=True):
    """Fetch an image.  The one action that is cut short when its task is no longer wanted."""

    image: str
    #: value of X-Registry-Auth, or empty
    registry_auth: str = ""

    def __repr__(self) -> str:
        """Without the credentials: actions are logged."""
        return f"Pull(image={self.image!r})"


class AwaitNetworks(_Tagged, frozen=True, kw_only=True):
    """Wait until this node's part of the task's networks stands.  Cut short like a pull."""

    task: Task


class Create(_Tagged, frozen=True, kw_only=True):
    """Make the container and its endpoints."""

    task: Task
    spec: ServiceSpec
    networks: TaskNetworks


class Inspect(_Tagged, frozen=True, kw_only=True):
    """Look at the container, by id or name."""

    reference: str


class Start(_Tagged, frozen=True, kw_only=True):
    """Start a container that has never run."""

    container_id: str


class LeadAway(_Tagged, frozen=True, kw_only=True):
    """Wait until no node sends new connections to the task; a bounded time.  May be cut short."""

    task: Task


class Signal(_Tagged, frozen=True, kw_only=True):
    """Ask the container's process to end."""

    container_id: str
    signal: str


class Kill(_Tagged, frozen=True, kw_only=True):
    """End the container's process."""

    container_id: str


class Remove(_Tagged, frozen=True, kw_only=True):
    """Remove the container by force, with its anonymous volumes."""

    container_id: str


Action = Pull | AwaitNetworks | Create | Inspect | Start | LeadAway | Signal | Kill | Remove


class Pulled(_Tagged, frozen=True, kw_only=True):
    """The pull has ended.  An error is the registry's; the create that follows decides."""

    error: str = ""


class NetworksReady(_Tagged, frozen=True, kw_only=True):
    """The node's part of the networks stands; this is how the container joins them."""

    networks: TaskNetworks


class Created(_Tagged, frozen=True, kw_only=True):
    """The container is there, with all its endpoints."""

    container_id: str


class Inspected(_Tagged, frozen=True, kw_only=True):
    """What the engine says; None = there is no such container."""

    container: Container | None


class Done(_Tagged, frozen=True, kw_only=True):
    """A start, signal, kill or removal was carried out; traffic has been led away."""


class Refused(_Tagged, frozen=True, kw_only=True):
    """The engine answered no, or the request could not even be made (status 400)."""

    status: int
    message: str


class Lost(_Tagged, frozen=True, kw_only=True):
    """No answer: unreachable, too late, or cut short.  It may have been carried out."""

    message: str


Outcome = Pulled | NetworksReady | Created | Inspected | Done | Refused | Lost
