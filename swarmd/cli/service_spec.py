"""Flags of `service create` → ServiceSpec, as Docker's client sends it.  Pure.

What was not asked for is left out, as Go leaves out empty members; a policy is sent as soon as one
of its flags is given, its other members then being Docker's defaults.
Networks, secrets and configs are still names here; `resolve` in `service_create` makes them ids.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swarmd.cli.output import Json
from swarmd.cli.parse import key_values, swarm_hosts
from swarmd.errors import InvalidArgumentError

#: Values by flag, "-" written "_"; None or empty if not given.
Flags = Mapping[str, Any]

UPDATE_DEFAULTS: Json = {
    "Parallelism": 1,
    "FailureAction": "pause",
    "Monitor": 5_000_000_000,
    "MaxFailureRatio": 0,
    "Order": "stop-first",
}
RESTART_DEFAULTS: Json = {"Condition": "any", "Delay": 5_000_000_000, "MaxAttempts": 0}
#: Member → flag behind "update-" or "rollback-".
UPDATE_FLAGS = {
    "Parallelism": "parallelism",
    "Delay": "delay",
    "Monitor": "monitor",
    "FailureAction": "failure_action",
    "MaxFailureRatio": "max_failure_ratio",
    "Order": "order",
}
RESTART_FLAGS = {
    "Condition": "restart_condition",
    "Delay": "restart_delay",
    "MaxAttempts": "restart_max_attempts",
    "Window": "restart_window",
}
HEALTH_FLAGS = {
    "Interval": "health_interval",
    "Timeout": "health_timeout",
    "StartPeriod": "health_start_period",
    "StartInterval": "health_start_interval",
    "Retries": "health_retries",
}

_JOBS = ("ReplicatedJob", "GlobalJob")
_ONLY_REPLICATED = "can only be used with replicated or replicated-job mode"


def create_spec(image: str, args: Sequence[str], flags: Flags, env: Sequence[str]) -> Json:
    """The spec that the flags describe.

    `env` are the assignments of the files and flags together, in their order.

    Raises:
        InvalidArgumentError: flags contradict each other.
    """
    mode = service_mode(flags)
    update = policy(flags, "update_")
    rollback = policy(flags, "rollback_")
    if (update or rollback) and any(job in mode for job in _JOBS):
        raise InvalidArgumentError("update and rollback configuration is not supported for jobs")
    return {
        **given(Name=flags.get("name")),
        "Labels": key_values(flags["label"]),
        "TaskTemplate": _task_template(image, args, flags, env),
        "Mode": mode,
        **given(UpdateConfig=update, RollbackConfig=rollback),
        "EndpointSpec": {
            "Mode": (flags.get("endpoint_mode") or "vip").lower(),
            **given(Ports=[port for ports in flags["publish"] for port in ports]),
        },
    }


def given(**members: object) -> Json:
    """The members that say something (Go's omitempty)."""
    return {name: value for name, value in members.items() if value}


def service_mode(flags: Flags) -> Json:
    """The Mode member, from --mode, --replicas and --max-concurrent.

    Raises:
        InvalidArgumentError: a count does not go with the mode.
    """
    mode, replicas = flags.get("mode") or "replicated", flags.get("replicas")
    concurrent = flags.get("max_concurrent")
    if mode in ("global", "global-job"):
        if replicas is not None:
            raise InvalidArgumentError(f"replicas {_ONLY_REPLICATED}")
        if flags.get("replicas_max_per_node"):
            raise InvalidArgumentError(f"replicas-max-per-node {_ONLY_REPLICATED}")
    if concurrent is not None and mode in ("global", "global-job", "replicated"):
        raise InvalidArgumentError("max-concurrent can only be used with replicated-job mode")
    count = {} if replicas is None else {"Replicas": replicas}
    match mode:
        case "global":
            return {"Global": {}}
        case "global-job":
            return {"GlobalJob": {}}
        case "replicated":
            return {"Replicated": count}
        case "replicated-job":
            at_once = replicas if concurrent is None else concurrent
            job = {"MaxConcurrent": at_once, "TotalCompletions": replicas}
            return {"ReplicatedJob": {key: n for key, n in job.items() if n is not None}}
    raise InvalidArgumentError(f"Unknown mode: {mode}, only replicated and global supported")


def policy(flags: Flags, prefix: str) -> Json:
    """The UpdateConfig or RollbackConfig; empty if none of its flags is given."""
    wanted = asked(flags, {key: prefix + flag for key, flag in UPDATE_FLAGS.items()})
    return {**UPDATE_DEFAULTS, **wanted} if wanted else {}


def asked(flags: Flags, members: Mapping[str, str]) -> Json:
    """Of `members` (name → flag) those whose flags are given, zeros included."""
    return {name: flags[flag] for name, flag in members.items() if flags.get(flag) is not None}


def health(flags: Flags) -> Json:
    """The Healthcheck; empty if not asked for.

    Raises:
        InvalidArgumentError: asked for, and for none.
    """
    wanted = given(**asked(flags, HEALTH_FLAGS))
    command = flags.get("health_cmd")
    if flags.get("no_healthcheck"):
        if wanted or command:
            raise InvalidArgumentError("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    return {**given(Test=["CMD-SHELL", command] if command else None), **wanted}


def merged_env(assignments: Iterable[str]) -> list[str]:
    """The last assignment of each name, in the order in which they were made."""
    found: dict[str, str] = {}
    for assignment in assignments:
        name = assignment.partition("=")[0]
        found.pop(name, None)
        found[name] = assignment
    return list(found.values())


def capabilities(names: Iterable[str]) -> list[str]:
    """Names as the kernel's headers write them, sorted: "net_admin" → "CAP_NET_ADMIN"."""
    upper = (name.strip().upper() for name in names)
    return sorted(
        {
            name if name in ("ALL", "RESET") else f"CAP_{name.removeprefix('CAP_')}"
            for name in upper
            if name
        }
    )


def _task_template(image: str, args: Sequence[str], flags: Flags, env: Sequence[str]) -> Json:
    restart = asked(flags, RESTART_FLAGS)
    driver = flags.get("log_driver")
    return {
        "ContainerSpec": _container_spec(image, args, flags, env),
        **given(Networks=sorted(flags["network"], key=lambda network: network["Target"])),
        "Resources": {
            "Limits": given(
                NanoCPUs=flags.get("limit_cpu"),
                MemoryBytes=flags.get("limit_memory"),
                Pids=flags.get("limit_pids"),
            ),
            "Reservations": given(
                NanoCPUs=flags.get("reserve_cpu"),
                MemoryBytes=flags.get("reserve_memory"),
                GenericResources=list(flags["generic_resource"]),
            ),
        },
        **given(RestartPolicy={**RESTART_DEFAULTS, **restart} if restart else None),
        "Placement": given(
            Constraints=list(flags["constraint"]),
            Preferences=list(flags["placement_pref"]),
            MaxReplicas=flags.get("replicas_max_per_node"),
        ),
        **given(
            LogDriver={"Name": driver, **given(Options=key_values(flags["log_opt"]))}
            if driver
            else None
        ),
        "ForceUpdate": 0,
    }


def _container_spec(image: str, args: Sequence[str], flags: Flags, env: Sequence[str]) -> Json:
    added, dropped = _effective_capabilities(flags["cap_add"], flags["cap_drop"])
    credentials = flags.get("credential_spec")
    grace = asked(flags, {"StopGracePeriod": "stop_grace_period"})
    return {
        "Image": image,
        "Init": bool(flags.get("init")),
        **given(
            Args=list(args),
            Command=flags.get("entrypoint"),
            Env=merged_env(env),
            Hostname=flags.get("hostname"),
            Labels=key_values(flags["container_label"]),
            Dir=flags.get("workdir"),
            User=flags.get("user"),
            Groups=list(flags["group"]),
            StopSignal=flags.get("stop_signal"),
            TTY=flags.get("tty"),
            ReadOnly=flags.get("read_only"),
            Mounts=list(flags["mount"]),
            Hosts=swarm_hosts(flags["host"]),
            Healthcheck=health(flags),
            Isolation=flags.get("isolation"),
            Sysctls=key_values(flags["sysctl"]),
            CapabilityAdd=added,
            CapabilityDrop=dropped,
            Ulimits=sorted(flags["ulimit"], key=lambda limit: str(limit["Name"])),
            OomScoreAdj=flags.get("oom_score_adj"),
            Privileges={"CredentialSpec": credentials} if credentials else None,
            Secrets=list(flags["secret"]),
            Configs=list(flags["config"]),
        ),
        **grace,
        "DNSConfig": given(
            Nameservers=list(flags["dns"]),
            Search=list(flags["dns_search"]),
            Options=list(flags["dns_option"]),
        ),
    }


def _effective_capabilities(add: Iterable[str], drop: Iterable[str]) -> tuple[list[str], list[str]]:
    """ALL stands for the rest of its list; what is added is not dropped."""
    added, dropped = (
        [name for name in capabilities(names) if name != "RESET"] for names in (add, drop)
    )
    added = ["ALL"] if "ALL" in added else added
    dropped = ["ALL"] if "ALL" in dropped else dropped
    return added, [name for name in dropped if name not in added]
