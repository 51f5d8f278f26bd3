"""Whole agents against an engine, a disk and a manager in memory, in virtual time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from swarmd.agent.description import NodeFacts
from swarmd.agent.executor import NodeNetworks
from swarmd.agent.loop import Agent, AgentHooks, AgentPorts, leave
from swarmd.agent.presence import LocalContainer
from swarmd.agent.state import ASSIGNMENTS_FILE, MEMORIES_FILE
from swarmd.config import AgentConfig
from swarmd.errors import EngineError, InvalidArgumentError
from swarmd.model.assignment import LogOptions, LogSubscription, SessionMessage
from swarmd.model.ids import ClusterID, TaskID
from swarmd.model.spec import SECOND
from swarmd.model.task import Task, TaskState
from swarmd.ports import Container, LogChunk
from swarmd.wire.container import CLUSTER_LABEL, TASK_ID_LABEL, TaskEndpoint, TaskNetworks
from tests.unit.agent.fake_engine import FakeEngine, Machine
from tests.unit.agent.scene import CLUSTER, IMAGE, NODE, change, complete, spec, task
from tests.unit.agent.world import LoopClock, Manager, MemoryDisk, Middle, run, until


class World:
    """One node, and a manager."""

    def __init__(self, manager: Manager | None = None) -> None:
        self.machine = Machine(IMAGE)
        self.engine = FakeEngine(self.machine)
        self.disk = MemoryDisk()
        self.clock = LoopClock()
        self.manager = manager or Manager()
        self.config = AgentConfig()
        self.sessions: list[SessionMessage] = []
        self.local: tuple[LocalContainer, ...] = ()
        self.told: list[tuple[LocalContainer, ...]] = []
        self.networks = TaskNetworks()
        self.network_error: Exception | None = None
        self.waiting_for_networks = 0
        self.networks_hang = False
        #: other nodes still lead traffic here until it is set
        self.traffic_ends = asyncio.Event()
        self.traffic_ends.set()
        #: times that the engine was found
        self.finds = 0
        self.agent = self._new_agent()

    def _new_agent(self) -> Agent:
        return Agent(
            AgentPorts(engine=self.engine, clock=self.clock, random=Middle(), disk=self.disk),
            AgentHooks(
                connect=self.manager.connect,
                facts=lambda: NodeFacts(hostname="fallback"),
                networks=NodeNetworks(ready=self._networks_ready, led_away=self._led_away),
                on_session=self.sessions.append,
                on_local=self._on_local,
                on_engine=self._on_engine,
            ),
            self.config,
            node_id=NODE,
            cluster_id=CLUSTER,
        )

    def _on_local(self, containers: tuple[LocalContainer, ...]) -> None:
        self.local = containers
        self.told.append(containers)

    async def _networks_ready(self, task: Task) -> TaskNetworks:
        assert task.id
        self.waiting_for_networks += 1
        if self.networks_hang:
            await asyncio.Event().wait()
        if self.network_error is not None:
            raise self.network_error
        return self.networks

    def _on_engine(self) -> None:
        self.finds += 1

    async def _led_away(self, task: Task) -> None:
        assert task.attachments
        await self.traffic_ends.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """An agent runs; afterwards it is killed without a word."""
        self.agent = self._new_agent()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.agent.run())
            yield
            running.cancel()

    def shows(self, number: int, state: str) -> bool:
        return self.manager.state_of(number) == state


def test_an_assigned_task_runs_and_the_manager_hears_of_it() -> None:
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.shows(1, "running") and world.shows(2, "running"))
            assert {c.name for c in world.machine.containers.values()} == {
                "web.1.t1",
                "web.2.t2",
            }
            assert [(c.task.id, c.is_serving, c.pid) for c in world.local] == [
                ("t1", True, 1000),
                ("t2", True, 1000),
            ]
            [description] = world.manager.descriptions
            assert (description.hostname, description.platform.os) == ("alpha", "linux")
            await until(lambda: len(world.manager.beats) > 2)
            assert world.manager.beats[-1].engine_reachable

    run(scenario())
    assert world.machine.starts == {"t1": 1, "t2": 1}


def test_a_restarted_agent_adopts_what_runs_and_restarts_nothing() -> None:
    """Kill -9 of a worker's swarmd; no manager answers when it comes back."""
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(*(task(n) for n in range(1, 6)))
            await until(lambda: all(world.shows(n, "running") for n in range(1, 6)))
        world.manager.die()
        world.told.clear()
        async with world.running():
            await until(lambda: world.told)
            assert [len(told) for told in world.told] == [5]
            await asyncio.sleep(100)
            assert [(c.state, c.is_serving) for c in world.local] == [("running", True)] * 5
            world.manager.live(term=2)
            sessions = len(world.sessions)
            await until(lambda: len(world.sessions) > sessions)
            await asyncio.sleep(5)
        assert all(world.shows(n, "running") for n in range(1, 6))

    run(scenario())
    assert all(count == 1 for count in world.machine.starts.values())
    assert (world.engine.calls["create_container"], world.machine.removed) == (5, [])


