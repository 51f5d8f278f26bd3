"""The operator of nodes: availability, labels, roles; nodes that leave, die, are removed, come again."""

import asyncio
import json
from random import Random

import msgspec

from swarmd.api.message import Request
from swarmd.ca.tokens import join_token
from swarmd.errors import SwarmError
from swarmd.model.node import Availability, Node, NodeState, Role
from swarmd.sim.client import API, Client, UnansweredError, at
from swarmd.sim.wishes import NodeWish, Wishes
from swarmd.sim.world import Machine, World
from swarmd.store.view import View
from swarmd.wire.swarm import JoinRequest

#: So many managers are wished for.
MANAGERS = range(3, 6)
#: A node that was killed is DOWN within this, or somebody has started it again.
DOWN_S = 45.0
AVAILABILITIES = (*(Availability.ACTIVE,) * 3, *(Availability.DRAIN,) * 2, Availability.PAUSE)


class Operator:
    """Of one world's nodes."""

    def __init__(self, world: World, client: Client, wishes: Wishes) -> None:
        self._world, self._client, self._wishes = world, client, wishes
        self._chance = Random(f"operator {world.seed}")
        self._busy: set[str] = set()
        #: the newest state that anybody has
        self.newest: View | None = None

    def follow(self, _before: View | None, view: View, _touched: object) -> None:
        """There is a newer state."""
        self.newest = view

    async def once(self) -> None:
        """One deed on one node that nobody else is busy with."""
        idle = [m for m in self._world.machines if m.name not in self._busy]
        if not idle:
            return
        machine = self._chance.choice(idle)
        self._busy.add(machine.name)
        deeds = (self._availability, self._zone, self._role, self._leave, self._replace)
        deed = self._chance.choices(deeds, (4, 3, 3, 2, 2))[0]
        try:
            await (deed(machine) if self._node(machine) else self._mend(machine))
        except (SwarmError, UnansweredError) as error:
            self._world.trace("refused", machine.name, type(error).__name__, str(error))
        finally:
            self._busy.discard(machine.name)

    # ---- a node's spec

    async def _availability(self, machine: Machine) -> None:
        if (node := self._node(machine)) is not None:
            await self._change(node, availability=self._chance.choice(AVAILABILITIES))

    async def _zone(self, machine: Machine) -> None:
        if (node := self._node(machine)) is not None:
            await self._change(node, zone=self._chance.choice(("east", "west")))

    async def _role(self, machine: Machine) -> None:
        """Only as long as there are neither too few managers nor too many."""
        node = self._node(machine)
        if node is None:
            return
        is_manager = node.spec.role is Role.MANAGER
        if len(self._managers()) + (-1 if is_manager else 1) in MANAGERS:
            await self._change(node, role=Role.WORKER if is_manager else Role.MANAGER)

    def _managers(self) -> list[Node]:
        """All that are to be, those that are not yet or no more too."""
        nodes = self.newest.nodes().values() if self.newest else ()
        return [node for node in nodes if node.spec.role is Role.MANAGER]

    def _is_spare(self, node: Node) -> bool:
        """The managers can do without this one, which is one of them."""
        managers = self._managers()
        return len(managers) - 1 in MANAGERS and all(_is_voter(one) for one in (*managers, node))

    async def _change(self, node: Node, **parts: object) -> None:
        before = self._wishes.nodes.get(node.id)
        version = await self._client.version("node_inspect", node.id)
        base = before or NodeWish(role=node.spec.role)
        wish = msgspec.structs.replace(base, **parts)
        body = {
            "Labels": {"zone": wish.zone} if wish.zone else {},
            "Role": wish.role,
            "Availability": wish.availability,
        }
        self._wishes.nodes[node.id] = None
        try:
            await self._client.write(
                "node_update", "POST", node.id, json.dumps(body).encode(), version=version
            )
        except SwarmError:
            self._wishes.nodes[node.id] = before
            raise
        self._wishes.nodes[node.id] = wish

    # ---- nodes that go, and others that come on the same machine

    async def _leave(self, machine: Machine) -> None:
        """A manager leaves by force, while there are enough others."""
        node = self._node(machine)
        if node is None or not (_is_worker(node) or self._is_spare(node)):
            await self._role(machine)
            return
        await self._depart(machine)
        if not _is_worker(
            node
        ):  # it may have left without a word: nobody else takes its member out
            await self._change(node, role=Role.WORKER)
        await self._forget(node)
        await asyncio.sleep(self._chance.uniform(0.0, 3.0))
        await self._join(machine)

    async def _replace(self, machine: Machine) -> None:
        """It died, is removed from the swarm, and comes back without knowing."""
        node = self._node(machine)
        if node is None or not _is_worker(node):
            await self._role(machine)
            return
        self._world.kill(machine)
        await self._world.until(lambda: self._state(node) is NodeState.DOWN, DOWN_S)
        try:
            await self._forget(node)
        finally:
            self._world.revive(machine)

    async def _forget(self, node: Node) -> None:
        """`node rm`."""
        before = self._wishes.nodes.get(node.id)
        self._wishes.nodes[node.id] = None
        try:
            await self._client.write("node_remove", "DELETE", node.id)
        except SwarmError:
            self._wishes.nodes[node.id] = before
            raise
        del self._wishes.nodes[node.id]

    async def _depart(self, machine: Machine) -> None:
        self._world.trace("leaves", machine.name)
        request = Request(method="POST", target="/swarm/leave", version=API, query={"force": "1"})
        machine.undisturbed_since, machine.is_leaving = self._world.loop.now, True
        await at(machine, lambda daemon: daemon.nouns.handlers()["swarm_leave"](request))

    async def _join(self, machine: Machine) -> None:
        if self.newest is None or (cluster := self.newest.cluster) is None:
            return
        self._world.trace("joins", machine.name)
        managers = [n.member.address for n in self.newest.nodes().values() if n.member is not None]
        request = JoinRequest(
            remote_addrs=tuple(self._chance.sample(managers, len(managers))),
            join_token=join_token(cluster.root_certificate, cluster.join_secrets.worker),
        )
        machine.is_leaving = False
        await at(machine, lambda daemon: daemon.join(request))
        if machine.node_id:
            self._wishes.nodes[machine.node_id] = NodeWish(role=Role.WORKER)

    # ---- in the end

    async def mend(self) -> None:
        """Every machine belongs to the swarm again; until cancelled."""
        while True:
            for machine in self._world.machines:
                try:
                    await self._mend(machine)
                except (SwarmError, UnansweredError) as error:
                    self._world.trace("refused", machine.name, type(error).__name__, str(error))
            await asyncio.sleep(1.0)

    async def _mend(self, machine: Machine) -> None:
        if machine.daemon is None or not machine.is_up or self.newest is None:
            return
        if machine.node_id and self.newest.node(machine.node_id) is None:
            await self._depart(machine)
        if not machine.node_id:
            await self._join(machine)

    def _node(self, machine: Machine) -> Node | None:
        """Its record, as far as anybody knows."""
        if self.newest is None or not machine.node_id:
            return None
        return self.newest.node(machine.node_id)

    def _state(self, node: Node) -> NodeState | None:
        record = self.newest.node(node.id) if self.newest else None
        return record.status.state if record else None


def _is_worker(node: Node) -> bool:
    """Neither a manager nor about to be one, nor still one."""
    return Role.MANAGER not in (node.spec.role, node.role) and node.member is None


def _is_voter(node: Node) -> bool:
    is_ready = node.status.state is NodeState.READY
    return is_ready and node.member is not None and not node.member.is_learner
