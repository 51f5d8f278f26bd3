"""Notes: what a compose file says and swarmd does not do, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How the deployed service differs from what was written."""

    #: has no meaning in a swarm, or none here; the service runs as it would without the key
    IGNORED = "ignored"
    #: would change the container, but services of a swarm cannot have it (Docker's list)
    UNSUPPORTED = "unsupported"
    #: Docker's list of keys that are only accepted for old files
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True)
class Note:
    """One key that has no effect, or another than it would elsewhere."""

    severity: Severity
    file: str
    #: counted from 1
    line: int
    #: short name; empty for keys outside services
    service: str
    #: dotted, below the service if there is one
    key: str
    #: why
    text: str

    def __str__(self) -> str:
        where = f"service {self.service}: " if self.service else ""
        return f"{self.file}:{self.line}: {where}{self.key} ({self.severity}): {self.text}"