def test_the_disk_is_lost_and_a_container_that_should_not_run_is_found() -> None:
    """Somebody emptied the state directory; meanwhile the manager gave the task up."""
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.shows(1, "running") and world.shows(2, "running"))
        world.disk.files.clear()
        world.manager.tasks[TaskID("t1")] = task(1, TaskState.SHUTDOWN, state=TaskState.ORPHANED)
        world.manager.tasks[TaskID("t2")] = task(2, state=TaskState.RUNNING)
        world.told.clear()
        async with world.running():
            await until(lambda: world.machine.containers["c1"].status == "exited")
            assert [c.task.id for c in world.told[0]] == ["t1", "t2"]
            await until(lambda: [c.task.id for c in world.local] == ["t2"])

    run(scenario())
    assert world.machine.starts == {"t1": 1, "t2": 1}


def test_what_ended_while_swarmd_was_down_is_told_afterwards() -> None:
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
        world.machine.die("c1", 3)
        async with world.running():
            await until(lambda: world.shows(1, "failed"))
        assert world.manager.statuses[TaskID("t1")].err == "task: non-zero exit (3)"

    run(scenario())
    assert world.machine.starts == {"t1": 1}


def test_an_engine_that_goes_away_and_returns_fails_nothing() -> None:
    """The engine is restarted with live-restore; one container died meanwhile."""
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.shows(1, "running") and world.shows(2, "running"))
            world.engine.leave()
            await until(lambda: not world.manager.beats[-1].engine_reachable)
            world.manager.want(task(3))
            world.machine.die("c2", 1)
            await asyncio.sleep(120)
            assert world.shows(1, "running")
            assert world.shows(2, "running")
            assert world.shows(3, "preparing")
            world.engine.back()
            await until(lambda: world.shows(3, "running") and world.shows(2, "failed"))
            assert world.manager.beats[-1].engine_reachable
            assert world.shows(1, "running")

    run(scenario())
    assert world.machine.starts == {"t1": 1, "t2": 1, "t3": 1}


def test_a_node_without_its_engine_is_listed_and_described_anew_when_the_engine_comes() -> None:
    """The machine boots, and swarmd is up before the engine."""
    world = World()
    world.engine.is_away = True

    async def scenario() -> None:
        manager = world.manager
        async with world.running():
            await until(lambda: manager.beats)
            assert not manager.beats[-1].engine_reachable
            assert manager.descriptions[-1].hostname == "fallback"
            world.engine.back()
            await until(lambda: manager.beats[-1].engine_reachable, within_s=2)
            await until(lambda: manager.descriptions[-1].hostname == "alpha", within_s=2)

    run(scenario())


def test_an_engine_that_refuses_to_list_is_not_asked_in_a_busy_loop() -> None:
    world = World()
    world.engine.faults["list_containers"] = [EngineError(500, "database is locked")] * 1000

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
            await asyncio.sleep(60)

    run(scenario())
    assert world.engine.calls["list_containers"] < 120


def test_an_event_hurries_the_look_and_a_lost_one_only_delays_it() -> None:
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.shows(1, "running") and world.shows(2, "running"))
            world.machine.die("c1", 0)
            await until(lambda: world.shows(1, "complete"), within_s=0.5)
            world.engine.is_mute = True
            world.machine.die("c2", 0)
            await until(lambda: world.shows(2, "complete"), within_s=31)

    run(scenario())


