"""Members, links and what must never be.

Faults that `runs` makes with it: messages late, links broken and made, members killed with any
prefix of what they had not yet synced, also between sending and syncing, clocks 20 % fast or slow,
compaction, membership changes and transfers at any moment.  `storm`: elections on top of each
other.  `loose`: messages are also reordered, doubled, and survive their connection; TCP does not do
that, an inbox that outlives a connection does.
"""

import collections
import hashlib
import json
import random
from collections.abc import Iterable, Sequence

from swarmd.errors import SwarmError
from swarmd.raft import messages as m
from swarmd.raft.core import Core
from swarmd.raft.guard import Post
from swarmd.raft.interface import RaftConfig, RaftID
from swarmd.raft.kernel import Outcome
from swarmd.raft.membership import Change
from swarmd.raft.planted import PLANTED
from swarmd.raft.reconcile import reconcile
from tests.sim.raft.disk import SimDisk

CONFIG = RaftConfig(
    heartbeat_s=0.1,
    election_min_s=0.4,
    election_max_s=1.0,
    batch_bytes=400,
    max_command_bytes=390,
    piece_bytes=300,
)

Link = tuple[RaftID, RaftID]


class Machine:
    """Keeps every operation, in order."""

    def __init__(self, world: "World", me: RaftID) -> None:
        self.world, self.me = world, me
        self.ops: list[int] = []

    def apply(self, index: int, command: bytes) -> bytes:
        op = int(command)
        if self.world.applied.setdefault(index, op) != op:
            self.world.violate(f"SAFETY two operations applied at index {index} ({self.me})")
        self.ops.append(op)
        return command

    def snapshot(self) -> list[bytes]:
        data = json.dumps(self.ops).encode()
        return [data[at : at + 100] for at in range(0, len(data), 100)]

    def install(self, index: int, chunks: Iterable[bytes]) -> None:
        assert index > 0
        self.ops = json.loads(b"".join(chunks))


