"""The daemon's settings: frozen, with their units and where each number comes from.

Durations are in seconds and say so in their names.  What a user may set is set by flags of `swarmd
daemon`; the rest is here so that nobody has to look for a default at its point of use.
"""

import msgspec


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The worker's side of a node."""

    #: creates and starts at once; more do not make an engine quicker (benchmarks/)
    engine_calls: int = 8
    #: inspections, signals, kills and removals at once: never behind the creates
    quick_calls: int = 16
    #: pulls at once; each has its layers fetched in parallel by the engine (its default: 3)
    pulls: int = 3
    #: longest create, start or removal; a machine under load takes tens of seconds
    call_s: float = 120.0
    #: longest look at a container or image
    quick_call_s: float = 30.0
    #: longest pull of one image
    pull_s: float = 3600.0
    #: longest wait for the node's own part of a task's networks (swarmkit: 30 s)
    networks_s: float = 30.0
    #: everything is looked at again this often, whatever the engine's events say
    look_s: float = 30.0
    #: longest wait for an answer about the engine's health, and the pause between two
    health_s: float = 5.0
    #: least time between "serves no more" and the stop signal, for tasks in cluster networks: what
    #: was under way may end
    withdraw_s: float = 0.5
    #: longest wait until every node has led its traffic away (Swarm waits 2 s, whatever happens)
    lead_away_s: float = 2.0
    #: statuses that nobody waits for are reported together after this (RUNNING and ends: at once)
    report_s: float = 1.0
    #: changes that no action waits for are on disk after this
    save_s: float = 1.0
    #: statuses in one report (swarmkit: 1024)
    report_most: int = 1024
    #: longest wait for a manager's answer (swarmkit: 5 s)
    manager_call_s: float = 5.0
    #: pauses before another manager is tried (swarmkit: 100 ms to 8 s)
    retry_first_s: float = 0.1
    retry_most_s: float = 8.0
    #: the node describes itself anew this often (swarmkit: 20 s)
    describe_s: float = 20.0
    #: bytes of logs sent to managers per second, and at once (swarmkit: 10 MB)
    log_rate_bytes: int = 10_000_000
    #: lines of one subscription that wait to be sent
    log_queue_lines: int = 1024


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `swarmd daemon`."""

    #: where the API is served: unix:///path, or tcp://address:port on loopback
    hosts: tuple[str, ...] = ("unix:///run/swarmd.sock",)
    #: the engine's socket
    engine: str = "unix:///var/run/docker.sock"
    #: what this node must not lose; mode 0700
    state_dir: str = "/var/lib/swarmd"
    #: debug | info | warning | error
    log_level: str = "info"
    #: text | json
    log_format: str = "text"
    #: address or interface to advertise where `init` and `join` name none
    swarm_default_advertise_addr: str = ""
    #: NAME=VALUE, VALUE a count or the name of one unit
    node_generic_resources: tuple[str, ...] = ()
