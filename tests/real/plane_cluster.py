"""Three nodes with a data plane and no manager: the test says what each must know."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from swarmd.engine.client import DockerEngine
from swarmd.model.dataplane import DataPlane, LocalTask, PlanePort
from swarmd.model.ids import ClusterID, NetworkID, NodeID, ServiceID, TaskID, Version
from swarmd.model.spec import ContainerSpec, ServiceMode, ServiceSpec, TaskSpec
from swarmd.model.task import Task
from swarmd.ports import Container
from swarmd.wire.container import Place, container_request
from tests.planes import CLIENT_3, INGRESS, STACK, WEB_1, WEB_2, plane, without_tasks
from tests.real.plane_node import Attach, Done, Follow, Leave, Order, Tasks
from tools.lab.lab import Lab

ROOT = Path(__file__).parents[2]
SERVICE = ServiceID("webservice")
#: Published TCP port, and the UDP port that the same tasks answer on.
PORT, UDP_PORT = 8080, 8053
LONGEST_S = 60.0

#: Answers who it is and whom it sees.
_WEB = (
    "mkdir -p /www/cgi-bin; dd if=/dev/zero of=/www/big bs=1024 count=1024; cd /www/cgi-bin; "
    'printf "#!/bin/sh\\necho; echo $NAME \\$REMOTE_ADDR\\n" >index.cgi; chmod +x index.cgi; '
    "exec httpd -f -h /www -p 80"
)
#: The same by UDP, for which busybox has no server: run in the container's network namespace.
_DATAGRAMS = """
import socket, sys
served = socket.socket(type=socket.SOCK_DGRAM)
served.bind(("0.0.0.0", 53))
print("bound", flush=True)
while True:
    _, client = served.recvfrom(99)
    served.sendto(f"{sys.argv[1]} {client[0]}".encode(), client)
"""
_ASK_DATAGRAM = """
import socket, sys
asking = socket.socket(type=socket.SOCK_DGRAM)
asking.settimeout(3)
asking.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
print(asking.recv(99).decode())
"""
_PLACES = {
    WEB_1: (1, (INGRESS, STACK), _WEB),
    WEB_2: (2, (INGRESS, STACK), _WEB),
    CLIENT_3: (3, (STACK,), "exec sleep 1000000"),
}
#: One socket that asks until it has been answered by another task than the one before.
_ASK_UNTIL_ANOTHER = """
import socket, sys, time
asking = socket.socket(type=socket.SOCK_DGRAM)
asking.settimeout(0.5)
asking.connect((sys.argv[1], int(sys.argv[2])))
first = ""
for _ in range(600):
    time.sleep(0.05)
    try:
        asking.send(b"?")
        answer = asking.recv(99).decode().split()[0]
    except (TimeoutError, ConnectionRefusedError):
        continue
    if answer != first:
        print(answer, flush=True)
        if first:
            break
        first = answer
"""
_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
except OSError as error:
    print(type(error).__name__)
else:
    print("connected")
"""
REFUSED, SILENT, CONNECTED = "ConnectionRefusedError", "TimeoutError", "connected"


class Seen(NamedTuple):
    """What a client of the web service was told."""

    task: str
    #: the client address that the task saw
    client: str


