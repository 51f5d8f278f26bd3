"""Statuses and sentences, as Docker's clients see them."""

import pytest

from swarmd.errors import (
    AmbiguousError,
    BadRequestError,
    ConflictError,
    EngineError,
    InvalidArgumentError,
    NameInUseError,
    NoLeaderError,
    NoQuorumError,
    NotFoundError,
    NotManagerError,
    NotPermittedError,
    OutcomeUnknownError,
    PreconditionError,
    SequenceError,
    StateError,
    SwarmError,
    UnsupportedError,
    WireError,
)
from swarmd.wire.errors import NOT_IN_SWARM, message_of, status_of

RPC = "rpc error: code = "


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (
            InvalidArgumentError("name must be 63 characters or fewer"),
            400,
            RPC + "InvalidArgument desc = name must be 63 characters or fewer",
        ),
        (BadRequestError("invalid filter 'x'"), 400, "invalid filter 'x'"),
        (NotFoundError("service", "nope"), 404, "service nope not found"),
        (AmbiguousError("node", "a", 2), 400, "node a is ambiguous (2 matches found)"),
        (ConflictError("swarm is not locked"), 409, "swarm is not locked"),
        (
            NameInUseError("service", "web"),
            409,
            RPC + "AlreadyExists desc = name conflicts with an existing object: "
            "service web already exists",
        ),
        (SequenceError(), 500, RPC + "Unknown desc = update out of sequence"),
        (
            PreconditionError("node n is not down and can't be removed"),
            400,
            RPC + "FailedPrecondition desc = node n is not down and can't be removed",
        ),
        (NotPermittedError("no"), 403, "no"),
        (
            UnsupportedError("renaming services is not supported"),
            501,
            RPC + "Unimplemented desc = renaming services is not supported",
        ),
        (
            NoLeaderError(),
            500,
            RPC + "Unknown desc = The swarm does not have a leader. It's possible that too few "
            "managers are online. Make sure more than half of the managers are online.",
        ),
        (NoQuorumError("1 of 3 managers answers"), 503, "1 of 3 managers answers"),
        (NotManagerError(NOT_IN_SWARM), 503, NOT_IN_SWARM),
        (OutcomeUnknownError("it may be written"), 503, "it may be written"),
        (WireError("bad frame"), 500, "bad frame"),
        (StateError("disk full"), 500, "disk full"),
        (EngineError(409, "Conflict"), 409, "Conflict"),
        (EngineError(0, "cannot be reached"), 503, "cannot be reached"),
        (SwarmError("?"), 500, "?"),
    ],
)
def test_every_error_has_dockers_status_and_words(
    error: SwarmError, status: int, message: str
) -> None:
    assert (status_of(error), message_of(error)) == (status, message)
