"""Versions of Docker's API, as negotiated between clients, swarmd and the engine."""

from typing import NamedTuple


class ApiVersion(NamedTuple):
    """Compares as a pair of numbers: 1.9 is older than 1.41."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


#: Docker 20.10.
OLDEST_API = ApiVersion(1, 41)
#: Docker 28.3 to 28.5: the newest whose changes swarmd knows.
NEWEST_API = ApiVersion(1, 51)


def parse_version(text: str) -> ApiVersion | None:
    """The version that "1.43" names; None if it is none."""
    major, _, minor = text.partition(".")
    is_version = text.isascii() and major.isdecimal() and minor.isdecimal()
    return ApiVersion(int(major), int(minor)) if is_version else None