class PlaneCluster:
    """Nodes 1 to 3 of a lab; host 4 is outside."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self._folder = folder
        self._nodes: dict[int, subprocess.Popen[str]] = {}
        self._servers: list[subprocess.Popen[str]] = []
        self.containers: dict[TaskID, Container] = {}
        #: traces of each host before anything was done
        self.untouched = {number: self.traces(number) for number in (1, 2, 3)}

    def host(self, number: int) -> str:
        """The lab's name of a host."""
        return f"{self.lab.prefix}{number}"

    def ip(self, number: int) -> str:
        """Its address on the underlay."""
        return self.lab.ip(self.host(number))

    # -- life

    def start_node(self, number: int) -> None:
        """A daemon's data plane on a host."""
        path = self._socket(number)
        path.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "tests.real.plane_node", str(path)]
        self._nodes[number] = self.lab.popen(
            self.host(number), argv, environment={"PYTHONPATH": str(ROOT)}
        )
        eventually(path.exists, f"node {number} serves")

    def kill_node(self, number: int) -> None:
        """The daemon is gone; the kernel and the engine stay as they are."""
        node = self._nodes.pop(number)
        node.kill()
        node.wait(LONGEST_S)

    def restart_task(self, task_id: TaskID) -> None:
        """Start a container again that has ended, as it was made."""
        number = _PLACES[task_id][0]
        self.containers[task_id] = asyncio.run(
            _start(self._engine_path(number), self.containers[task_id].id)
        )
        self.show_tasks(number)

    def traces(self, number: int) -> str:
        """Links, routes, rules and tables of a host, without counters and the engine's own."""
        commands = (
            "ls /sys/class/net",
            "ip rule",
            "ip route show table all type unicast",
            "iptables-save -t filter | grep -v '^[#:]'",
            "nft list tables | grep swarmd",  # those of the engine come with its first network
            "ip neigh show nud permanent",
        )
        return self.lab.run(self.host(number), ["sh", "-c", "; ".join(commands)])

    def start_task(self, task_id: TaskID) -> None:
        """As an agent does: networks, create, start, VIPs."""
        number, network_ids, command = _PLACES[task_id]
        done = self.order(number, Attach(task_id, network_ids))
        assert done.networks is not None, done.error
        self.containers[task_id] = asyncio.run(
            _run(self._engine_path(number), _task(task_id, number), command, done)
        )
        self.show_tasks(number)

    def show_tasks(self, number: int) -> None:
        """Tell a node of its containers; returns when their tables are written."""
        wanted = self.plane(number)
        tasks = []
        for task_id, (place, network_ids, _) in _PLACES.items():
            if place == number and task_id in self.containers:
                tasks.append(_local(wanted, task_id, network_ids, self.containers[task_id]))
        self.order(number, Tasks(tuple(tasks)))

    def plane(self, number: int, withdrawn: Collection[TaskID] = ()) -> DataPlane:
        """What a node must know: as in `tests.planes`, with the lab's addresses and a UDP port."""
        known = plane(number)
        nodes = tuple(
            msgspec.structs.replace(node, data_path=self.ip(index))
            for index, node in enumerate(known.nodes, 1)
        )
        udp = PlanePort(protocol="udp", published_port=UDP_PORT, target_port=53)
        services = tuple(
            msgspec.structs.replace(service, ports=(*service.ports, udp))
            for service in known.services
        )
        return without_tasks(
            msgspec.structs.replace(known, nodes=nodes, services=services), withdrawn
        )

    def follow(self, *numbers: int, withdrawn: Collection[TaskID] = ()) -> None:
        """Give nodes, or all, their newest plane."""
        for number in numbers or (1, 2, 3):
            self.order(number, Follow(self.plane(number, withdrawn)))

    def order(self, number: int, order: Order) -> Done:
        """One order to a node's data plane."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LONGEST_S)
            connection.connect(str(self._socket(number)))
            connection.sendall(msgspec.msgpack.encode(order))
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return msgspec.msgpack.decode(answer, type=Done)

    def stop(self) -> None:
        """Remove the containers, have each node leave, end it."""
        for server in self._servers:
            server.kill()
            server.communicate()
        self._servers = []
        for task_id, container in self.containers.items():
            number = _PLACES[task_id][0]
            asyncio.run(_remove(self._engine_path(number), container.id))
        self.containers = {}
        for number, node in list(self._nodes.items()):
            self.order(number, Leave())
            node.wait(LONGEST_S)
            del self._nodes[number]

    # -- clients

    def asked(self, number: int, address: str, *, port: int = PORT) -> Seen | None:
        """What a program on a host is told at an address; None if nobody answers."""
        url = f"http://{address}:{port}/cgi-bin/index.cgi"
        argv = ["busybox", "timeout", "5", "busybox", "wget", "-qO-", url]
        return _seen(self.lab.run(self.host(number), argv, is_checked=False))

    def asked_in(self, task_id: TaskID, name: str, *, port: int = 80) -> Seen | None:
        """What a program in a task's container is told."""
        url = f"http://{name}:{port}/cgi-bin/index.cgi"
        return _seen(self.run_in(task_id, "timeout", "5", "wget", "-qO-", url))

    def received(self, number: int, address: str, *, task_id: TaskID | None = None) -> int:
        """Bytes of a file of 1 MiB that arrive, on a host or in the network of a task there."""
        port = 80 if task_id else PORT
        enter = ["nsenter", "-t", str(self.containers[task_id].pid), "-n"] if task_id else []
        fetch = f"busybox timeout 20 busybox wget -qO- http://{address}:{port}/big | wc -c"
        return int(self.lab.run(self.host(number), [*enter, "sh", "-c", fetch]))

    def asked_by_datagram(self, number: int, address: str) -> Seen | None:
        """The same by UDP."""
        argv = [sys.executable, "-S", "-c", _ASK_DATAGRAM, address, str(UDP_PORT)]
        return _seen(self.lab.run(self.host(number), argv, is_checked=False))

    def ask_until_another(
        self, number: int, address: str, *, task_id: TaskID | None = None
    ) -> "subprocess.Popen[str]":
        """One UDP socket that goes on asking: prints who answers first, and who answers then.

        On a host, or in the network of a task there.
        """
        port = 53 if task_id else UDP_PORT
        enter = ["nsenter", "-t", str(self.containers[task_id].pid), "-n", "--"] if task_id else []
        argv = [*enter, sys.executable, "-S", "-c", _ASK_UNTIL_ANOTHER, address, str(port)]
        return self.lab.popen(self.host(number), argv, output=subprocess.PIPE)

    def connecting(
        self, number: int, address: str, port: int, *, task_id: TaskID | None = None
    ) -> str:
        """How an attempt to connect ends, on a host or in the network of a task of that host."""
        argv = [sys.executable, "-S", "-c", _CONNECT, address, str(port)]
        enter = ["nsenter", "-t", str(self.containers[task_id].pid), "-n"] if task_id else []
        return self.lab.run(self.host(number), [*enter, *argv]).strip()

    def serve_datagrams(self, task_id: TaskID) -> None:
        """Let a task answer UDP as well."""
        number = _PLACES[task_id][0]
        enter = ["nsenter", "-t", str(self.containers[task_id].pid), "-n", "--"]
        argv = [*enter, sys.executable, "-S", "-c", _DATAGRAMS, task_id]
        server = self.lab.popen(self.host(number), argv, output=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline() == "bound\n"
        self._servers.append(server)

    def run_in(self, task_id: TaskID, *argv: str) -> str:
        """Output of a command in a task's container; empty if it failed."""
        number = _PLACES[task_id][0]
        pid = str(self.containers[task_id].pid)
        enter = ["nsenter", "-t", pid, "-n", "-m", "-p", "--", *argv]
        return self.lab.run(self.host(number), enter, is_checked=False)

    def _socket(self, number: int) -> Path:
        return self._folder / f"node{number}.sock"

    def _engine_path(self, number: int) -> str:
        return str(self.lab.socket_path(self.host(number)))


def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Returns when it is so; the test fails if it never is."""
    deadline = time.perf_counter() + LONGEST_S
    while not is_so():
        assert time.perf_counter() < deadline, f"never: {what}"
        time.sleep(0.1)


def _seen(answer: str) -> Seen | None:
    words = answer.split()
    if len(words) != 2:
        return None
    # busybox writes IPv4 clients of its IPv6 socket as [::ffff:10.0.0.1].
    return Seen(words[0], words[1].strip("[]").removeprefix("::ffff:"))


def _task(task_id: TaskID, number: int) -> Task:
    return Task(
        id=task_id,
        service_id=SERVICE,
        spec_version=Version(1),
        slot=number,
        node_id=NodeID(f"node{number}"),
    )


async def _run(engine_path: str, task: Task, command: str, done: Done) -> Container:
    """Create and start a task's container, and look at it."""
    assert done.networks is not None
    container = ContainerSpec(
        image="busybox", command=("sh", "-c", command), env=(f"NAME={task.id}",)
    )
    spec = ServiceSpec(
        name="shop_web",
        labels={},
        task_template=TaskSpec(container_spec=container, force_update=0),
        mode=ServiceMode(),
    )
    async with DockerEngine(engine_path) as engine:
        version = await engine.api_version()
        place = Place(
            cluster_id=ClusterID("cluster"),
            node_id=task.node_id,
            api_version=(version.major, version.minor),
        )
        request = container_request(task, spec, place, done.networks)
        container_id = await engine.create_container(request.name, request.body)
        for network, body in request.connects(container_id):
            await engine.connect_network(network, body)
        await engine.start_container(container_id)
        found = await engine.inspect_container(container_id)
        assert found is not None
        return found


async def _start(engine_path: str, container_id: str) -> Container:
    async with DockerEngine(engine_path) as engine:
        await engine.start_container(container_id)
        found = await engine.inspect_container(container_id)
        assert found is not None
        return found


async def _remove(engine_path: str, container_id: str) -> None:
    async with DockerEngine(engine_path) as engine:
        await engine.remove_container(container_id)


def _local(
    plane: DataPlane, task_id: TaskID, network_ids: Collection[NetworkID], container: Container
) -> LocalTask:
    addresses = {
        network.id: endpoint.addresses
        for network in plane.networks
        for endpoint in network.endpoints
        if network.id in network_ids and endpoint.task_id == task_id
    }
    return LocalTask(
        task_id=task_id,
        service_id=SERVICE,
        container_id=container.id,
        pid=container.pid,
        addresses=addresses,
    )
