"""The guard: sees every message on its way out and in; stamps, corrects, answers or drops.

pysyncobj's own exchange breaks its promises under delayed, doubled or stale messages, and under
what a restart leaves behind.  Each rule here names the defect that it repairs (D-numbers are those
of `tests/unit/raft`) and the section that it follows: "paper" = Ongaro & Ousterhout, *In Search of
an Understandable Consensus Algorithm*, extended; "diss." = Ongaro's dissertation.

No I/O: what is to leave lies in `early` and `late`.  Appends may leave before the own journal is
synced (diss. §10.2.1); everything else is a promise, or an answer to one, and leaves after it.
"""

from collections.abc import Callable
from typing import assert_never

import msgspec

from swarmd.ports import Seconds
from swarmd.raft import messages as m
from swarmd.raft.interface import ContradictionError, RaftConfig, RaftID
from swarmd.raft.kernel import Kernel
from swarmd.raft.membership import Entry
from swarmd.raft.planted import PLANTED
from swarmd.raft.questions import Canvass, Reads
from swarmd.raft.records import Log
from swarmd.raft.transfers import Transfers
from swarmd.raft.translate import Translator

#: (to, message)
Post = tuple[RaftID, m.Message]


class _PeerState:
    """The numbers of one connection to one peer."""

    def __init__(self) -> None:
        #: of the append of theirs that we answer now
        self.answered = 0
        #: our appends up to it were sent before we handled their last reset
        self.reset_handled = 0


