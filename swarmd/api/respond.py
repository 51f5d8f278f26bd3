"""Answers in Docker's form: JSON with a newline at its end, errors as `{"message": ...}`."""

from collections.abc import AsyncGenerator

import msgspec

from swarmd.api.message import Response
from swarmd.errors import SwarmError
from swarmd.wire.errors import message_of, status_of

_JSON = {"Content-Type": "application/json"}


def json(value: object, *, status: int = 200) -> Response:
    """Anything that msgspec encodes; `msgspec.Raw` for what is JSON already."""
    return Response(status=status, headers=_JSON, body=msgspec.json.encode(value) + b"\n")


def encoded(body: bytes, *, status: int = 200) -> Response:
    """JSON that `wire` has made."""
    return Response(status=status, headers=_JSON, body=body.rstrip(b"\n") + b"\n")


def empty(status: int = 200) -> Response:
    """No body: what Docker answers to an update or a removal."""
    return Response(status=status)


def stream(body: AsyncGenerator[bytes, None], content_type: str) -> Response:
    """A body of unknown length, sent as it comes."""
    return Response(headers={"Content-Type": content_type}, body=body)


def error(status: int, message: str) -> Response:
    """A refusal in the client's form."""
    return json({"message": message}, status=status)


def refusal(problem: SwarmError) -> Response:
    """The answer to a request that raised `problem`."""
    return error(status_of(problem), message_of(problem))