def test_a_health_check_decides_when_a_task_runs_and_when_it_fails() -> None:
    world = World()
    world.machine.health = "starting"

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "starting"))
            world.machine.change("c1", "health_status: healthy", health="healthy")
            await until(lambda: world.shows(1, "running"), within_s=0.5)
            world.machine.change("c1", "health_status: unhealthy", health="unhealthy")
            await until(lambda: world.shows(1, "failed"), within_s=0.5)
        assert world.manager.statuses[TaskID("t1")].err == (
            "task: non-zero exit (143): dockerexec: unhealthy container"
        )

    run(scenario())


def test_a_pull_is_cut_short_when_its_task_is_no_longer_wanted() -> None:
    """A registry that answers nothing, and a user who corrects the image."""
    world = World()
    world.machine.images.clear()
    world.engine.hanging.add("pull_image")

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.engine.under_way["pull_image"] == 2)
            world.manager.want(task(1, TaskState.SHUTDOWN))
            await until(lambda: world.shows(1, "shutdown"), within_s=0.5)
            world.manager.drop("t2")
            await until(lambda: world.engine.under_way["pull_image"] == 0, within_s=0.5)

    run(scenario())
    assert world.engine.calls["create_container"] == 0


def test_killed_during_a_pull_the_next_agent_pulls_again_once_it_has_the_credentials() -> None:
    manager = Manager()
    manager.auth = "c2VjcmV0"
    world = World(manager)
    world.machine.images.clear()
    world.machine.registry.add(IMAGE)
    world.engine.hanging.add("pull_image")

    async def scenario() -> None:
        async with world.running():
            manager.tasks[TaskID("t1")] = task(1)
            await until(lambda: world.engine.under_way["pull_image"] == 1)
            await until(lambda: ASSIGNMENTS_FILE in world.disk.files)
        world.engine.hanging.clear()
        manager.die()
        assert b"c2VjcmV0" not in world.disk.files[ASSIGNMENTS_FILE]
        async with world.running():
            await asyncio.sleep(60)
            assert len(world.engine.pulls) == 1
            manager.live(term=2)
            await until(lambda: world.shows(1, "running"))
        assert world.engine.pulls[-1] == (IMAGE, "c2VjcmV0")

    manager.tasks[TaskID("t1")] = task(1)
    run(scenario())


def test_a_stop_deadline_survives_a_restart() -> None:
    world = World()
    world.machine.is_stubborn = True
    world.manager.spec = spec(stop_grace_period=20 * SECOND)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
            world.manager.want(task(1, TaskState.SHUTDOWN))
            await until(lambda: world.machine.signals)
            asked_at = loop.time()
            await asyncio.sleep(5)
        assert world.machine.signals == [("c1", "SIGTERM")]
        await asyncio.sleep(5)
        world.manager.die()
        async with world.running():
            await until(lambda: len(world.machine.signals) > 1)
            assert world.machine.signals[1:] == [("c1", "SIGKILL")]
            assert loop.time() - asked_at == pytest.approx(20, abs=1)
            world.manager.live(term=2)
            await until(lambda: world.shows(1, "shutdown"))

    run(scenario())


def test_traffic_is_led_elsewhere_before_a_container_is_asked_to_stop() -> None:
    world = World()
    world.networks = TaskNetworks(endpoints=(TaskEndpoint(network="swarmd-net0"),))

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1, networks=1))
            await until(lambda: world.shows(1, "running"))
            world.manager.want(task(1, TaskState.SHUTDOWN, networks=1))
            await until(lambda: not world.local[0].is_serving, within_s=0.1)
            withdrawn_at = loop.time()
            assert not world.machine.signals
            await until(lambda: world.machine.signals)
            assert loop.time() - withdrawn_at >= world.config.withdraw_s - 0.05

    run(scenario())