class Guard:
    """The filter between the kernel and the world.  `kernel` and `translator` are set right after."""

    kernel: Kernel
    translator: Translator

    def __init__(self, me: RaftID, log: Log, transfers: Transfers, config: RaftConfig) -> None:
        self._me, self._log, self._transfers, self._config = me, log, transfers, config
        #: set by the core before it drives anything
        self.now: Seconds = 0.0
        #: appends: may leave at once
        self.early: list[Post] = []
        #: promises: leave when the journal is synced
        self.late: list[Post] = []
        self.canvass = Canvass(me, config.election_min_s)
        self.reads = Reads(me)
        #: when a message of a present leader last came
        self.leader_heard_at: Seconds = float("-inf")
        #: by peer, since its connection began
        self._peers: dict[RaftID, _PeerState] = {}
        #: number of the last append sent to a peer, over all connections
        self._sent: dict[RaftID, int] = {}
        #: (term, voter) counted since the last campaign
        self._counted: dict[tuple[int, RaftID], None] = {}
        #: bytes handed to the connection of a peer and not yet taken by the kernel; set by the driver
        self.unsent_bytes: Callable[[RaftID], int] = lambda _member: 0
        #: bulk in `early`, by peer
        self._bulk_bytes: dict[RaftID, int] = {}
        #: first entry that was held back from a peer since the last `restore_withheld`
        self._withheld: dict[RaftID, int] = {}
        #: what was encoded last, for the next peer that gets the same
        self._encoded_key = (0, 0, 0)
        self._encoded = m.encode_entries([])

    def connected(self, peer: RaftID) -> None:
        """A new connection: what was said on the one before is void."""
        self._peers[peer] = _PeerState()

    def disconnected(self, peer: RaftID) -> None:
        """It ended."""
        self._peers.pop(peer, None)
        self._transfers.cancel(peer)

    def _peer(self, peer: RaftID) -> _PeerState:
        return self._peers.setdefault(peer, _PeerState())

    # ---- out ------------------------------------------------------------------------------------

    def post(self, to: RaftID, message: m.Message) -> None:
        """Queue a message of our own."""
        self.late.append((to, message))

    def send_entries(
        self, to: RaftID, term: int, previous: tuple[int, int], entries: list[Entry], commit: int
    ) -> None:
        """In pieces, so that a heartbeat does not wait behind a backlog."""
        index, previous_term = previous
        for part in _parts(entries, self._config.piece_bytes):
            is_held = bool(part) and not self.takes_bulk(to)
            if is_held:  # not queued without bound; the heartbeat goes nevertheless
                self._hold_back(to, part[0][1])
            number = self._sent[to] = self._sent.get(to, 0) + 1
            raw = self._encode([] if is_held else part)
            self.early.append((to, m.Append(term, index, previous_term, commit, number, raw)))
            if is_held:
                return
            if part:
                index, previous_term = part[-1][1], part[-1][2]
                self._bulk_bytes[to] = self._bulk_bytes.get(to, 0) + len(bytes(raw))

    def _encode(self, part: list[Entry]) -> msgspec.Raw:
        """Once for all peers: the last entry's index and term name all that is before it."""
        key = (part[0][1], part[-1][1], part[-1][2]) if part else (0, 0, 0)
        if key != self._encoded_key:
            self._encoded_key, self._encoded = key, m.encode_entries(part)
        return self._encoded

    def takes_bulk(self, member: RaftID) -> bool:
        """Is little enough unsent that a heartbeat behind it would still be in time?"""
        unsent = self.unsent_bytes(member) + self._bulk_bytes.get(member, 0)
        return unsent < self._config.unsent_bytes

    def take_early(self) -> list[Post]:
        """What may leave now."""
        posts, self.early = self.early, []
        self._bulk_bytes.clear()
        if "promise-before-sync" in PLANTED:
            posts += self.take_late()
        return posts

    def take_late(self) -> list[Post]:
        """What may leave once the journal of this turn is synced."""
        posts, self.late = self.late, []
        return posts

    def _hold_back(self, to: RaftID, first: int) -> None:
        """Let pysyncobj believe that everything is sent, or its loop would not end, until restored."""
        self._withheld[to] = min(first, self._withheld.get(to, first))
        self.kernel.set_next_index(to, self._log.last_index + 1)

    def restore_withheld(self) -> None:
        """Pysyncobj believes that it has sent what was held back; tell it otherwise."""
        for peer, first in self._withheld.items():
            following = self.kernel.next_index(peer)
            if following is not None and following > first:
                self.kernel.set_next_index(peer, first)
        self._withheld.clear()

    def send_piece(self, to: RaftID, term: int, piece: m.Piece | None, commit: int) -> None:
        """A piece of a snapshot is an append too."""
        number = self._sent[to] = self._sent.get(to, 0) + 1
        self.early.append((to, m.Chunk(term, commit, number, piece)))
        if piece is not None:
            self._bulk_bytes[to] = self._bulk_bytes.get(to, 0) + len(piece.data)
            return
        following = self.kernel.next_index(to)
        assert following is not None
        self._hold_back(to, following)

    def send_ack(self, to: RaftID, next_index: int, *, success: bool, reset: bool) -> None:
        """Pysyncobj's acknowledgement carries no term: one of term 1 would count in term 3 (D4)."""
        kernel = self.kernel
        if reset:
            # Back to what is certainly equal, the committed, not one entry per round trip (D7).
            next_index = min(next_index, kernel.commit + 1)
        number = self._peer(to).answered
        self.late.append((to, m.Ack(kernel.term, number, next_index, success, reset)))

    def send_request_vote(self, to: RaftID, term: int, last: tuple[int, int]) -> None:
        """As it is."""
        self.late.append((to, m.RequestVote(term, *last)))

    def send_vote(self, to: RaftID, term: int) -> None:
        """As it is."""
        self.late.append((to, m.Vote(term)))

    def send_timeout_now(self, to: RaftID, term: int) -> None:
        """As it is."""
        self.late.append((to, m.TimeoutNow(term)))

    def refuse_forwarded(self, request_id: int | None) -> None:
        """Commands are forwarded by the daemon's RPC, where an outcome can be told (D22)."""
        self.kernel.refuse_forwarded(request_id)

    def voters_changed(self) -> None:
        """See `core.Core`, which compares after every call."""

    # ---- our own questions ------------------------------------------------------------------------

    def may_campaign(self) -> bool:
        """True once a majority said that it would vote for us.  Asked at every tick (D10)."""
        kernel, configuration = self.kernel, self._log.membership.current
        if self._me not in configuration.voters and "joiner-campaigns" not in PLANTED:
            return False  # D13: a joiner, or one that was removed
        others = kernel.voters_but_me()
        if not others or "no-prevote" in PLANTED:
            return True
        term = kernel.term + 1
        if self.canvass.is_open(term, self.now):
            return self.canvass.take(configuration)
        self.canvass.ask(term, self.now)
        for peer in others:
            self.post(peer, m.PreVote(term, self._log.last_index, self._log.last_term))
        return False

    def start_read(self) -> int | None:
        """Begin a linearizable read; None until we lead and have applied our first entry (D9)."""
        kernel = self.kernel
        if not kernel.leads:
            return None
        if kernel.commit < kernel.first_own_index() and "read-before-noop" not in PLANTED:
            return None
        read = self.reads.ask(kernel.term, kernel.commit, self._log.membership.current)
        for peer in kernel.voters_but_me():
            self.post(peer, m.Read(kernel.term, read))
        return read

    # ---- in ---------------------------------------------------------------------------------------

    def receive(self, peer: RaftID, message: m.Message) -> None:
        """A message that came over the present connection to `peer`."""
        match message:
            case m.Append():
                self._on_append(peer, message)
            case m.Chunk():
                self._on_chunk(peer, message)
            case m.Ack():
                self._on_ack(peer, message)
            case m.RequestVote() | m.Vote() | m.TimeoutNow():
                self._on_election(peer, message)
            case m.PreVote() | m.PreVoteYes() | m.Behind():
                self._on_prevote(peer, message)
            case m.Read():
                if message.term == self.kernel.term and self.kernel.leader == peer:
                    self.post(peer, m.ReadOk(message.term, message.id))
            case m.ReadOk():
                if message.term == self.kernel.term:
                    self.reads.heard(message.id, message.term, peer)
            case _:
                assert_never(message)

    def _adopt_term(self, peer: RaftID, term: int) -> None:
        """Any message with a higher term makes us a follower of it (paper §5.1).

        A vote request with an impossibly old log does exactly this in pysyncobj, and no more.
        """
        self.translator.deliver_request_vote(peer, term, (-1, -1))

    def _on_prevote(self, peer: RaftID, message: m.PreVote | m.PreVoteYes | m.Behind) -> None:
        kernel = self.kernel
        if isinstance(message, m.PreVoteYes):
            self.canvass.heard(message.term, peer)
        elif isinstance(message, m.Behind):
            if message.term > kernel.term:
                self._adopt_term(peer, message.term)
        elif message.term <= kernel.term:
            self.post(peer, m.Behind(kernel.term))
        elif not kernel.leads and self.now - self.leader_heard_at >= self._config.election_min_s:
            last = (self._log.last_term, self._log.last_index)
            if (message.last_term, message.last_index) >= last:
                self.post(peer, m.PreVoteYes(message.term))

    def _on_election(self, peer: RaftID, message: m.RequestVote | m.Vote | m.TimeoutNow) -> None:
        if isinstance(message, m.TimeoutNow):
            self.translator.deliver_timeout_now(peer, message.term)
        elif isinstance(message, m.Vote):
            self._on_vote(peer, message)
        elif message.term < self.kernel.term:
            self.post(peer, m.Behind(self.kernel.term))
        else:
            last = (message.last_index, message.last_term)
            self.translator.deliver_request_vote(peer, message.term, last)

    def _on_vote(self, peer: RaftID, message: m.Vote) -> None:
        """Pysyncobj counts messages, not voters (D8)."""
        vote = (message.term, peer)
        if "duplicate-votes" not in PLANTED:
            if vote in self._counted or peer not in self._log.membership.current.voters:
                return
            current = self.kernel.term
            self._counted = {old: None for old in self._counted if old[0] >= current}
            self._counted[vote] = None
        self.translator.deliver_vote(peer, message.term)

    def _hear_leader(self, peer: RaftID, term: int, number: int) -> bool:
        """Is this append of a present leader?  An earlier one is told that its term is over."""
        self._peer(peer).answered = number
        if term < self.kernel.term:
            self.send_ack(peer, 0, success=False, reset=False)
            return False
        self.leader_heard_at = self.now
        return True

    def _on_append(self, peer: RaftID, message: m.Append) -> None:
        if not self._hear_leader(peer, message.term, message.number):
            return
        entries = m.decode_entries(message, self._config.max_command_bytes)
        if entries is None:
            return
        log, previous = self._log, (message.prev_index, message.prev_term)
        if log.term_at(previous[0]) != previous[1] or "stale-truncation" in PLANTED:
            # pysyncobj rejects it.
            self.translator.deliver_entries(peer, message.term, previous, entries, message.commit)
            return
        # pysyncobj cuts everything behind prev_index, also what is equal, so a delayed message would
        # cut entries that were acknowledged (D3; paper §5.3: only a conflict deletes).  Leave out
        # what we hold.
        held = 0
        while held < len(entries) and log.term_at(entries[held][1]) == entries[held][2]:
            held += 1
        matched = previous[0] + held
        if held == len(entries) and log.last_index > matched:
            # Behind `matched` nothing is known to be the leader's.
            commit = min(message.commit, matched)
            self.translator.deliver_heartbeat(peer, message.term, commit)
            self.send_ack(peer, matched + 1, success=True, reset=False)
            return
        if log.last_index > matched and matched + 1 <= self.kernel.commit:
            raise ContradictionError(f"leader {peer} contradicts committed entry {matched + 1}")
        matched_term = log.term_at(matched)
        assert matched_term is not None
        self.translator.deliver_entries(
            peer, message.term, (matched, matched_term), entries[held:], message.commit
        )

    def _on_chunk(self, peer: RaftID, message: m.Chunk) -> None:
        if not self._hear_leader(peer, message.term, message.number):
            return
        commit, own_commit = message.commit, self.kernel.commit
        if "snapshot-commits-tail" not in PLANTED:
            # pysyncobj would take the leader's commit index for our own, unverified tail (D5).
            commit = min(commit, own_commit)
        piece = message.piece
        if piece is not None and "snapshot-over-newer-log" not in PLANTED:
            matches = self._log.term_at(piece.index) == piece.term
            if "snapshot-over-matching-log" in PLANTED:
                matches = False
            if piece.index <= own_commit or matches:
                # We hold all of it.  Keep the log behind it: it may have been acknowledged (D6).
                known = max(own_commit, piece.index)
                self.translator.deliver_piece(peer, message.term, None, known)
                self.send_ack(peer, known + 1, success=True, reset=False)
                return
        self.translator.deliver_piece(peer, message.term, piece, commit)

    def _on_ack(self, peer: RaftID, message: m.Ack) -> None:
        kernel = self.kernel
        if message.term > kernel.term:
            self._adopt_term(peer, message.term)
            return
        if message.term < kernel.term and "ack-without-term" not in PLANTED:
            return
        before = kernel.next_index(peer)
        if not kernel.leads or before is None or message.next_index > self._log.last_index + 1:
            return
        following = message.next_index
        if message.reset:
            state = self._peer(peer)
            if message.number <= state.reset_handled:
                return  # caused before we handled an earlier reset (D7)
            state.reset_handled = self._sent.get(peer, 0)
            if "reset-below-match" not in PLANTED:
                # What a peer acknowledged in this term it holds: a lower reset is an old message (D6).
                following = max(following, kernel.match_index(peer) + 1)
        self.translator.deliver_ack(peer, following, success=message.success, reset=message.reset)
        if message.success:
            self._acknowledged(peer, before)

    def _acknowledged(self, peer: RaftID, before: int) -> None:
        """Pysyncobj sets the next index back at each one, and sends again what is in flight (D7)."""
        kernel = self.kernel
        following = kernel.next_index(peer)
        assert following is not None
        if before > following:
            kernel.set_next_index(peer, before)
        if kernel.match_index(peer) >= self._transfers.index:
            self._transfers.cancel(peer)


def _parts(entries: list[Entry], size_bytes: int) -> list[list[Entry]]:
    """Cut where a part reaches the size; no entries are one empty part."""
    parts: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        if size >= size_bytes:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += len(entry[0])
    return parts
