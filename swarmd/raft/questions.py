"""Questions to a majority that change nothing: pre-votes (diss. §9.6) and reads (diss. §6.4)."""

from collections.abc import Collection

from swarmd.ports import Seconds
from swarmd.raft.interface import RaftID
from swarmd.raft.membership import Configuration
from swarmd.raft.planted import PLANTED


class Canvass:
    """Asks the voters whether they would vote for us, before a campaign raises the term."""

    def __init__(self, me: RaftID, patience_s: Seconds) -> None:
        self._me, self._patience_s = me, patience_s
        #: the term that we would campaign in, and when we asked; 0 = nothing asked
        self._term, self._asked_at = 0, 0.0
        self._yes: dict[RaftID, None] = {}

    def is_open(self, term: int, now: Seconds) -> bool:
        """Have we asked for this term, and not too long ago?"""
        return self._term == term and now - self._asked_at < self._patience_s

    def ask(self, term: int, now: Seconds) -> None:
        """Begin anew; the caller sends the question to the others."""
        self._term, self._asked_at, self._yes = term, now, {self._me: None}

    def heard(self, term: int, member: RaftID) -> None:
        """A yes."""
        if term == self._term:
            self._yes[member] = None

    def take(self, configuration: Configuration) -> bool:
        """Did a majority say yes?  Then the answers are used up."""
        if not configuration.is_majority(self._yes):
            return False
        self._term = 0
        return True


class _Asked:
    def __init__(self, term: int, index: int, confirmed: Collection[RaftID]) -> None:
        self.term, self.index = term, index
        self.confirmed = dict.fromkeys(confirmed)


class Reads:
    """Reads that wait until a majority has confirmed that we lead."""

    def __init__(self, me: RaftID) -> None:
        self._me = me
        self._last = 0
        self._asked: dict[int, _Asked] = {}

    def ask(self, term: int, commit: int, configuration: Configuration) -> int:
        """A new read's id; the caller sends the question.  The read waits for entry `commit`."""
        self._last += 1
        confirmed: tuple[RaftID, ...] = (self._me,)
        if "read-without-barrier" in PLANTED:
            confirmed += configuration.voters
        self._asked[self._last] = _Asked(term, commit, confirmed)
        return self._last

    def heard(self, read: int, term: int, member: RaftID) -> None:
        """A confirmation."""
        asked = self._asked.get(read)
        if asked is not None and asked.term == term:
            asked.confirmed[member] = None

    def take(
        self, read: int, *, term: int, applied: int, configuration: Configuration
    ) -> bool | None:
        """True: read now.  False: asked in another term.  None: not yet.  An answer is given once.

        `term` is the present one if we lead, otherwise 0.
        """
        asked = self._asked[read]
        if asked.term != term:
            del self._asked[read]
            return False
        if applied < asked.index or not configuration.is_majority(asked.confirmed):
            return None
        del self._asked[read]
        return True

    def drop(self, read: int) -> None:
        """Nobody waits for it any more."""
        self._asked.pop(read, None)
