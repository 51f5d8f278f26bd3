import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmd.errors import StateError
from swarmd.net.disk import FileDisk


@pytest.fixture(name="disk")
def a_disk(tmp_path: Path) -> Iterator[FileDisk]:
    disk = FileDisk(tmp_path / "state" / "node")
    yield disk
    disk.close()


def test_a_file_is_what_was_written_last(disk: FileDisk) -> None:
    assert disk.read("a") is None
    disk.write("a", b"one")
    disk.write("a", b"two")
    assert disk.read("a") == b"two"


def test_names_are_listed_by_prefix_and_sorted(disk: FileDisk) -> None:
    for name in ("raft/2", "raft/10", "tasks", "raft-old"):
        disk.write(name, b"")
    assert disk.list() == ["raft-old", "raft/10", "raft/2", "tasks"]
    assert disk.list("raft/") == ["raft/10", "raft/2"]


def test_nobody_else_may_read_any_of_it(disk: FileDisk, tmp_path: Path) -> None:
    """Keys lie there."""
    disk.write("keys/node.key", b"secret")
    disk.open("journal").close()
    for path in (tmp_path / "state").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_half_written_file_is_not_there(disk: FileDisk, tmp_path: Path) -> None:
    """The power failed between the write and the rename."""
    disk.write("a", b"whole")
    (tmp_path / "state/node/.a.new").write_bytes(b"ha")
    assert (disk.list(), disk.read("a")) == (["a"], b"whole")
    disk.write("a", b"next")
    assert (disk.list(), disk.read("a")) == (["a"], b"next")


def test_renaming_replaces_and_deleting_is_idempotent(disk: FileDisk) -> None:
    disk.write("snapshot.new", b"2")
    disk.write("snapshot", b"1")
    disk.rename("snapshot.new", "snapshot")
    disk.rename("snapshot", "old/snapshot")
    assert (disk.list(), disk.read("old/snapshot")) == (["old/snapshot"], b"2")
    disk.delete("old/snapshot")
    disk.delete("old/snapshot")
    assert disk.list() == []


def test_an_open_file_is_written_and_read_anywhere(disk: FileDisk) -> None:
    file = disk.open("journal")
    file.pwrite(b"hello", 3)
    file.pwrite(b"J", 4)
    file.sync()
    assert (file.size(), file.pread(100, 0), file.pread(2, 4)) == (8, b"\0\0\0hJllo", b"Jl")
    assert file.pread(5, 100) == b""
    file.close()
    file.close()
    again = disk.open("journal")
    assert again.size() == 8
    again.close()


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", ".lock", "a//b", ""])
def test_a_name_stays_within_the_directory(disk: FileDisk, name: str) -> None:
    with pytest.raises(AssertionError, match="bad file name"):
        disk.write(name, b"")


async def test_blocking_calls_run_off_the_loop_in_their_order(disk: FileDisk) -> None:
    order: list[int] = []

    def append(index: int) -> str:
        order.append(index)
        return threading.current_thread().name

    names = [await disk.run(lambda index=index: append(index)) for index in range(5)]  # type: ignore[misc]  # a default captures the loop's variable
    assert order == [0, 1, 2, 3, 4]
    assert len(set(names)) == 1
    assert names[0] != threading.current_thread().name


async def test_an_error_in_a_call_is_the_callers(disk: FileDisk) -> None:
    with pytest.raises(FileNotFoundError):
        await disk.run(lambda: disk.rename("no such", "thing"))


def test_a_second_daemon_on_the_directory_is_told_what_to_do(tmp_path: Path) -> None:
    disk = FileDisk(tmp_path / "state")
    with pytest.raises(StateError, match=r"process \d+\) uses .*state: stop it first, or give"):
        FileDisk(tmp_path / "state")
    disk.close()
    FileDisk(tmp_path / "state").close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot use .*file/state as .*: .*/file: File exists"):
        FileDisk(tmp_path / "file" / "state")
