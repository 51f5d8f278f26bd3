"""Errors as Docker's API says them: the status code and the sentence.

Docker's front end calls a control API over gRPC and passes its refusals on as
"rpc error: code = <Name> desc = <text>"; what the front end itself refuses is plain.  Clients
compare these texts, so the prefix is part of the answer.  The table has a row for each class of
`errors.py`; a subclass without a row of its own takes its parent's.
Source: moby api/server/httpstatus/status.go, errdefs; swarmkit manager/controlapi.
"""

from swarmd.errors import (
    AmbiguousError,
    BadRequestError,
    ConflictError,
    EngineError,
    InvalidArgumentError,
    NameInUseError,
    NoLeaderError,
    NotFoundError,
    NotPermittedError,
    PreconditionError,
    SequenceError,
    SwarmError,
    UnavailableError,
    UnclassifiedError,
    UnknownCodeError,
    UnsupportedError,
    WireError,
)

#: Why a node cannot answer for the cluster: the texts of NotManagerError.
NOT_IN_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect '
    "this node to swarm and try again."
)
IS_WORKER = (
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. "
    "Please run this command on a manager node or promote the current node to a manager."
)
IS_STARTING = (
    "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the "
    "cluster."
)
IS_LOCKED = (
    "Swarm is encrypted and needs to be unlocked before it can be used. Please use "
    '"docker swarm unlock" to unlock it.'
)
HAS_EXPIRED = "Swarm certificates have expired. To replace them, leave the swarm and join again."

#: class → (HTTP status, gRPC code named in the message; empty: the message is plain)
_TABLE: dict[type[SwarmError], tuple[int, str]] = {
    InvalidArgumentError: (400, "InvalidArgument"),
    BadRequestError: (400, ""),
    UnclassifiedError: (500, ""),
    UnknownCodeError: (500, "Unknown"),
    NotFoundError: (404, ""),
    AmbiguousError: (400, ""),
    ConflictError: (409, ""),
    NameInUseError: (409, "AlreadyExists"),
    # Swarmkit's store error has no code of its own, so it arrives as Unknown, which is 500.
    SequenceError: (500, "Unknown"),
    PreconditionError: (400, "FailedPrecondition"),
    NotPermittedError: (403, ""),
    UnsupportedError: (501, "Unimplemented"),
    UnavailableError: (503, ""),
    NoLeaderError: (500, "Unknown"),
    WireError: (500, ""),
    SwarmError: (500, ""),
}


def status_of(error: SwarmError) -> int:
    """The HTTP status.  The engine's own refusals keep theirs; an engine that is away is 503."""
    if isinstance(error, EngineError):
        return error.status or 503
    return _row(error)[0]


def message_of(error: SwarmError) -> str:
    """The sentence for `{"message": ...}`."""
    code = "" if isinstance(error, EngineError) else _row(error)[1]
    return f"rpc error: code = {code} desc = {error}" if code else str(error)


def _row(error: SwarmError) -> tuple[int, str]:
    """Of the nearest class that has one."""
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)
