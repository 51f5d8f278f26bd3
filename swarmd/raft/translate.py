"""Between pysyncobj's dictionaries and typed calls: the object that it takes for its transport.

Outwards every dictionary becomes a call of `Outgoing`; inwards every `deliver_*` becomes the
dictionary that pysyncobj expects.  No rule is here: those are in `guard.py`.
"""
# The names are those of pysyncobj's transport.
# ruff: noqa: N802, N815

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from swarmd.raft.interface import RaftID
from swarmd.raft.membership import Entry
from swarmd.raft.messages import Piece

#: pysyncobj's messages have no type of their own.
_Dict = dict[str, Any]


class _Node(Protocol):
    @property
    def id(self) -> RaftID: ...


class Outgoing(Protocol):
    """What pysyncobj wants to say."""

    def send_entries(
        self, to: RaftID, term: int, previous: tuple[int, int], entries: list[Entry], commit: int
    ) -> None:
        """Entries behind (index, term)."""
        ...

    def send_piece(self, to: RaftID, term: int, piece: Piece | None, commit: int) -> None:
        """A heartbeat to a peer that needs a snapshot."""
        ...

    def send_ack(self, to: RaftID, next_index: int, *, success: bool, reset: bool) -> None:
        """The answer to an append."""
        ...

    def send_request_vote(self, to: RaftID, term: int, last: tuple[int, int]) -> None:
        """`last` is (index, term)."""
        ...

    def send_vote(self, to: RaftID, term: int) -> None:
        """A yes."""
        ...

    def send_timeout_now(self, to: RaftID, term: int) -> None:
        """Take over."""
        ...

    def refuse_forwarded(self, request_id: int | None) -> None:
        """A command that would leave for another leader."""
        ...

    def voters_changed(self) -> None:
        """A voter came or went."""
        ...


class Translator:
    """pysyncobj's transport, as far as it calls one."""

    ready = True

    def __init__(self, outgoing: Outgoing, node: Callable[[RaftID], object]) -> None:
        self._outgoing, self._node = outgoing, node
        self._deliver: Callable[[object, _Dict], None] = lambda _node, _message: None

    # ---- pysyncobj calls ----------------------------------------------------------------------------

    def send(self, node: _Node, message: _Dict) -> bool:
        """True always: what is lost later is lost as on any network."""
        out = self._outgoing
        match message["type"]:
            case "append_entries":
                self._send_append(node.id, message)
            case "next_node_idx":
                out.send_ack(
                    node.id,
                    message["next_node_idx"],
                    success=message["success"],
                    reset=message["reset"],
                )
            case "request_vote":
                last = (message["last_log_index"], message["last_log_term"])
                out.send_request_vote(node.id, message["term"], last)
            case "response_vote":
                out.send_vote(node.id, message["term"])
            case "timeout_now":
                out.send_timeout_now(node.id, message["term"])
            case "apply_command":
                out.refuse_forwarded(message.get("request_id"))
            case kind:
                raise AssertionError(f"pysyncobj sends {kind}")
        return True

    def _send_append(self, to: RaftID, message: _Dict) -> None:
        term, commit = message["term"], message["commit_index"]
        # A single entry above the batch size would be pickled and split wrongly (D17); the bound of
        # commands is below it.
        assert "transmission" not in message
        if "prevLogIdx" in message:
            previous = (message["prevLogIdx"], message["prevLogTerm"])
            self._outgoing.send_entries(to, term, previous, message["entries"], commit)
        else:
            data = message["serialized"]
            self._outgoing.send_piece(to, term, None if data is None else data[0], commit)

    def addNode(self, _node: object) -> None:
        """A voter was added."""
        self._outgoing.voters_changed()

    def dropNode(self, _node: object) -> None:
        """A voter was removed."""
        self._outgoing.voters_changed()

    def setOnMessageReceivedCallback(self, callback: Callable[[object, _Dict], None]) -> None:
        """Where `deliver_*` goes."""
        self._deliver = callback

    def setOnNodeConnectedCallback(self, callback: object) -> None:
        """Not needed: the kernel is told directly."""

    setOnNodeDisconnectedCallback = setOnNodeConnectedCallback
    setOnReadonlyNodeConnectedCallback = setOnNodeConnectedCallback
    setOnReadonlyNodeDisconnectedCallback = setOnNodeConnectedCallback

    def setOnUtilityMessageCallback(self, kind: str, callback: object) -> None:
        """Never called: anybody could remove members with these (D21)."""

    # ---- the guard calls ----------------------------------------------------------------------------

    def deliver_entries(
        self,
        sender: RaftID,
        term: int,
        previous: tuple[int, int],
        entries: Sequence[Entry],
        commit: int,
    ) -> None:
        """An append that fits or is to be rejected."""
        message = {
            "type": "append_entries",
            "term": term,
            "commit_index": commit,
            "entries": entries,
            "prevLogIdx": previous[0],
            "prevLogTerm": previous[1],
        }
        self._deliver(self._node(sender), message)

    def deliver_heartbeat(self, sender: RaftID, term: int, commit: int) -> None:
        """An append that says nothing of the log."""
        message = {"type": "append_entries", "term": term, "commit_index": commit}
        self._deliver(self._node(sender), message)

    def deliver_piece(self, sender: RaftID, term: int, piece: Piece | None, commit: int) -> None:
        """A piece of a snapshot."""
        message = {
            "type": "append_entries",
            "term": term,
            "commit_index": commit,
            "serialized": piece,
        }
        self._deliver(self._node(sender), message)

    def deliver_ack(self, sender: RaftID, next_index: int, *, success: bool, reset: bool) -> None:
        """The answer to an append."""
        message = {
            "type": "next_node_idx",
            "next_node_idx": next_index,
            "success": success,
            "reset": reset,
        }
        self._deliver(self._node(sender), message)

    def deliver_request_vote(self, sender: RaftID, term: int, last: tuple[int, int]) -> None:
        """`last` is (index, term)."""
        message = {
            "type": "request_vote",
            "term": term,
            "last_log_index": last[0],
            "last_log_term": last[1],
        }
        self._deliver(self._node(sender), message)

    def deliver_vote(self, sender: RaftID, term: int) -> None:
        """A yes."""
        self._deliver(self._node(sender), {"type": "response_vote", "term": term})

    def deliver_timeout_now(self, sender: RaftID, term: int) -> None:
        """Take over."""
        self._deliver(self._node(sender), {"type": "timeout_now", "term": term})
