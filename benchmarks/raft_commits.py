"""Commits per second of one and three raft members, each its own process; and fail-over.

    python -m benchmarks.raft_commits [--members 1,3] [--clients 1,16,64,256] [--seconds 3]
                                      [--bytes 512] [--failovers 5] [--loop asyncio|uvloop]

Everything of production is on the path but the API: journals on the disk under `--dir`, sealed, one
fdatasync a batch, mutual TLS between the members.  Closed loop: each client proposes, waits for the
result, proposes again; the clients live in the leader's process.  Then the leader is killed, and the
time until the next one has a command committed is taken.
"""

import argparse
import asyncio
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import uvloop

from swarmd.ca.crypto import X509Crypto
from swarmd.errors import SwarmError
from swarmd.net.clock import SystemClock, SystemRandom
from swarmd.net.disk import FileDisk
from swarmd.net.streams import TLSNetwork
from swarmd.ports import Address, Connection, Credentials
from swarmd.raft import identity
from swarmd.raft.interface import RaftConfig, RaftID
from swarmd.raft.member import Member, RaftPorts
from swarmd.raft.seal import KeySealer
from tests.unit.net.pki import credentials

CONFIG = RaftConfig()


class _Table:
    """A state machine that does nearly nothing."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def apply(self, index: int, command: bytes) -> bytes:
        self.values[command[:8]] = command
        return index.to_bytes(8, "little")

    def snapshot(self) -> Iterable[bytes]:
        return iter(list(self.values.values()))

    def install(self, index: int, chunks: Iterable[bytes]) -> None:
        assert index
        self.values = {chunk[:8]: chunk for chunk in chunks}


# ---- a member's process ------------------------------------------------------------------------


class _Server:
    """One member, told what to do by lines of JSON."""

    def __init__(self, root: Path, own: Credentials, *, founds: bool) -> None:
        self.network, self.own = TLSNetwork(), own
        self.disk, self.random = FileDisk(root), SystemRandom()
        sealer = KeySealer(X509Crypto(), bytes(32))
        begin = identity.bootstrap if founds else identity.join
        old = identity.read_id(self.disk)
        self.me = old or begin(self.disk, sealer, self.random, CONFIG)
        self.addresses: dict[str, str] = {}
        ports = RaftPorts(
            clock=SystemClock(),
            random=self.random,
            disk=self.disk,
            sealer=sealer,
            dial=self.dial,
        )
        self.member = Member(self.me, ports, _Table(), CONFIG)

    async def dial(self, to: RaftID) -> Connection:
        connection = await self.network.connect(Address(self.addresses[to]), self.own)
        connection.send(self.me.encode())
        return connection

    async def accept(self, connection: Connection) -> None:
        peer = RaftID((await connection.receive()).decode())
        await self.member.attach(peer, connection)

    async def serve(self) -> None:
        listener = await self.network.listen(Address("127.0.0.1:0"), lambda: self.own, self.accept)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.member.run())
            answer({"id": self.me, "address": f"127.0.0.1:{listener.port}"})
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
            )
            while line := await reader.readline():
                request = json.loads(line)
                answer(await getattr(self, f"do_{request.pop('do')}")(**request))
            running.cancel()

    async def do_peers(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses

    async def do_add(self, member: str) -> None:
        new = RaftID(member)
        await self.member.add_learner(new)
        while not await self._promoted(new):
            continue

    async def _promoted(self, new: RaftID) -> bool:
        try:
            await self.member.promote(new)
        except SwarmError:
            await asyncio.sleep(0.05)
            return False
        return True

    async def do_leads(self) -> bool:
        """With a command committed, so that it is no leader of old."""
        try:
            await self.member.barrier()
        except SwarmError:
            return False
        return True

    async def do_applied(self) -> int:
        return self.member.status().applied

    async def do_barriers(self, count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            await self.member.barrier()
        return (time.perf_counter() - began) / count * 1e3

    async def do_load(self, clients: int, seconds: float, size_bytes: int) -> dict[str, float]:
        value, taken = bytes(size_bytes - 8), list[float]()
        cpu, began = time.process_time(), time.perf_counter()
        syncs = self.member._storage.journal.sync_count  # noqa: SLF001 - not for anybody else

        async def client(number: int) -> None:
            command = number.to_bytes(8, "little") + value
            while (at := time.perf_counter()) < began + seconds:
                await self.member.propose(command)
                taken.append(time.perf_counter() - at)

        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(client(number))
        lasted, count = time.perf_counter() - began, len(taken)
        syncs = self.member._storage.journal.sync_count - syncs  # noqa: SLF001
        taken.sort()
        return {
            "ops_s": count / lasted,
            "p50_ms": taken[count // 2] * 1e3,
            "p99_ms": taken[count * 99 // 100] * 1e3,
            "ops_per_sync": count / syncs,
            "cpu_us_per_op": (time.process_time() - cpu) / count * 1e6,
        }


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)


# ---- the conductor -----------------------------------------------------------------------------


class _Process:
    """A member's process, asked and answered in turn."""

    def __init__(self, root: Path, loop: str, *, founds: bool) -> None:
        self.root, self.loop = root, loop
        arguments = ["--serve", str(root), "--loop", loop, *(["--founds"] if founds else [])]
        self.child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.raft_commits", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.hello: Mapping[str, str] = self._answer()

    def _answer(self) -> dict[str, str]:
        assert self.child.stdout is not None
        found: dict[str, str] = json.loads(self.child.stdout.readline())
        return found

    def ask(self, do: str, **arguments: object) -> object:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self.child.stdin.flush()
        return self._answer()

    def kill(self) -> None:
        self.child.kill()
        self.child.communicate()


