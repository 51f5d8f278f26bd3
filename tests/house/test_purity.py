"""Where swarmd touches the world: this list is the index of its I/O.

A module that imports one of `WORLD` is here; all others are models, passes and cores, which compute.
A new line here is a decision: first ask whether a port or an existing loop can do it.
"""

from tests.house.tree import files, imports, name_of

#: Modules of the standard library through which effects come.
WORLD = {
    "asyncio",
    "os",
    "pathlib",
    "random",
    "secrets",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "uuid",
}
#: Packages that are the edge as a whole.
EDGES = ("swarmd.cli", "swarmd.daemon", "swarmd.sim", "swarmd.net")

IO = {
    "swarmd.agent.executor",
    "swarmd.agent.logs",
    "swarmd.agent.loop",
    "swarmd.agent.observe",
    "swarmd.agent.session",
    "swarmd.agent.waiting",
    "swarmd.api.hijack",
    "swarmd.api.leader",
    "swarmd.api.listen",
    "swarmd.api.listing",
    "swarmd.api.merged_events",
    "swarmd.api.server",
    "swarmd.api.upstream",
    "swarmd.dispatcher.control.loop",
    "swarmd.dispatcher.logs",
    "swarmd.dispatcher.server",
    "swarmd.dns.forward",
    "swarmd.dns.server",
    "swarmd.dns.sockets",
    "swarmd.engine.calls",
    "swarmd.gossip.loop",
    "swarmd.ingress.loop",
    "swarmd.ingress.vips",
    "swarmd.lib.bell",
    "swarmd.lib.settled",
    "swarmd.lib.tasks",
    "swarmd.overlay.loop",
    "swarmd.raft.links",
    "swarmd.raft.member",
    "swarmd.raft.snapshotter",
    "swarmd.raft.waiting",
    "swarmd.store.store",
}


def test_the_index_of_io_is_complete_and_has_no_line_too_many() -> None:
    found = {
        name_of(file)
        for file in files()
        if {name.split(".")[0] for name in imports(file)} & WORLD
        and not name_of(file).startswith(EDGES)
    }
    assert sorted(found ^ IO) == []
