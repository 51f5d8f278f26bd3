"""The loops of the mesh and of the VIPs against a kernel that writes down what it is told."""

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec
import pytest

from swarmd.ingress.loop import MeshLoop, leave
from swarmd.ingress.vips import VipLoop
from swarmd.model.dataplane import DataPlane, LocalTask
from swarmd.model.ids import ServiceID, TaskID
from swarmd.ports import Kernel
from tests.beside import beside
from tests.planes import CLIENT_3, STACK, WEB_1, WEB_2, plane, without_tasks


class Recorder:
    """Says what it is told to say, and keeps what it is told to do."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.has_bridge = True
        self.has_firewall = True
        #: pids of processes that are gone
        self.gone: set[int] = set()
        #: pids of processes whose network takes no table
        self.refusing: set[int] = set()
        self.written: list[tuple[int, str]] = []
        self.changed = asyncio.Event()
        #: published ports that are kept from others, and ports that others have
        self.held: set[tuple[str, int]] = set()
        self.taken: set[tuple[str, int]] = set()
        #: what a container has sent to VIPs, as conntrack lists it
        self.datagrams = ""

    def _do(self, what: str) -> None:
        self.done.append(what)
        self.changed.set()

    async def nft(self, text: str, *, pid: int = 0) -> None:
        if pid in self.gone:
            self.changed.set()
            raise ProcessLookupError(f"process {pid} is gone")
        if pid in self.refusing:
            raise OSError("nft: Operation not supported")
        self.written.append((pid, text))
        self._do("nft")

    async def ip(self, lines: Sequence[str]) -> None:
        self.done.extend(lines)

    async def bridge(self, lines: Sequence[str]) -> None:
        self.done.extend(lines)

    async def output(self, *argv: str) -> str:
        if argv[0] == "iptables" and "-S" not in argv:
            self._do(" ".join(argv[3:]))
        elif argv[0] == "iptables" and not self.has_firewall:
            raise OSError("iptables: No chain/target/match by that name.")
        elif "master" in argv and not self.has_bridge:
            raise OSError('Device "swb4096" does not exist.')
        if argv[0] == "nsenter":
            return self.datagrams
        if argv[0] == "ss":
            port = argv[-1].removeprefix("sport = ")
            return f'LISTEN 0 9 0.0.0.0{port} 0.0.0.0:* users:(("nginx",pid=7,fd=6))\n'
        if "master" in argv:
            return '[{"ifname": "swx4096"}]'
        return "-N DOCKER-USER" if argv[0] == "iptables" else "[]"

    def hold_port(self, protocol: str, port: int) -> "Held":
        if (protocol, port) in self.taken:
            raise OSError(98, "Address already in use")
        held = Held(self, (protocol, port))
        self.held.add((protocol, port))
        return held

    async def run(self, *argv: str) -> int:
        if "-D" in argv:
            self._do(" ".join(argv))
        return 0 if self.has_firewall or argv[0] != "iptables" else 1


class Held:
    """A port until it is closed."""

    def __init__(self, recorder: Recorder, port: tuple[str, int]) -> None:
        self._recorder, self._port = recorder, port

    def close(self) -> None:
        self._recorder.held.remove(self._port)


def kernel(recorder: Recorder) -> Kernel:
    return cast(Kernel, recorder)


async def until(recorder: Recorder, count: int) -> None:
    """Returns when the kernel was told at least so much."""
    while len(recorder.done) < count:
        recorder.changed.clear()
        await recorder.changed.wait()


async def test_ways_are_there_before_the_rules_that_lead_to_them() -> None:
    recorder = Recorder()
    mesh = MeshLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await until(recorder, 9)
    assert recorder.done.index("nft") > recorder.done.index(
        "route replace 10.0.0.102 via 10.0.0.2 dev swb4096 proto 93"
    )
    assert recorder.done[-1].startswith("-I DOCKER-USER")


async def test_without_the_bridge_the_rules_stand_and_the_ways_wait_for_it() -> None:
    """The overlay makes the bridge at the same time, and tells the mesh to look again."""
    recorder = Recorder()
    recorder.has_bridge = False
    mesh = MeshLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await until(recorder, 4)
        assert not [line for line in recorder.done if line.startswith("route")]
        recorder.has_bridge = True
        mesh.look()
        await until(recorder, 13)
    assert [line for line in recorder.done if line.startswith("route")]


async def test_a_service_that_publishes_nothing_leaves_the_mesh_alone() -> None:
    """Tasks come and go all the time; tables are written when they differ."""
    recorder = Recorder()
    mesh = MeshLoop(kernel(recorder))
    service = msgspec.structs.replace(plane().services[0], ports=(), name="backend")
    more = msgspec.structs.replace(plane(), services=(*plane().services, service))
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await until(recorder, 9)
        mesh.follow(more)
        for _ in range(20):
            await asyncio.sleep(0)
    assert recorder.done.count("nft") == 1


async def test_a_change_costs_what_it_changes() -> None:
    """After a whole round, what is there is known: one transaction takes a backend away."""
    recorder = Recorder()
    mesh = MeshLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await until(recorder, 9)
        before = len(recorder.done)
        mesh.follow(without_tasks(plane(), {WEB_2}))
        await mesh.settled()
        assert recorder.done[before:] == ["nft"]
        # Somebody flushed everything: after a look it is there again.
        mesh.look()
        await until(recorder, before + 10)
    again = recorder.done[before + 1 :]
    assert [line for line in again if line.startswith("route replace")]
    assert again[-1].startswith("-I DOCKER-USER")


async def test_a_task_elsewhere_that_comes_or_goes_moves_the_ways_too() -> None:
    recorder = Recorder()
    mesh = MeshLoop(kernel(recorder))
    known = plane()
    ingress = known.networks[0]
    fewer = msgspec.structs.replace(
        ingress, endpoints=tuple(e for e in ingress.endpoints if e.task_id != WEB_2)
    )
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(known)
        await until(recorder, 9)
        before = len(recorder.done)
        less = msgspec.structs.replace(known, networks=(fewer, known.networks[1]))
        mesh.follow(without_tasks(less, {WEB_2}))
        await mesh.settled()
        assert recorder.done[before:] == ["nft", "route del 10.0.0.102 proto 93"]
        mesh.follow(known)
        await mesh.settled()
    way = "route replace 10.0.0.102 via 10.0.0.2 dev swb4096 proto 93"
    assert recorder.done[before + 2 :] == [way, "nft"]


async def test_changes_without_end_do_not_put_off_the_whole_look() -> None:
    recorder = Recorder()
    mesh = MeshLoop(kernel(recorder), period_s=0.05)
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await until(recorder, 9)
        while sum(line.startswith("-I DOCKER-USER") for line in recorder.done) < 6:
            mesh.follow(without_tasks(plane(), {WEB_2}))
            await mesh.settled()
            mesh.follow(plane())
            await mesh.settled()


async def test_published_ports_are_kept_from_other_programs_while_they_are_published() -> None:
    recorder = Recorder()
    mesh = MeshLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await mesh.settled()
        assert recorder.held == {("tcp", 8080)}
        # Without backends too: a program that took it then would never see a client again.
        mesh.follow(without_tasks(plane(), {WEB_1, WEB_2}))
        await mesh.settled()
        assert recorder.held == {("tcp", 8080)}
        mesh.follow(msgspec.structs.replace(plane(), services=()))
        await mesh.settled()
        assert recorder.held == set()
        mesh.follow(plane())
        await mesh.settled()
    assert recorder.held == set()


async def test_a_port_that_a_program_has_is_left_to_it_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Somebody publishes 22, 2377 or what nginx already serves on one of the nodes."""
    caplog.set_level("INFO")
    recorder = Recorder()
    recorder.taken = {("tcp", 8080)}
    mesh = MeshLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await mesh.settled()
        mesh.follow(without_tasks(plane(), {WEB_2}))
        await mesh.settled()
        assert "8080" not in recorder.written[-1][1]
        (warning,) = mesh.warnings
        assert warning.startswith("WARNING: published port 8080/tcp is not answered on this node")
        recorder.taken = set()
        mesh.follow(plane())
        await mesh.settled()
        assert "tcp . 8080 : goto tcp_8080" in recorder.written[-1][1]
        assert mesh.warnings == ()
    said = [r for r in caplog.records if r.message.startswith("published port")]
    assert [r.levelname for r in said] == ["WARNING", "INFO"]
    assert said[0].__dict__["program"] == "nginx (pid 7) on 0.0.0.0"


