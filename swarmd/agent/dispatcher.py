"""The agent's side of the leader's dispatcher, as a Protocol.

The daemon implements it over the calls between nodes, tests in memory.  Every method raises a
SwarmError as the leader said it, or ConnectionError when the connection broke; either ends the
session, and the agent connects anew.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from swarmd.errors import SwarmError
from swarmd.model.assignment import (
    Assignments,
    Heartbeat,
    LogBatch,
    LogSubscription,
    SessionMessage,
    SessionRequest,
    StatusReport,
)
from swarmd.model.node import NodeDescription

#: What ends a session; anything else is a bug.
SESSION_ENDS = (SwarmError, ConnectionError, TimeoutError)


class DispatcherClient(Protocol):
    """One connection to the leader."""

    def open(self, request: SessionRequest) -> AsyncIterator[SessionMessage]:
        """Register; the first message names the session.  Ends when the session is over."""
        ...

    async def heartbeat(self, beat: Heartbeat) -> None:
        """Prolong the session, and say whether the engine answers."""
        ...

    async def goodbye(self, beat: Heartbeat) -> None:
        """The agent stops and means to come back."""
        ...

    def assignments(self, session_id: str) -> AsyncIterator[Assignments]:
        """A complete set, then differences."""
        ...

    async def report(self, report: StatusReport) -> None:
        """Returns once it is committed."""
        ...

    async def describe(self, description: NodeDescription) -> None:
        """The node is another than it said when it registered."""
        ...

    def log_subscriptions(self, session_id: str) -> AsyncIterator[LogSubscription]:
        """New and changed ones, and those that ended."""
        ...

    async def publish_logs(self, batch: LogBatch) -> bool:
        """Waits while the reader is slow; False if there is none any more."""
        ...

    async def close(self) -> None:
        """Idempotent; raises nothing."""
        ...
