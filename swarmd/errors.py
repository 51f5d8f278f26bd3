"""The exception tree.  The class tells the caller what to do next; `wire.errors` knows status codes.

    SwarmError
    ├── InvalidArgumentError      change the request
    │   ├── BadRequestError       it cannot even be read: refused at the edge
    │   └── UnclassifiedError     the same, but Docker gives it no class and answers 500
    │       └── UnknownCodeError  likewise, said by its control API
    ├── NotFoundError             name another object
    ├── AmbiguousError            give more of the id
    ├── ConflictError             something else is in the way
    │   ├── NameInUseError        choose another name
    │   └── SequenceError         read the object again, then retry
    ├── PreconditionError         change the cluster first (Docker's FailedPrecondition)
    ├── NotPermittedError         ask with another identity
    ├── UnsupportedError          this version cannot do it (Docker's Unimplemented)
    ├── UnavailableError          try again later, or elsewhere
    │   ├── NoLeaderError         no manager leads at the moment
    │   ├── NoQuorumError         too few managers are online
    │   ├── NotManagerError       ask a manager
    │   └── OutcomeUnknownError   it may have happened: retry with the same request id
    ├── WireError                 the peer sent what nobody can read
    ├── EngineError               the local Docker Engine refused; carries its status and message
    └── StateError                this daemon's own files or environment: mend them, then start again

Errors carry parts; `str()` makes the sentence, in Docker's words where Docker has them.
"""


class SwarmError(Exception):
    """Everything swarmd raises on purpose."""


class InvalidArgumentError(SwarmError):
    """The request itself is wrong; repeating it unchanged fails again."""


class BadRequestError(InvalidArgumentError):
    """The request cannot be read: its query, headers or JSON.  Said before any control is asked."""


class UnclassifiedError(InvalidArgumentError):
    """The request is wrong, but Docker's front end says so with 500, which clients know."""


class UnknownCodeError(UnclassifiedError):
    """The same, from Docker's control API."""


class NotFoundError(SwarmError):
    """No object answers to `reference`.  Docker's words: "service web not found"."""

    def __init__(self, kind: str, reference: str) -> None:
        super().__init__(f"{kind} {reference} not found")
        self.kind = kind
        self.reference = reference


class AmbiguousError(SwarmError):
    """`reference` is a prefix of several ids."""

    def __init__(self, kind: str, reference: str, count: int) -> None:
        super().__init__(f"{kind} {reference} is ambiguous ({count} matches found)")
        self.kind = kind
        self.reference = reference
        self.count = count


class ConflictError(SwarmError):
    """Another object or another write is in the way."""


class NameInUseError(ConflictError):
    """A name is unique per kind, compared in lower case."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"name conflicts with an existing object: {kind} {name} already exists")
        self.kind = kind
        self.name = name


class SequenceError(ConflictError):
    """The object's spec changed since the version that the client named."""

    def __init__(self) -> None:
        super().__init__("update out of sequence")


class PreconditionError(SwarmError):
    """Well formed, but the cluster is not in a state in which it may be done."""


class NotPermittedError(SwarmError):
    """The caller's identity does not allow it."""


class UnsupportedError(SwarmError):
    """This version does not do it; said instead of ignoring it."""


class UnavailableError(SwarmError):
    """Nobody can do it now; the request is not at fault."""


class NoLeaderError(UnavailableError):
    """No manager leads.  Docker's words."""

    def __init__(self) -> None:
        super().__init__(
            "The swarm does not have a leader. It's possible that too few managers are online. "
            "Make sure more than half of the managers are online."
        )


class NoQuorumError(UnavailableError):
    """This manager leads, but hears too few others to commit."""


class NotManagerError(UnavailableError):
    """This node has no cluster state to answer from."""


class OutcomeUnknownError(UnavailableError):
    """The write may have been applied, or still be.  A retry with the same request id is safe."""


class WireError(SwarmError):
    """A frame, datagram or file that cannot be decoded."""


class EngineError(SwarmError):
    """The local Docker Engine refused a call.

    Attributes:
        status: the HTTP status, or 0 when the engine could not be reached.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @classmethod
    def unreachable(cls, socket_path: str, cause: Exception) -> "EngineError":
        """Nobody answered there; `cause` is what the system said."""
        # An HTTP client wraps the system's few words in many of its own.
        reason = (cause.strerror if isinstance(cause, OSError) else "") or str(cause)
        return cls(0, f"the engine at unix://{socket_path} cannot be reached: {reason}")

    @property
    def is_unreachable(self) -> bool:
        """True when there was no answer at all: nothing is known about the container."""
        return self.status == 0


class StateError(SwarmError):
    """The daemon cannot start or go on: a file, port or privilege of this machine is at fault."""
