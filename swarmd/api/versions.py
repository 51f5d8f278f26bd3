"""Which API versions are offered, and how a path names one.

Offered is what both sides know: at most the engine's and swarmd's own newest, at least the
engine's own oldest.  While the engine has never been seen, Docker's widest range stands in.
"""

import msgspec

from swarmd.engine.version import NEWEST_API, ApiVersion, parse_version
from swarmd.errors import BadRequestError

#: The oldest API that any supported engine still serves (Docker 1.12).
_OLDEST_OFFERED = ApiVersion(1, 24)


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer tells of the engine behind it, as last seen."""

    newest: ApiVersion = NEWEST_API
    oldest: ApiVersion = _OLDEST_OFFERED
    #: its `Server` header; empty before it was seen
    server: str = ""
    os: str = "linux"
    experimental: str = "false"
    #: "1" or "2" (BuildKit); empty before it was seen
    builder: str = ""

    @property
    def offered(self) -> ApiVersion:
        """The newest version that clients may use."""
        return min(self.newest, NEWEST_API)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer."""
        return {
            "Server": self.server or "swarmd",
            "Api-Version": str(self.offered),
            "Ostype": self.os,
            "Docker-Experimental": self.experimental,
        }


def split_version(raw_path: str) -> tuple[ApiVersion | None, str]:
    """`/v1.43/nodes` → (1.43, `/nodes`); `/nodes` → (None, `/nodes`)."""
    if not raw_path.startswith("/v"):
        return None, raw_path
    first, slash, rest = raw_path[2:].partition("/")
    version = parse_version(first)
    return (None, raw_path) if version is None else (version, slash + rest)


def agreed(asked: ApiVersion | None, facts: EngineFacts) -> ApiVersion:
    """The version to answer in.  Raises BadRequestError if it is not offered, in Docker's words."""
    if asked is None:
        return facts.offered
    if asked > facts.offered:
        raise BadRequestError(
            f"client version {asked} is too new. Maximum supported API version is {facts.offered}"
        )
    if asked < facts.oldest:
        raise BadRequestError(
            f"client version {asked} is too old. Minimum supported API version is {facts.oldest}, "
            "please upgrade your client to a newer version"
        )
    return asked