@pytest.mark.parametrize("ends_after_s", [1.2, None])
def test_a_stop_waits_for_nodes_that_still_send_traffic_but_not_for_ever(
    ends_after_s: float | None,
) -> None:
    """A node under load changes its tables late; one that is gone never says so."""
    world = World()
    world.networks = TaskNetworks(endpoints=(TaskEndpoint(network="swarmd-net0"),))
    world.traffic_ends.clear()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1, networks=1))
            await until(lambda: world.shows(1, "running"))
            world.manager.want(task(1, TaskState.SHUTDOWN, networks=1))
            await until(lambda: not world.local[0].is_serving, within_s=0.1)
            withdrawn_at = loop.time()
            if ends_after_s is not None:
                loop.call_later(ends_after_s, world.traffic_ends.set)
            await until(lambda: world.machine.signals)
            waited_s = loop.time() - withdrawn_at
            assert waited_s == pytest.approx(ends_after_s or world.config.lead_away_s, abs=0.1)

    run(scenario())


def test_the_node_hears_each_time_that_the_engine_was_found() -> None:
    """What the engine keeps, its networks and firewall, may be another than before."""
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.finds == 1)
            world.engine.leave()
            await until(lambda: not world.agent.is_engine_reachable)
            assert world.finds == 1
            world.engine.back()
            await until(lambda: world.finds == 2)

    run(scenario())


def _put(world: World, name: str, labels: dict[str, str]) -> None:
    world.machine.containers[name] = Container(
        id=name, name=name, labels=labels, status="running", image=IMAGE
    )


def test_strays_are_removed_only_after_a_complete_set_and_only_this_clusters() -> None:
    world = World()
    _put(world, "stray", {CLUSTER_LABEL: CLUSTER, TASK_ID_LABEL: "gone"})
    _put(world, "other", {CLUSTER_LABEL: "other-cluster", TASK_ID_LABEL: "gone"})
    _put(world, "swarm", {TASK_ID_LABEL: "gone"})
    _put(world, "users", {})

    async def scenario() -> None:
        world.manager.is_here = False
        async with world.running():
            await asyncio.sleep(100)
            assert len(world.machine.containers) == 4
            world.manager.live(term=1)
            await until(lambda: world.sessions)
            await until(lambda: world.machine.removed == ["stray"])
            await asyncio.sleep(100)
        assert set(world.machine.containers) == {"other", "swarm", "users"}

    run(scenario())


def test_a_node_that_was_cut_off_removes_what_is_no_longer_assigned() -> None:
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.shows(1, "running") and world.shows(2, "running"))
            world.manager.die()
            del world.manager.tasks[TaskID("t1")]
            await asyncio.sleep(30)
            assert not world.machine.removed
            world.manager.live(term=2)
            await until(lambda: world.machine.removed == ["c1"])
            await asyncio.sleep(60)
        assert world.machine.removed == ["c1"]

    run(scenario())


def test_a_deposed_leader_is_not_obeyed_even_after_a_restart() -> None:
    """An old leader, cut off from the others, still believes that it leads."""
    world = World()

    async def scenario() -> None:
        world.manager.term = 5
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
        world.manager.die()
        world.manager.tasks.clear()
        world.manager.live(term=4)
        async with world.running():
            await asyncio.sleep(60)
            assert not world.machine.removed
            assert world.manager.sessions > 3
            world.manager.die()
            world.manager.live(term=6)
            await until(lambda: world.machine.removed == ["c1"])

    run(scenario())


def test_a_gap_in_the_assignments_is_mended_by_a_complete_set() -> None:
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.manager.complete_sets == 1)
            world.manager.tasks[TaskID("t1")] = task(1)
            world.manager.send(change(7, task(1)))
            await until(lambda: world.shows(1, "running"))
        assert (world.manager.complete_sets, world.manager.sessions) == (2, 1)

    run(scenario())


def test_a_full_disk_keeps_new_containers_from_being_made_and_running_ones_run() -> None:
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
            world.disk.is_full = True
            world.manager.want(task(2))
            await asyncio.sleep(30)
            assert world.engine.calls["create_container"] == 1
            world.manager.want(task(1, TaskState.SHUTDOWN))
            await until(lambda: world.shows(1, "shutdown"))
            world.disk.is_full = False
            await until(lambda: world.shows(2, "running"))

    run(scenario())


