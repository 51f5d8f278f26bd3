"""What can be wrong with a compose file, said with file, line, service and key."""

from swarmd.errors import InvalidArgumentError


class ComposeError(InvalidArgumentError):
    """A compose file cannot be deployed as it is.

    Attributes:
        problem: the sentence without its place, in Docker's words where Docker has them.
        file: the name under which the file was given.
        line: counted from 1.
        service: its short name; empty if the problem belongs to no service.
        key: dotted, below the service if there is one; empty for the file as a whole.
    """

    def __init__(
        self, problem: str, *, file: str, line: int, service: str = "", key: str = ""
    ) -> None:
        super().__init__(f"{file}:{line}: {problem}")
        self.problem = problem
        self.file = file
        self.line = line
        self.service = service
        self.key = key


class NotYetError(ComposeError):
    """The file is sound, but uses what this version of swarmd does not carry out (see `notyet`).

    Attributes:
        kind: what that is: `secrets`, `configs`, `rollback` …
    """

    def __init__(self, error: ComposeError, kind: str) -> None:
        super().__init__(
            error.problem, file=error.file, line=error.line, service=error.service, key=error.key
        )
        self.kind = kind