async def test_an_engine_without_docker_user_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An engine with the nftables backend has no such chain, and never will."""
    recorder = Recorder()
    recorder.has_firewall = False
    mesh = MeshLoop(kernel(recorder), period_s=0.001)
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(plane())
        await until(recorder, 20)
    assert [r.message for r in caplog.records].count("no DOCKER-USER chain") == 1


async def test_before_the_first_plane_nothing_is_written() -> None:
    recorder = Recorder()
    mesh, vips = MeshLoop(kernel(recorder)), VipLoop(kernel(recorder))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = [group.create_task(loop.run()) for loop in (mesh, vips)]
        mesh.look()
        vips.follow_tasks([task(CLIENT_3, 8)])
        await asyncio.sleep(0)
        for loop in running:
            loop.cancel()
    assert recorder.done == []


@pytest.mark.parametrize("has_firewall", [True, False])
async def test_leaving_needs_no_engine(has_firewall: bool) -> None:
    recorder = Recorder()
    recorder.has_firewall = has_firewall
    await leave(kernel(recorder))
    assert "delete table ip swarmd" in recorder.written[0][1]


def task(task_id: TaskID, pid: int) -> LocalTask:
    return LocalTask(
        task_id=task_id,
        service_id=ServiceID("s"),
        container_id=f"container{pid}",
        pid=pid,
        addresses={STACK: (f"10.0.1.{pid}",)},
    )


async def test_a_table_is_written_once_and_again_only_if_it_changed() -> None:
    recorder = Recorder()
    vips = VipLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(vips.run()):
        vips.follow(plane(3))
        vips.follow_tasks([task(CLIENT_3, 8)])
        await vips.written(CLIENT_3)
        vips.follow(plane(3))
        vips.follow_tasks([task(CLIENT_3, 8), task(WEB_1, 9)])
        await vips.written(WEB_1)
        vips.follow(without_tasks(plane(3), {WEB_2}))
        await until(recorder, 4)
    assert [pid for pid, _ in recorder.written] == [8, 9, 8, 9]


async def test_datagrams_of_a_container_to_a_backend_that_left_are_decided_anew() -> None:
    """Statsd behind a VIP: one socket for the life of a program."""
    recorder = Recorder()
    recorder.datagrams = (
        "udp 17 29 src=10.0.1.113 dst=10.0.1.200 sport=4 dport=8125 "
        "src=10.0.1.102 dst=10.0.1.113 sport=8125 dport=4 mark=0 use=1\n"
        "udp 17 9 src=127.0.0.1 dst=127.0.0.11 sport=5 dport=53 [UNREPLIED] "
        "src=127.0.0.11 dst=127.0.0.1 sport=3 dport=5 mark=0 use=1\n"
    )
    vips = VipLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(vips.run()):
        vips.follow(plane(3))
        vips.follow_tasks([task(CLIENT_3, 8)])
        await vips.written(CLIENT_3)
        vips.follow(without_tasks(plane(3), {WEB_1}))
        await vips.settled()
        vips.follow(without_tasks(plane(3), {WEB_1, WEB_2}))
        await vips.settled()
    assert recorder.done == [
        *("nft", "nft", "nft"),
        "nsenter -t 8 -n -- conntrack -D -p udp --reply-src 10.0.1.102",
    ]


async def test_a_container_that_was_started_again_gets_its_table_again() -> None:
    """A restart makes a new network namespace, which is empty."""
    recorder = Recorder()
    vips = VipLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(vips.run()):
        vips.follow(plane(3))
        vips.follow_tasks([task(CLIENT_3, 8)])
        await vips.written(CLIENT_3)
        vips.follow_tasks([task(CLIENT_3, 88)])
        await vips.written(CLIENT_3)
    assert [pid for pid, _ in recorder.written] == [8, 88]


async def test_a_container_that_ends_meanwhile_keeps_no_other_from_its_table(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor is it worth a word."""
    caplog.set_level("INFO")
    recorder = Recorder()
    recorder.gone = {8}
    vips = VipLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(vips.run()):
        vips.follow(plane(3))
        vips.follow_tasks([task(CLIENT_3, 8), task(WEB_1, 9)])
        await vips.written(WEB_1)
        vips.follow_tasks([task(WEB_1, 9)])
        await vips.settled()
    assert [pid for pid, _ in recorder.written] == [9]
    assert not caplog.records