@pytest.mark.parametrize("damage", ["half", "foreign", "later", "empty"])
def test_state_that_cannot_be_used_is_set_aside_and_the_manager_sends_it_again(damage: str) -> None:
    """Bits that rot, a state directory copied from another node, a downgrade."""
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
            await asyncio.sleep(3)
        for name in (ASSIGNMENTS_FILE, MEMORIES_FILE):
            data = world.disk.files[name]
            content = msgspec.msgpack.decode(data)
            if damage == "foreign":
                data = msgspec.msgpack.encode({**content, "ClusterID": "another"})
            elif damage == "later":
                data = msgspec.msgpack.encode({**content, "Format": 2})
            else:
                data = data[: len(data) // 2] if damage == "half" else b""
            world.disk.files[name] = data
        async with world.running():
            await asyncio.sleep(60)
        assert f"{ASSIGNMENTS_FILE}.unreadable" in world.disk.files
        assert world.shows(1, "running")

    run(scenario())
    assert world.machine.starts == {"t1": 1}
    assert not world.machine.removed


def test_networks_are_awaited_before_the_create_and_reject_the_task_when_they_do_not_come() -> None:
    world = World()
    world.networks_hang = True

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.waiting_for_networks == 2)
            world.manager.want(task(2, TaskState.SHUTDOWN))
            await until(lambda: world.shows(2, "shutdown"), within_s=1)
            await until(lambda: world.shows(1, "rejected"))
            world.networks_hang = False
            world.network_error = InvalidArgumentError("network net0 has no address here")
            world.manager.want(task(3))
            await until(lambda: world.shows(3, "rejected"))
            world.network_error = EngineError(0, "connection refused")
            world.manager.want(task(4))
            await asyncio.sleep(10)
            assert world.shows(4, "preparing")
            world.network_error = None
            await until(lambda: world.shows(4, "running"))
        errs = [world.manager.statuses[TaskID(f"t{n}")].err for n in (1, 3)]
        assert errs == [
            "node is missing network attachments, ip addresses may be exhausted",
            "network net0 has no address here",
        ]

    run(scenario())


def test_older_engines_get_their_networks_one_by_one_or_no_container_at_all() -> None:
    world = World()
    world.engine.api_version = "1.43"
    world.networks = TaskNetworks(
        endpoints=(TaskEndpoint(network="swarmd-net0"), TaskEndpoint(network="swarmd-net1"))
    )
    world.engine.faults["connect_network"] = [EngineError(404, "network swarmd-net1 not found")]

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1, networks=2))
            await until(lambda: world.shows(1, "rejected"))
            assert not world.machine.containers
            world.manager.want(task(2, networks=2))
            await until(lambda: world.shows(2, "running"))
        assert world.engine.connects == ["swarmd-net1"]

    run(scenario())


def test_calls_that_are_too_late_are_looked_after_not_repeated_blindly() -> None:
    """An engine that is busy for minutes still makes the container in the end."""
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.engine.hanging.add("start_container")
            world.manager.want(task(1))
            await until(lambda: world.engine.calls["start_container"] == 1)
            await asyncio.sleep(world.config.call_s - 1)
            assert world.shows(1, "starting")
            world.machine.start("c1")
            world.engine.hanging.clear()
            await until(lambda: world.shows(1, "running"))

    run(scenario())
    assert world.machine.starts == {"t1": 1}


def test_concurrency_is_bounded_and_a_stop_does_not_queue_behind_creates() -> None:
    world = World()
    world.config = AgentConfig(engine_calls=4)

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
            world.engine.hanging.add("create_container")
            world.manager.want(*(task(n) for n in range(2, 52)))
            await until(lambda: world.engine.under_way["create_container"] == 4)
            world.manager.want(task(1, TaskState.SHUTDOWN))
            await until(lambda: world.shows(1, "shutdown"), within_s=1)
            world.engine.hanging.clear()
            await until(lambda: all(world.shows(n, "running") for n in range(2, 52)))
        assert world.engine.most_under_way["create_container"] == 4

    run(scenario())


def test_statuses_are_batched_and_the_ones_that_somebody_waits_for_go_at_once() -> None:
    world = World()
    world.config = AgentConfig(report_most=20)

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(*(task(n) for n in range(1, 51)))
            await until(lambda: all(world.shows(n, "running") for n in range(1, 51)))
        assert all(len(report.updates) <= 20 for report in world.manager.reports)
        assert len(world.manager.reports) < 50

    run(scenario())
    assert "t1 accepted" not in world.manager.history