def tell_addresses(processes: Iterable[_Process]) -> None:
    addresses = {process.hello["id"]: process.hello["address"] for process in processes}
    for process in processes:
        process.ask("peers", addresses=addresses)


def leader(processes: Iterable[_Process]) -> _Process:
    """Whoever leads first."""
    for process in itertools.cycle(processes):
        if process.ask("leads"):
            return process
        time.sleep(0.005)
    raise AssertionError


def failover(processes: list[_Process]) -> float:
    """Seconds from the kill of the leader to the next one that serves; it is started again."""
    victim = leader(processes)
    rest = [process for process in processes if process is not victim]
    began = time.perf_counter()
    victim.kill()
    following = leader(rest)
    took = time.perf_counter() - began
    again = _Process(victim.root, victim.loop, founds=False)
    processes[:] = [*rest, again]
    tell_addresses(processes)
    while again.ask("applied") != following.ask("applied"):
        time.sleep(0.05)
    return took


def measure(count: int, options: argparse.Namespace, root: Path) -> None:
    processes = [_Process(root / f"{count}-{i}", options.loop, founds=i == 0) for i in range(count)]
    try:
        tell_addresses(processes)
        first = leader(processes)
        for process in processes[1:]:
            first.ask("add", member=process.hello["id"])
        for clients in map(int, options.clients.split(",")):
            row = first.ask(
                "load", clients=clients, seconds=options.seconds, size_bytes=options.bytes
            )
            assert isinstance(row, dict)
            print(
                f"{count:>7} {clients:>8} {row['ops_s']:>9.0f} {row['p50_ms']:>8.2f} "
                f"{row['p99_ms']:>8.2f} {row['ops_per_sync']:>9.1f} {row['cpu_us_per_op']:>10.0f}",
                flush=True,
            )
        print(f"{count:>7} linearizable read: {first.ask('barriers', count=200):.2f} ms")
        times = [failover(processes) for _ in range(options.failovers if count > 1 else 0)]
        if times:
            print(
                f"{count:>7} kill -9 of the leader to the next that serves: min {min(times):.2f}, "
                f"median {statistics.median(times):.2f}, max {max(times):.2f} s, {len(times)} kills"
            )
    finally:
        for process in processes:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--members", default="1,3")
    parser.add_argument("--clients", default="1,16,64,256")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--bytes", type=int, default=512)
    parser.add_argument("--failovers", type=int, default=5)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--founds", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options)
        return
    root = Path(tempfile.mkdtemp(dir=options.dir))
    for i in range(max(map(int, options.members.split(",")))):
        own = credentials(f"node{i}", "manager")
        (root / f"{i}.json").write_text(
            json.dumps([own.certificate, own.key, own.trusted]), "utf-8"
        )
    try:
        print("members  clients    ops/s   p50 ms   p99 ms  ops/sync  CPU us/op")
        for count in map(int, options.members.split(",")):
            measure(count, options, root)
    finally:
        shutil.rmtree(root)


def serve(options: argparse.Namespace) -> None:
    number = options.serve.name.rpartition("-")[2]
    certificate, key, trusted = json.loads((options.serve.parent / f"{number}.json").read_text())
    own = Credentials(certificate=certificate, key=key, trusted=trusted)
    factory = uvloop.new_event_loop if options.loop == "uvloop" else None

    async def run() -> None:
        await _Server(options.serve, own, founds=options.founds).serve()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()
