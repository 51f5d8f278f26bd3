"""The loop through which the leader writes, against a log that does what the test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec
import pytest

from swarmd.errors import (
    InvalidArgumentError,
    NameInUseError,
    NoLeaderError,
    OutcomeUnknownError,
    StateError,
    SwarmError,
)
from swarmd.model.ids import RequestID, Version
from swarmd.ports import Seconds, Timestamp
from swarmd.store.apply import Touched
from swarmd.store.entry import FEATURE_LEVEL, Change, Kind, PutNetwork, decode
from swarmd.store.sequencer import Write
from swarmd.store.store import Store
from swarmd.store.view import View
from tests.unit.store.records import command, entry, network


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.seconds: Seconds = 0.0
        self.wall_ns: Timestamp = 1000

    def monotonic(self) -> Seconds:
        return self.seconds

    def wall(self) -> Timestamp:
        return self.wall_ns


class Log:
    """Raft of one member: applies at once, or fails, or waits for `open`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.commands: list[bytes] = []
        self.term: int | None = 1
        self.barriers = 0
        #: raised instead of applying
        self.failure: Exception | None = None
        #: so many commands are taken, then this member leads no more
        self.fails_after: int | None = None
        #: raised after applying: the answer was lost
        self.lost: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        #: set when something was proposed
        self.asked = asyncio.Event()

    async def propose(self, command: bytes) -> bytes:
        self.commands.append(command)
        self.asked.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        if self.fails_after is not None and len(self.commands) > self.fails_after:
            raise NoLeaderError
        result = self._store.apply(len(self.commands), command)
        if self.lost is not None:
            raise self.lost
        return result

    async def barrier(self) -> int:
        self.barriers += 1
        return 0

    def leading_term(self) -> int | None:
        return self.term


class Scene:
    """A store, its log and its loop."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = Store(self.clock, "n1")
        self.log = Log(self.store)

    async def create(self, name: str, request_id: str = "") -> Version:
        """A network of that name."""
        return await self.store.write(
            Write(request_id=RequestID(request_id), principal="p", decide=_creating(name))
        )


def _creating(name: str) -> Callable[[View, Timestamp], Sequence[Change]]:
    def decide(view: View, _now: Timestamp) -> Sequence[Change]:
        if view.id_by_name("network", f"net-{name}") is not None:
            raise NameInUseError("network", name)
        return [PutNetwork(record=network(name))]

    return decide


@contextlib.asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Scene]:
    """Its loop runs meanwhile."""
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(scene.store.run(scene.log))
        try:
            yield scene
        finally:
            loop.cancel()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with running(Scene()) as made:
        yield made


async def test_an_acknowledged_write_is_in_the_log_and_in_view(scene: Scene) -> None:
    index = await scene.create("w1")
    assert index == 1
    assert scene.store.view().id_by_name("network", "net-w1") == "w1"
    (command,) = scene.log.commands
    (one,) = decode(command)
    assert (one.proposer, one.principal) == ("n1", "p")


async def test_writes_that_come_meanwhile_go_together(scene: Scene) -> None:
    """A batch costs one disk write whatever its size."""
    scene.log.open.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(scene.create("w0"))
        await scene.log.asked.wait()
        others = [group.create_task(scene.create(f"w{n}")) for n in range(1, 20)]
        await asyncio.sleep(0)  # in which each of them gets as far as the queue
        scene.log.open.set()
    assert first.result() == 1
    assert {one.result() for one in others} == {2}
    assert len(scene.log.commands) == 2
    times = [one.time for one in decode(scene.log.commands[1])]
    assert times == sorted(times)
    assert len(times) == 19


async def test_a_refusal_reaches_the_one_who_asked(scene: Scene) -> None:
    await scene.create("w1")
    with pytest.raises(NameInUseError):
        await scene.create("w1")
    assert len(scene.log.commands) == 1


async def test_twins_that_come_together_are_one_write(scene: Scene) -> None:
    scene.log.open.clear()
    async with asyncio.TaskGroup() as group:
        twins = [group.create_task(scene.create("w1", "r")) for _ in range(3)]
        await scene.log.asked.wait()
        scene.log.open.set()
    assert {one.result() for one in twins} == {1}
    assert len(scene.log.commands) == 1


async def test_who_does_not_lead_writes_nothing(scene: Scene) -> None:
    scene.log.term = None
    with pytest.raises(NoLeaderError):
        await scene.create("w1")
    assert scene.log.commands == []


async def test_an_unknown_outcome_is_told_and_a_retry_is_safe(scene: Scene) -> None:
    """The next batch is decided only when everything acknowledged before is applied here."""
    scene.log.lost = OutcomeUnknownError("the leader stepped down")
    with pytest.raises(OutcomeUnknownError):
        await scene.create("w1", "r")
    scene.log.lost = None
    assert await scene.create("w1", "r") == 1
    assert scene.log.barriers == 2


async def test_a_new_term_begins_with_a_barrier(scene: Scene) -> None:
    """What an earlier leader acknowledged must be seen before anything is decided."""
    await scene.create("w1")
    await scene.create("w2")
    assert scene.log.barriers == 1
    scene.log.term = 2
    await scene.create("w3")
    assert scene.log.barriers == 2


async def test_times_of_entries_rise_even_if_no_clock_does(scene: Scene) -> None:
    for name in ("w1", "w2", "w3"):
        await scene.create(name)
    nets = scene.store.view().networks().values()
    times = [net.meta.created_at for net in nets]
    assert times == sorted(set(times))
    assert scene.store.now() >= times[-1]


async def test_watchers_hear_what_was_touched_until_they_leave(scene: Scene) -> None:
    heard: list[Sequence[Touched] | None] = []
    leave = scene.store.watch(heard.append)
    await scene.create("w1")
    scene.store.install(1, list(scene.store.snapshot()))
    leave()
    await scene.create("w2")
    batch, everything = heard
    assert batch is not None
    assert [(one.kind, one.id) for one in batch] == [(Kind.NETWORK, "w1")]
    assert everything is None


async def test_a_view_stays_as_it_was_and_is_made_once(scene: Scene) -> None:
    await scene.create("w1")
    view = scene.store.view()
    assert scene.store.view() is view
    await scene.create("w2")
    assert len(view.networks()) == 1
    assert len(scene.store.view().networks()) == 2


async def test_waiting_for_an_index_ends_when_it_is_applied(scene: Scene) -> None:
    """A follower answers a forwarded write only then."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(scene.store.wait_for(Version(2)))
        await scene.create("w1")
        assert not waiting.done()
        await scene.create("w2")
    assert waiting.done()