async def test_nobody_waits_for_the_table_of_a_container_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another node wants to stop a task, just when one of ours has ended by itself."""
    monkeypatch.setattr("swarmd.ingress.vips.AGAIN_S", 1000.0)
    recorder = Recorder()
    recorder.gone = {8}
    vips = VipLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(vips.run()):
        vips.follow_tasks([task(CLIENT_3, 8), task(WEB_1, 9)])
        vips.follow(plane(3))
        await vips.settled()
    assert [pid for pid, _ in recorder.written] == [9]


async def test_a_table_that_is_refused_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A kernel without NAT in namespaces, a container that took its rights away."""
    recorder = Recorder()
    recorder.refusing = {8}
    vips = VipLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(vips.run()):
        vips.follow(plane(3))
        vips.follow_tasks([task(CLIENT_3, 8), task(WEB_1, 9)])
        await vips.written(WEB_1)
    (said,) = caplog.records
    assert (said.levelname, said.getMessage()) == ("WARNING", "VIPs not written")


async def test_a_plane_without_networks_leaves_an_empty_mesh() -> None:
    recorder = Recorder()
    mesh = MeshLoop(kernel(recorder))
    async with asyncio.timeout(5), beside(mesh.run()):
        mesh.follow(DataPlane())
        await until(recorder, 1)
    assert "add chain" not in recorder.written[0][1]