def test_a_goodbye_is_said_and_its_failure_hurts_nobody() -> None:
    world = World()

    async def scenario() -> None:
        await world.agent.goodbye()
        async with world.running():
            await until(lambda: world.sessions)
            await until(lambda: world.manager.complete_sets)
            await world.agent.goodbye()
            assert world.manager.goodbyes == 1
            world.manager.is_here = False
            await world.agent.goodbye()

    run(scenario())


def test_logs_of_a_task_are_followed_from_before_its_container_exists() -> None:
    world = World()

    async def scenario() -> None:
        manager = world.manager
        async with world.running():
            await until(lambda: world.sessions)
            follow = LogOptions(follow=True)
            manager.subscriptions.put_nowait(
                LogSubscription(id="s1", task_ids=(TaskID("t1"),), options=follow)
            )
            await asyncio.sleep(1)
            manager.want(task(1))
            world.engine.lines["c1"] = [LogChunk(stream=1, at=5, data=b"hello\n")]
            await until(lambda: manager.batches)
            [message] = manager.batches[0].messages
            assert (message.task_id, message.stream, message.data) == ("t1", 1, b"hello\n")
            # The reader goes on to follow a second task, which has ended without a container.
            manager.subscriptions.put_nowait(
                LogSubscription(id="s1", task_ids=(TaskID("t1"), TaskID("t2")), options=follow)
            )
            manager.want(task(2, TaskState.SHUTDOWN))
            await until(lambda: any(batch.errors for batch in manager.batches))
            assert manager.batches[-1].ended == ("t2",)
            manager.subscriptions.put_nowait(LogSubscription(id="s1", close=True))
            await until(lambda: world.engine.calls["logs"] == 1)
            await asyncio.sleep(1)
            count = len(manager.batches)
            world.engine.lines["c1"] += [LogChunk(stream=1, at=6, data=b"late\n")]
            await asyncio.sleep(5)
            assert len(manager.batches) == count

    run(scenario())


def test_logs_read_once_end_and_a_reader_that_left_ends_them_too() -> None:
    world = World()

    async def scenario() -> None:
        manager = world.manager
        async with world.running():
            await until(lambda: world.sessions)
            manager.want(task(1))
            await until(lambda: world.shows(1, "running"))
            world.engine.lines["c1"] = [
                LogChunk(stream=2, at=n, data=b"x" * 1000) for n in range(3000)
            ]
            names = (TaskID("t1"), TaskID("t9"))
            manager.subscriptions.put_nowait(LogSubscription(id="s1", task_ids=names))
            await until(lambda: sum(len(b.ended) for b in manager.batches) == 2)
            assert sum(len(b.messages) for b in manager.batches) == 3000
            errors = {k: v for b in manager.batches for k, v in b.errors.items()}
            assert errors == {"t9": "task t9 has no container"}
            manager.batches.clear()
            manager.is_read = False
            manager.subscriptions.put_nowait(LogSubscription(id="s2", task_ids=names[:1]))
            await until(lambda: manager.batches)
            await asyncio.sleep(5)
            assert len(manager.batches) == 1
            assert len(world.sessions) == 1

    run(scenario())


def test_leaving_removes_this_clusters_containers_and_the_state() -> None:
    world = World()
    _put(world, "other", {CLUSTER_LABEL: ClusterID("other-cluster")})

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.sessions)
            world.manager.want(task(1), task(2))
            await until(lambda: world.shows(1, "running") and world.shows(2, "running"))
            await asyncio.sleep(3)
        world.engine.faults["remove_container"] = [EngineError(500, "device busy")]
        await leave(world.engine, world.disk, CLUSTER)
        assert set(world.machine.containers) == {"c1", "other"}
        await leave(world.engine, world.disk, CLUSTER)
        assert (set(world.machine.containers), world.disk.files) == ({"other"}, {})
        world.engine.leave()
        with pytest.raises(EngineError):
            await leave(world.engine, world.disk, CLUSTER)

    run(scenario())


def test_a_set_that_lacks_a_spec_is_asked_for_again() -> None:
    world = World()

    async def scenario() -> None:
        async with world.running():
            await until(lambda: world.manager.complete_sets == 1)
            world.manager.send(
                msgspec.structs.replace(complete(task(1)), specs=(), sequence=2, term=2)
            )
            await until(lambda: world.manager.complete_sets == 2)

    run(scenario())