async def test_what_another_manager_proposed_is_applied_from_its_bytes(scene: Scene) -> None:
    other = Scene()
    async with running(other):
        await other.create("w1")
    scene.store.apply(1, other.log.commands[0])
    assert scene.store.view().id_by_name("network", "net-w1") == "w1"


async def test_a_bug_in_one_writes_decision_fails_that_write_alone(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever writes at the same time is not made to wait for a time-out, and the loop goes on."""

    def broken(_view: View, _now: Timestamp) -> Sequence[Change]:
        raise KeyError("a bug")

    scene.log.open.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(scene.create("first"))
        await scene.log.asked.wait()
        write = Write(request_id=RequestID(""), principal="p", decide=broken)
        failing = group.create_task(_failure(scene.store.write(write)))
        other = group.create_task(scene.create("other"))
        await asyncio.sleep(0)
        scene.log.open.set()
    assert (first.result(), other.result()) == (1, 2)
    assert failing.result() == "internal error in the decision of a write"
    assert "KeyError: 'a bug'" in caplog.text


async def test_those_who_wait_when_the_loop_ends_are_told_at_once() -> None:
    """The manager is demoted; its clients ask another one."""
    scene = Scene()
    scene.log.open.clear()
    async with asyncio.TaskGroup() as group, running(scene):
        under_way = group.create_task(_failure(scene.create("under-way")))
        await scene.log.asked.wait()
        queued = group.create_task(_failure(scene.create("queued")))
        await asyncio.sleep(0)
    assert under_way.result() == "this manager has stopped"
    assert queued.result() == str(NoLeaderError())


async def _failure(write: Awaitable[Version]) -> str:
    try:
        await write
    except SwarmError as error:
        return str(error)
    return ""


async def test_large_batches_are_cut_between_entries(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raft refuses what is longer than 1.5 MiB."""
    monkeypatch.setattr("swarmd.store.store.PROPOSAL_BYTES", 200)
    scene.log.open.clear()
    async with asyncio.TaskGroup() as group:
        writes = [group.create_task(scene.create(f"w{n}")) for n in range(10)]
        await scene.log.asked.wait()
        scene.log.open.set()
    assert all(len(command) <= 200 for command in scene.log.commands)
    assert max(one.result() for one in writes) == len(scene.log.commands)
    assert len(scene.store.view().networks()) == 10


async def test_what_is_in_the_log_is_answered_for_though_the_rest_of_its_batch_is_not(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader lost its office between the two commands of a large batch."""
    monkeypatch.setattr("swarmd.store.store.PROPOSAL_BYTES", 200)
    scene.log.open.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(scene.create("first"))
        await scene.log.asked.wait()
        writes = [group.create_task(_told(scene, f"w{n}")) for n in range(6)]
        await asyncio.sleep(0)
        scene.log.fails_after = 2
        scene.log.open.set()
    assert first.result() == 1
    told = [one.result() for one in writes]
    networks = scene.store.view().networks().values()
    written = [f"w{n}" in {one.id for one in networks} for n in range(6)]
    assert told == ["written" if was else "not written" for was in written]
    assert set(told) == {"written", "not written"}


async def _told(scene: Scene, name: str) -> str:
    try:
        await scene.create(name)
    except NoLeaderError:
        return "not written"
    return "written"


async def test_a_write_that_is_too_large_is_refused_and_takes_no_other_with_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service whose environment holds somebody's whole archive, while others write, too."""
    monkeypatch.setattr("swarmd.store.store.MOST_BYTES", 400)
    scene.log.open.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(scene.create("first"))
        await scene.log.asked.wait()
        before, large, after = (
            group.create_task(_refusal(scene, name)) for name in ("before", "x" * 500, "after")
        )
        await asyncio.sleep(0)
        scene.log.open.set()
    assert first.result()
    assert [task.result() for task in (before, after)] == ["", ""]
    assert "too large" in large.result()
    names = {one.spec.name for one in scene.store.view().networks().values()}
    assert names == {"net-first", "net-before", "net-after"}


async def test_a_number_that_no_log_entry_holds_is_refused_and_takes_no_other_with_it(
    scene: Scene,
) -> None:
    """A program that makes its own writes may forget what the API checks."""

    def decide(_view: View, _now: Timestamp) -> Sequence[Change]:
        return [PutNetwork(record=msgspec.structs.replace(network("n"), vni=1 << 70))]

    scene.log.open.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(scene.create("first"))
        await scene.log.asked.wait()
        write = Write(request_id=RequestID(""), principal="p", decide=decide)
        odd = group.create_task(_words(scene.store.write(write)))
        after = group.create_task(_refusal(scene, "after"))
        await asyncio.sleep(0)
        scene.log.open.set()
    assert first.result()
    assert after.result() == ""
    assert "64 bits" in odd.result()


async def _refusal(scene: Scene, name: str) -> str:
    return await _words(scene.create(name))


async def _words(writing: Awaitable[Version]) -> str:
    """The words of a refusal, empty for none."""
    try:
        await writing
    except InvalidArgumentError as error:
        return str(error)
    return ""


def test_a_snapshot_is_of_one_moment_however_late_it_is_read() -> None:
    scene = Scene()
    scene.store.apply(1, _command("w1"))
    slices = scene.store.snapshot()
    first = next(iter(slices))
    scene.store.apply(2, _command("w2"))
    rest = list(slices)
    other = Store(scene.clock, "n2")
    other.install(1, [first, *rest])
    assert list(other.view().networks()) == ["w1"]
    assert other.view().index == 1


def test_cluster_time_is_that_of_a_snapshot_that_was_installed() -> None:
    """A manager whose clock is behind takes over deadlines that were set by others' clocks."""
    scene = Scene()
    ahead = Scene()
    ahead.store.apply(1, command(entry(PutNetwork(record=network("w1")), time=5_000_000)))
    before = scene.store.now()
    scene.store.install(1, ahead.store.snapshot())
    assert before < 5_000_000 <= scene.store.now()


def _command(name: str) -> bytes:
    return command(entry(PutNetwork(record=network(name))))


def test_what_a_newer_version_wrote_stops_this_one_with_a_sentence() -> None:
    """To leave an entry out would be another state than the others', for good."""
    scene = Scene()
    newer = msgspec.structs.replace(entry(), feature_level=FEATURE_LEVEL + 1)
    with pytest.raises(StateError, match="written by a newer swarmd"):
        scene.store.apply(1, command(newer))
    with pytest.raises(StateError, match="snapshot"):
        scene.store.install(1, [b"noise"])
