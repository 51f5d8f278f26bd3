"""One node's data plane without a daemon: the real loops in a host of the lab, driven by a test.

`python -m tests.real.plane_node SOCKET` answers one order per connection on a unix socket: each is
a msgpack `Order`, each answer a `Done`.
"""

import asyncio
import sys

import msgspec

from swarmd.dns.server import Resolver
from swarmd.engine.client import DockerEngine
from swarmd.errors import EngineError
from swarmd.ingress import loop as mesh_loop
from swarmd.ingress.loop import MeshLoop
from swarmd.ingress.vips import VipLoop
from swarmd.model.dataplane import DataPlane, LocalTask
from swarmd.model.ids import NetworkID, TaskID
from swarmd.net.kernel import LinuxKernel
from swarmd.overlay import carry
from swarmd.overlay.loop import OverlayLoop
from swarmd.wire.container import TaskNetworks

ENGINE = "/run/docker.sock"


class Follow(msgspec.Struct, tag=True):
    """A new data plane, and a look at what there is."""

    plane: DataPlane


class Tasks(msgspec.Struct, tag=True):
    """The node's running containers; answered when their tables are written."""

    tasks: tuple[LocalTask, ...]


class Attach(msgspec.Struct, tag=True):
    """Answered when the networks stand."""

    task_id: TaskID
    network_ids: tuple[NetworkID, ...]


class Leave(msgspec.Struct, tag=True):
    """Remove everything; the node ends then."""


Order = Follow | Tasks | Attach | Leave


class Done(msgspec.Struct):
    """The answer."""

    networks: TaskNetworks | None = None
    error: str = ""


class PlaneNode:
    """The loops of one node."""

    def __init__(self, engine: DockerEngine) -> None:
        self.engine, self.kernel = engine, LinuxKernel()
        self.mesh = MeshLoop(self.kernel)
        self.overlay = OverlayLoop(engine, self.kernel, on_made=self.mesh.look)
        self.vips = VipLoop(self.kernel)
        self.resolver = Resolver(self.vips.written)

    async def obey(self, order: Order) -> Done:
        match order:
            case Follow(plane=plane):
                for loop in (self.overlay, self.mesh, self.vips, self.resolver):
                    loop.follow(plane)
                self.overlay.look()
                self.mesh.look()
            case Tasks(tasks=tasks):
                self.vips.follow_tasks(tasks)
                self.overlay.follow_tasks(tasks)
                self.mesh.look()
                for task in tasks:
                    await self.vips.written(task.task_id)
            case Attach(task_id=task_id, network_ids=network_ids):
                try:
                    return Done(await self.overlay.attach(task_id, network_ids, ()))
                except EngineError as error:
                    return Done(error=str(error))
            case Leave():
                await mesh_loop.leave(self.kernel)
                await carry.leave(self.engine, self.kernel)
        return Done()

    async def serve(self, path: str) -> None:
        """Until it has left."""
        leaving, stopped, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            order = msgspec.msgpack.decode(await reader.read(), type=Order)
            if isinstance(order, Leave):
                leaving.set()
                await stopped.wait()
            writer.write(msgspec.msgpack.encode(await self.obey(order)))
            await writer.drain()
            writer.close()
            if isinstance(order, Leave):
                gone.set()

        async with await asyncio.start_unix_server(answer, path):
            async with asyncio.TaskGroup() as group:
                loops = [
                    group.create_task(loop.run())
                    for loop in (self.overlay, self.mesh, self.vips, self.resolver)
                ]
                await leaving.wait()
                for loop in loops:
                    loop.cancel()
            stopped.set()
            await gone.wait()


async def main(path: str) -> None:
    """Serve one node."""
    async with DockerEngine(ENGINE) as engine:
        await PlaneNode(engine).serve(path)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
