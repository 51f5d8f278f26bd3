"""The kernel is the one that was read; and what it would do without its guard.

Stock pysyncobj is run here as it is published, over a loopback, to keep the reasons for the guard
visible: a defect that an upgrade repairs makes its test fail, and then its rule can be looked at.
"""

import collections
import inspect
import pickle
import types
from pathlib import Path

import pysyncobj.config
import pysyncobj.pickle
import pysyncobj.syncobj
import pytest
from pysyncobj import SyncObj, SyncObjConf
from pysyncobj.node import Node
from pysyncobj.transport import Transport

import swarmd.raft
from swarmd.errors import StateError
from swarmd.raft import pinned
from swarmd.raft.interface import RaftConfig
from swarmd.raft.kernel import Kernel
from tests.sim.raft.runs import run


def test_the_installed_text_is_the_one_that_was_read() -> None:
    pinned.check(SyncObj, pysyncobj.config, pinned.VERSION)
    assert pinned.digest(SyncObj, pysyncobj.config) == pinned.SHA256


def test_another_version_is_refused_with_a_sentence() -> None:
    with pytest.raises(StateError, match=r"pysyncobj 0\.3\.18 is installed; swarmd needs"):
        pinned.check(SyncObj, pysyncobj.config, "0.3.18")


def test_another_text_of_the_same_version_is_refused() -> None:
    other = types.ModuleType("config")
    other.__dict__.update(vars(pysyncobj.pickle))
    other.__file__ = pysyncobj.pickle.__file__
    with pytest.raises(StateError, match="was changed"):
        pinned.check(SyncObj, other, pinned.VERSION)
    with pytest.raises(StateError, match="cannot be checked"):
        pinned.check(type("SyncObj", (), {}), pysyncobj.config, pinned.VERSION)


def test_one_module_imports_it() -> None:
    folder = Path(swarmd.raft.__path__[0])
    importers = [
        path.name
        for path in sorted(folder.glob("*.py"))
        if any(
            line.startswith(("import pysyncobj", "from pysyncobj"))
            for line in path.read_text("utf-8").splitlines()
        )
    ]
    assert importers == ["kernel.py"]


def test_no_pickle_is_made_or_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on any wire, not on any disk (D21)."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("pickle was reached")

    for name in ("loads", "dumps", "load", "dump"):
        if hasattr(pysyncobj.pickle, name):
            monkeypatch.setattr(pysyncobj.pickle, name, never)
    assert run(3, 1003, "member crash compact reads").violations == []


def test_a_batch_holds_any_command() -> None:
    """Else pysyncobj would pickle and split it (D17)."""
    with pytest.raises(ValueError, match="batch_bytes"):
        RaftConfig(max_command_bytes=2 << 20, batch_bytes=2 << 20)
    with pytest.raises(ValueError, match="election"):
        RaftConfig(heartbeat_s=0.2)


# ---- stock pysyncobj ---------------------------------------------------------------------------


class Loopback(Transport):  # type: ignore[misc]  # pysyncobj has no types
    def __init__(self, core: SyncObj, me: Node, others: set[Node]) -> None:
        super().__init__(core, me, others)
        self.cluster: Cluster = core.cluster
        self.me = me

    def send(self, node: Node, message: dict[str, object]) -> bool:
        self.cluster.wire.append((self.me.id, node.id, pickle.dumps(message)))
        return True


class Stock(SyncObj):  # type: ignore[misc]  # pysyncobj has no types
    def __init__(self, cluster: "Cluster", me: str, others: list[str], batch_bytes: int) -> None:
        self.cluster = cluster
        self.seen: list[object] = []
        super().__init__(
            Node(me),
            [Node(other) for other in others],
            SyncObjConf(
                autoTick=False, commandsWaitLeader=False, appendEntriesBatchSizeBytes=batch_bytes
            ),
            nodeClass=Node,
            transportClass=Loopback,
        )

    def _SyncObj__doApplyCommand(self, command: bytes) -> None:  # noqa: N802  pysyncobj's name
        if command[0] == 0:
            self.seen.append(command[1:])
        else:
            super()._SyncObj__doApplyCommand(command)


class Cluster:
    def __init__(self, names: str, batch_bytes: int = 1 << 16) -> None:
        self.now = 1000.0
        self.wire: collections.deque[tuple[str, str, bytes]] = collections.deque()
        self.errors: list[str] = []
        self.enter()
        self.members = {
            me: Stock(self, me, [other for other in names.split() if other != me], batch_bytes)
            for me in names.split()
        }
        for me, member in self.members.items():
            for other in self.members:
                if other != me:
                    member._SyncObj__transport._onNodeConnected(Node(other))
        self.run(5)

    def enter(self) -> None:
        Kernel.enter(self.now, lambda low, high: (low + high) / 2 + len(self.wire) / 100)

    def leader(self) -> Stock:
        return next(member for member in self.members.values() if member._isLeader())

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            for member in self.members.values():
                self.now += 0.007
                self.enter()
                member.doTick(0)
                self.deliver()

    def deliver(self) -> None:
        while self.wire:
            sender, receiver, data = self.wire.popleft()
            try:
                self.receive(receiver, sender, pickle.loads(data))
            except Exception as error:
                self.errors.append(type(error).__name__)

    def receive(self, receiver: str, sender: str, message: dict[str, object]) -> None:
        transport = self.members[receiver]._SyncObj__transport
        transport._onMessageReceived(Node(sender), message)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(100, "pysyncobj.syncobj")


def test_stock_applies_a_command_twice_behind_a_version_that_it_does_not_have() -> None:
    """D15.  We neither write nor accept such entries."""
    leader = Cluster("a").leader()
    leader._applyCommand(b"before", None, 0)
    leader._applyCommand(pickle.dumps(5, 2), None, 3)
    leader._applyCommand(b"behind", None, 0)
    leader.cluster.run(3)
    leader._applyCommand(b"later", None, 0)
    leader.cluster.run(3)
    assert leader.seen.count(b"behind") + leader.seen.count(b"later") > 2


def test_stock_cannot_send_an_entry_of_nearly_two_batches() -> None:
    """D17.  Our batches hold any command."""
    cluster = Cluster("a b c", batch_bytes=1000)
    cluster.leader()._applyCommand(bytes(1985), None, 0)
    cluster.run(5)
    assert cluster.errors


def test_stock_cuts_what_it_has_acknowledged_when_an_append_comes_late() -> None:
    """D3.  See `Guard._on_append`."""
    cluster = Cluster("a b c")
    leader = cluster.leader()
    for _ in range(5):
        leader._applyCommand(b"x", None, 0)
    cluster.run(2)
    follower = next(member for member in cluster.members.values() if member is not leader)
    log = follower._SyncObj__raftLog
    last = log[-1][1]
    late = {
        "type": "append_entries",
        "term": leader.raftCurrentTerm,
        "commit_index": 1,
        "entries": [],
        "prevLogIdx": last - 3,
        "prevLogTerm": leader.raftCurrentTerm,
    }
    cluster.receive(follower.selfNode.id, leader.selfNode.id, late)
    assert log[-1][1] == last - 3


def test_stock_counts_an_acknowledgement_of_another_term() -> None:
    """D4.  It carries none: see `Guard.send_ack`."""
    text = inspect.getsource(SyncObj._SyncObj__sendNextNodeIdx)
    assert "'term'" not in text
