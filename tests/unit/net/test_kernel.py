"""The Kernel port on commands that need no privilege."""

import asyncio
import os
import socket

import psutil
import pytest

from swarmd.net.kernel import LinuxKernel


async def test_a_command_that_fails_is_an_oserror_with_its_own_words() -> None:
    with pytest.raises(OSError, match="nonesuch"):
        await LinuxKernel().output("ls", "/nonesuch")


async def test_the_output_of_a_command_is_its_standard_output() -> None:
    assert await LinuxKernel().output("printf", "a b") == "a b"


async def test_the_status_of_a_question_is_an_answer_and_no_error() -> None:
    assert await LinuxKernel().run("sh", "-c", "exit 3") == 3


async def test_a_program_that_is_not_installed_is_an_oserror() -> None:
    with pytest.raises(OSError, match="nonesuch-tool is not installed"):
        await LinuxKernel().run("nonesuch-tool")


async def test_a_command_that_hangs_is_killed_and_named() -> None:
    with pytest.raises(TimeoutError, match="sleep 60"):
        await LinuxKernel(command_s=0.05).output("sleep", "60")


@pytest.mark.parametrize("after_ms", [0, 1, 2, 4, 50])
async def test_a_command_ends_with_the_call_that_waits_for_it(after_ms: int) -> None:
    """Shutdown while a command is started, or runs: nothing of ours stays behind."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(after_ms / 1000):
            await LinuxKernel().output("sleep", "60")
    assert psutil.Process().children() == []


async def test_a_batch_without_lines_starts_no_process() -> None:
    kernel = LinuxKernel()
    await kernel.ip(())
    await kernel.bridge(())


async def test_every_line_of_a_batch_is_tried_and_a_failure_is_told() -> None:
    kernel = LinuxKernel()
    with pytest.raises(OSError, match="nonesuch0"):
        await kernel.ip(["link show nonesuch0", "link show lo"])


async def test_a_setting_that_this_kernel_does_not_have_is_left_out() -> None:
    await LinuxKernel().sysctl("net/ipv4/conf/nonesuch0/rp_filter", "2")


async def test_the_tables_of_a_process_that_is_gone_are_not_looked_for() -> None:
    with pytest.raises(ProcessLookupError, match=f"{2**22 + 1} is gone"):
        await LinuxKernel().nft("", pid=2**22 + 1)


async def test_a_process_in_the_hosts_own_network_is_no_container() -> None:
    """The number of a container's process that has ended was given to another."""
    with pytest.raises(ProcessLookupError, match="not in a container's network"):
        await LinuxKernel().nft("", pid=os.getpid())


def test_a_held_port_is_refused_to_others_and_to_clients_and_is_free_again() -> None:
    kernel = LinuxKernel()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            kernel.hold_port("tcp", port)
    held = kernel.hold_port("tcp", port)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    held.close()
    socket.create_server(("127.0.0.1", port)).close()
