"""What a request says, read as Docker's front end reads it, refusals word for word.

Source: moby api/server/httputils/httputils.go, api/types/filters/parse.go.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import msgspec

from swarmd.api.message import Request
from swarmd.errors import BadRequestError

T = TypeVar("T")

#: key → values, in the order given; several values of a key are alternatives (but labels: all)
Filters = Mapping[str, tuple[str, ...]]

_UINT64_END = 2**64
_UINT64_DIGITS = 20

#: What msgspec raises for text that is no JSON, no UTF-8, or nested without end.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def read_json(request: Request, decode: Callable[[bytes], T], absent: T) -> T:
    """The JSON body as `decode` reads it; `absent` for no body, which Docker takes for zeros.

    `decode` raises msgspec.DecodeError (or a subclass) for what it cannot read.
    """
    body = request.body.strip()
    if not body:
        return absent
    _check_content_type(request.header("Content-Type"))
    try:
        return decode(body)
    except UNREADABLE as error:
        if "trailing characters" in str(error):
            raise BadRequestError("unexpected content after JSON") from error
        raise BadRequestError(f"invalid JSON: {error}") from error


def _check_content_type(header: str) -> None:
    """Docker reads a body only if it is said to be JSON; parameters are ignored."""
    media_type = header.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return
    if media_type and not all(media_type.split("/")):
        raise BadRequestError(f"malformed Content-Type header ({header})")
    message = f"unsupported Content-Type header ({header}): must be 'application/json'"
    raise BadRequestError(message)


def read_filters(request: Request, known: Collection[str]) -> Filters:
    """The `filters` of the query.  Raises BadRequestError for what is no filter, or not `known`."""
    filters = parse_filters(request.query.get("filters", ""))
    for key in filters:
        if key not in known:
            raise BadRequestError(f"invalid filter '{key}'")
    return filters


def parse_filters(text: str) -> Filters:
    """`{"key":["v"]}`, or the older `{"key":{"v":true}}`; none for an empty text."""
    if not text:
        return {}
    try:
        given = msgspec.json.decode(text, type=dict[str, list[str] | dict[str, bool] | None])
    except UNREADABLE as error:
        raise BadRequestError("invalid filter") from error
    return {key: tuple(dict.fromkeys(values or ())) for key, values in given.items()}


def filters_text(filters: Filters) -> str:
    """Filters for a query again, in the form that every engine reads."""
    return msgspec.json.encode(filters).decode()


def read_object_version(request: Request, kind: str) -> int:
    """The `version` that an update names: the object's index as its writer has seen it.

    Raises BadRequestError in the words of Go's strconv, which clients show to people.
    """
    text = request.query.get("version", "")
    if text.isascii() and text.isdecimal():
        if len(text.lstrip("0")) <= _UINT64_DIGITS and int(text) < _UINT64_END:
            return int(text)
        reason = "value out of range"
    else:
        reason = "invalid syntax"
    raise BadRequestError(
        f"invalid {kind} version '{text}': strconv.ParseUint: parsing \"{text}\": {reason}"
    )