class World:
    """A cluster.  `now` is everybody's time; each member's clock runs at its own rate."""

    def __init__(self, count: int, seed: int, faults: Iterable[str] = ()) -> None:
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.faults = frozenset(faults)
        self.ids = [RaftID(f"n{i}") for i in range(count)]
        founders = list(self.ids)
        self.disks = {i: SimDisk(founders) for i in self.ids}
        self.rates = dict.fromkeys(self.ids, 1.0)
        self.cores: dict[RaftID, Core] = {}
        self.machines: dict[RaftID, Machine] = {}
        self.links: dict[Link, collections.deque[bytes]] = {}
        self.linked: dict[Link, None] = {}
        self.slow: set[Link] = set()
        self.committed: dict[int, tuple[int, bytes]] = {}
        self.checked: dict[RaftID, int] = {}
        self.applied: dict[int, int] = {}
        self.leaders: dict[int, RaftID] = {}
        self.acknowledged: set[int] = set()
        self.refused: set[int] = set()
        self.reads: list[tuple[RaftID, Core, int, set[int]]] = []
        self.removed: list[RaftID] = []
        self.next_op = self.barrier_reads = self.stale_naive = self.naive_reads = self.crashes = 0
        self.violations: list[str] = []
        self.trace = hashlib.sha256()
        for i in self.ids:
            self.boot(i)
        self.connect_all()

    def violate(self, what: str) -> None:
        self.violations.append(what)

    def time(self, i: RaftID) -> float:
        return self.now * self.rates[i]

    # ---- members --------------------------------------------------------------------------------

    def join(self, i: RaftID) -> None:
        """A new member with an empty disk."""
        self.ids.append(i)
        self.disks[i], self.rates[i] = SimDisk([]), 1.0
        self.boot(i)

    def boot(self, i: RaftID) -> None:
        disk = self.disks[i]
        log, head = disk.read()
        reconcile(log, head, 10**6)
        if log.is_dirty:
            disk.write(log.take())
            disk.sync()
        self.checked.pop(i, None)
        self.machines[i] = machine = Machine(self, i)
        core = Core(i, log, head, machine, CONFIG, self.rng.uniform)
        core.start(self.time(i), disk.image)
        self.cores[i] = core

    def crash(self, i: RaftID) -> None:
        self.crashes += 1
        for other in self.ids:
            self.disconnect(i, other)
        del self.cores[i]
        self.disks[i].crash(self.rng)

    def sync(self, i: RaftID) -> None:
        """What the member does between early and late: snapshot, then journal."""
        core, disk = self.cores[i], self.disks[i]
        unsaved = core.transfers.take_unsaved()
        if unsaved is not None:
            disk.image = unsaved
        core.transfers.saved()
        if core.log.is_dirty:
            batch = core.log.take()
            disk.write(batch)
            disk.sync()
            if batch.is_trim:
                disk.trim(core.log)

    def compact(self, i: RaftID, keep: int = 0) -> None:
        core = self.cores[i]
        begun = core.begin_snapshot()
        if begun is None:
            return
        head, parts = begun
        # What is snapshotted is applied, so committed; its records may still be unsynced here.
        self.disks[i].store_own(head, list(parts))
        core.finish_snapshot(head, keep)

    def step(self, i: RaftID, *, crash: bool = False) -> None:
        """One turn of a member.  With `crash`, it dies somewhere in it."""
        core = self.cores.get(i)
        if core is None:
            return
        core.tick(self.time(i))
        disk = self.disks[i]
        if core.transfers.wants_image and disk.image is not None:
            core.transfers.load(disk.image, disk.digest())
        is_long = len(core.log) > 25 and core.kernel.applied - core.log.first_index > 15
        if "compact" in self.faults and is_long:
            self.compact(i, self.rng.choice((0, 0, 5)))
        self.check(i)
        self.send(i, core.take_early())
        if crash and self.rng.random() < 0.5:
            self.crash(i)
            return
        if "promise-before-sync" not in PLANTED or self.rng.random() < 0.1:
            self.sync(i)
        if crash:
            self.crash(i)
            return
        self.send(i, core.take_late())

    def send(self, i: RaftID, posts: Sequence[Post]) -> None:
        for peer, message in posts:
            if (i, peer) in self.linked:
                self.links.setdefault((i, peer), collections.deque()).append(m.encode(message))

    # ---- network --------------------------------------------------------------------------------

    def connect(self, a: RaftID, b: RaftID) -> None:
        if a == b or (a, b) in self.linked or a not in self.cores or b not in self.cores:
            return
        for x, y in ((a, b), (b, a)):
            self.linked[x, y] = None
            self.cores[x].link_up(self.time(x), y)

    def disconnect(self, a: RaftID, b: RaftID) -> None:
        if (a, b) not in self.linked:
            return
        for x, y in ((a, b), (b, a)):
            del self.linked[x, y]
            if "loose" not in self.faults:
                self.links.pop((x, y), None)
            if x in self.cores:
                self.cores[x].link_down(self.time(x), y)

    def connect_all(self) -> None:
        for a in self.ids:
            for b in self.ids:
                self.connect(a, b)

    def cut_off(self, i: RaftID) -> None:
        for other in self.ids:
            self.disconnect(i, other)

    def deliver(self, a: RaftID, b: RaftID) -> bool:
        queue, core = self.links.get((a, b)), self.cores.get(b)
        if not queue or core is None:
            return False
        if "loose" in self.faults and self.rng.random() < 0.2:
            queue.rotate(self.rng.randint(0, 3))
        data = queue.popleft()
        if "loose" in self.faults and self.rng.random() < 0.05:
            queue.append(data)
        message = m.decode(data)
        assert message is not None
        core.receive(self.time(b), a, message)
        self.trace.update(data)
        self.check(b)
        return True

    # ---- what must never be -----------------------------------------------------------------------

    def check(self, i: RaftID) -> None:
        core = self.cores[i]
        kernel, log = core.kernel, core.log
        if kernel.leads:
            other = self.leaders.setdefault(kernel.term, i)
            if other != i:
                self.violate(f"SAFETY two leaders in term {kernel.term}: {other} {i}")
        start = max(log.first_index, min(self.checked.get(i, log.first_index), kernel.commit))
        for index in range(start, min(kernel.commit, log.last_index) + 1):
            command, _, term = log.entry(index)
            if self.committed.setdefault(index, (term, command)) != (term, command):
                self.violate(f"SAFETY index {index} committed twice with different entries ({i})")
        self.checked[i] = kernel.commit

    def final_check(self) -> None:
        leaders = [i for i, core in self.cores.items() if core.kernel.leads]
        if not leaders:
            self.violate("LIVENESS no leader after healing")
            return
        leader = max(leaders, key=lambda i: self.cores[i].kernel.term)
        voters = self.cores[leader].configuration.voters
        ops = {i: self.machines[i].ops for i in voters if i in self.cores}
        longest = max(ops.values(), key=len)
        for i, own in ops.items():
            if own != longest[: len(own)]:
                self.violate(f"SAFETY replicas diverged ({i})")
            if len(own) != len(longest):
                self.violate("LIVENESS a replica never catches up")
            self.cores[i].check()
        present = set(longest)
        if self.acknowledged - present:
            self.violate(f"SAFETY {len(self.acknowledged - present)} acknowledged operations lost")
        if self.refused & present:
            self.violate(f"SAFETY {len(self.refused & present)} refused operations applied")
        if len(present) != len(longest):
            self.violate("SAFETY an operation applied twice")

    # ---- clients ----------------------------------------------------------------------------------

    def propose(self, i: RaftID, size_bytes: int = 0) -> None:
        core = self.cores.get(i)
        if core is None:
            return
        op, self.next_op = self.next_op, self.next_op + 1

        def done(outcome: Outcome, _result: object) -> None:
            if outcome is Outcome.APPLIED:
                self.acknowledged.add(op)
            elif outcome is Outcome.REFUSED:
                self.refused.add(op)

        try:
            core.propose(str(op).encode().ljust(size_bytes), done)
        except SwarmError:
            self.refused.add(op)

    def change(self, i: RaftID, verb: str, member: RaftID, outcomes: list[Outcome]) -> None:
        """Past the polite checks of `Core.change`, straight to the kernel's."""
        change = Change("add" if verb == "add" else "rem", member)
        self.cores[i].kernel.propose(change.command(), lambda outcome, _: outcomes.append(outcome))

    def read(self) -> None:
        for i, core in list(self.cores.items()):
            if core.kernel.leads:
                self.naive_reads += 1
                self.stale_naive += not self.acknowledged <= set(self.machines[i].ops)
                read = core.start_read()
                if read is not None:
                    self.reads.append((i, core, read, set(self.acknowledged)))

    def poll_reads(self) -> None:
        kept = []
        for i, core, read, must in self.reads[-50:]:
            ready = core.take_read(read) if self.cores.get(i) is core else False
            if ready is None:
                kept.append((i, core, read, must))
            elif ready:
                self.barrier_reads += 1
                if not must <= set(self.machines[i].ops):
                    self.violate(f"SAFETY stale read on {i}")
        self.reads = kept
