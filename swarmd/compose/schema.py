"""The 3.x format: every key of a compose file, the shape of its value, and what becomes of it.

The tables are in the order in which `stack config` prints.  A key that stands in no table is an
error; one that is understood and has no effect says why.  Keys of the newer compose specification
are taken where they mean something in a swarm, noted where nothing is lost without them, and are
errors where the service would not be what was asked for.
"""

from swarmd.compose import shapes
from swarmd.compose.document import Json, Place
from swarmd.compose.mounts import volumes
from swarmd.compose.notes import Severity
from swarmd.compose.ports import ports
from swarmd.compose.shapes import (
    boolean,
    count,
    duration,
    each,
    fields,
    integer,
    named,
    options,
    or_null,
    pairs,
    text,
    texts,
    unique,
    without_effect,
)

#: Service keys of older formats that Docker refuses, with its advice.
FORBIDDEN = {
    "extends": "Support for `extends` is not implemented yet.",
    "volume_driver": (
        "Instead of setting the volume driver on the service, define a volume using the top-level "
        "`volumes` option and specify the driver there."
    ),
    "volumes_from": (
        "To share a volume between services, define it using the top-level `volumes` option and "
        "reference it from each service that shares it using the service-level `volumes` option."
    ),
    **dict.fromkeys(
        (
            *("cpu_quota", "cpu_shares", "cpuset", "mem_limit", "memswap_limit"),
            # Unknown to Docker's table; ignoring a limit would be worse than refusing it.
            *("cpus", "cpu_period", "mem_reservation", "pids_limit"),
        ),
        "Set resource limits using deploy.resources",
    ),
}


def _ignored(why: str) -> shapes.Shape:
    return without_effect(Severity.IGNORED, why)


def _unsupported(why: str) -> shapes.Shape:
    return without_effect(Severity.UNSUPPORTED, why)


def _test(value: Json, at: Place) -> list[str]:
    if isinstance(value, str):
        return ["CMD-SHELL", str(value)]
    return texts(value, at, expected="must be a string or list")


def _ulimit(value: Json, at: Place) -> Json:
    if not isinstance(value, dict):
        return integer(value, at)
    limit = shapes.mapped(_ULIMIT(value, at), at)
    for name in ("soft", "hard"):
        if name not in limit:
            raise at.mismatch(f"{name} is required")
    return limit


def _networks(value: Json, at: Place) -> dict[str, Json]:
    if isinstance(value, list):
        return dict.fromkeys(sorted(unique(value, at)))
    found = _SERVICE_NETWORKS(shapes.mapped(value, at, "must be a mapping or list"), at)
    return {name: item or None for name, item in shapes.mapped(found, at).items()}


def _env_files(value: Json, at: Place) -> list[Json]:
    """Paths, or `{path, required}`; all in the long form."""
    items = [value] if isinstance(value, str) else shapes.listed(value, at, _TEXT_OR_LIST)
    found: list[Json] = []
    for index, item in enumerate(items):
        place = at / index if isinstance(value, list) else at
        entry = {"path": str(item)} if isinstance(item, str) else _ENV_FILE(item, place)
        found.append(entry)
    return found


def _expose(value: Json, at: Place) -> Json:
    at.note(Severity.DEPRECATED, _EXPOSE)
    items = shapes.listed(value, at)
    return [shapes.text_or_number(item, at / index) for index, item in enumerate(items)]


def _references(value: Json, at: Place) -> list[Json]:
    """Uses of secrets or configs."""
    found: list[Json] = []
    for index, item in enumerate(shapes.listed(value, at)):
        entry = {"source": str(item)} if isinstance(item, str) else _REFERENCE(item, at / index)
        found.append(entry)
    return found


def _external(value: Json, at: Place) -> Json:
    """True, or the old `{name: ...}`."""
    if not isinstance(value, dict):
        return boolean(value, at)
    return {"name": "", **shapes.mapped(_EXTERNAL(value, at), at)}


_TEXT_OR_LIST = "must be a string or list"
_EXPOSE = (
    "Exposing ports is unnecessary - services on the same network can access each other's "
    "containers on any port."
)
_ULIMIT = fields({"soft": integer, "hard": integer}, keeps=("soft", "hard"))
_ENV_FILE = fields(
    {"path": text, "required": boolean, "format": shapes.one_of("raw")}, keeps=("required",)
)
_EXTERNAL = fields({"name": text})
_REFERENCE = fields(
    {"source": text, "target": text, "uid": text, "gid": text, "mode": count}, keeps=("mode",)
)
_ON_ALL_NODES = "addresses are chosen by the swarm"
_SERVICE_NETWORKS = named(
    or_null(
        fields(
            {
                "aliases": unique,
                "driver_opts": options,
                "ipv4_address": _ignored(_ON_ALL_NODES),
                "ipv6_address": _ignored(_ON_ALL_NODES),
                "link_local_ips": _ignored(_ON_ALL_NODES),
                "mac_address": _ignored(_ON_ALL_NODES),
                "interface_name": _ignored("interfaces are named by the swarm"),
                "priority": _ignored("networks are joined in the order of their names"),
                "gw_priority": _ignored("the gateway is chosen by the swarm"),
            }
        )
    )
)
_HEALTHCHECK = fields(
    {
        "test": _test,
        "timeout": duration,
        "interval": duration,
        "retries": count,
        "start_period": duration,
        "start_interval": duration,
        "disable": boolean,
    },
    keeps=("timeout", "interval", "retries", "start_period", "start_interval"),
)
_UPDATE = fields(
    {
        "parallelism": count,
        "delay": duration,
        "failure_action": text,
        "monitor": duration,
        "max_failure_ratio": shapes.number,
        "order": shapes.one_of("start-first", "stop-first"),
    },
    keeps=("parallelism",),
)
_GENERIC_RESOURCES = each(
    fields({"discrete_resource_spec": fields({"kind": text, "value": count}, keeps=("value",))})
)
_RESOURCES = fields(
    {
        "limits": fields({"cpus": shapes.cpus, "memory": shapes.size, "pids": count}),
        "reservations": fields(
            {
                "cpus": shapes.cpus,
                "memory": shapes.size,
                "generic_resources": _GENERIC_RESOURCES,
                "devices": _unsupported("reserve generic_resources that the nodes offer instead"),
            }
        ),
    },
    keeps=("limits", "reservations"),
)
_DEPLOY = fields(
    {
        "mode": text,
        "replicas": count,
        "labels": pairs,
        "update_config": _UPDATE,
        "rollback_config": _UPDATE,
        "resources": _RESOURCES,
        "restart_policy": fields(
            {"condition": text, "delay": duration, "max_attempts": count, "window": duration},
            keeps=("delay", "max_attempts", "window"),
        ),
        "placement": fields(
            {
                "constraints": texts,
                "preferences": each(fields({"spread": text})),
                "max_replicas_per_node": count,
            }
        ),
        "endpoint_mode": text,
    },
    keeps=("replicas", "update_config", "rollback_config", "restart_policy"),
)
_LINKS = "services of a network reach each other by name"
_NOT_PRIVILEGED = "containers of a service have no such privileges in a swarm"
_SERVICE = fields(
    {
        "annotations": _ignored("annotations are not passed to the containers of a service"),
        "attach": _ignored("nothing is attached; see `service logs`"),
        "blkio_config": _unsupported("services of a swarm have no block I/O limits"),
        "build": _unsupported("images are not built: build and push it, then name it as `image`"),
        "cap_add": unique,
        "cap_drop": unique,
        "cgroupns_mode": _unsupported("the engine's default is used"),
        "cgroup": _unsupported("the engine's default is used"),
        "cgroup_parent": _unsupported("the engine's default is used"),
        "command": shapes.command,
        "configs": _references,
        "container_name": without_effect(
            Severity.DEPRECATED, "Setting the container name is not supported."
        ),
        "credential_spec": fields({"config": text, "file": text, "registry": text}),
        "depends_on": _ignored(
            "services of a swarm start in no order: a service waits for, or retries, what it needs"
        ),
        "deploy": or_null(_DEPLOY),
        "develop": _ignored("there is nothing to develop in a swarm"),
        "device_cgroup_rules": _unsupported(_NOT_PRIVILEGED),
        "devices": _unsupported(_NOT_PRIVILEGED),
        "dns": shapes.strings,
        "dns_opt": unique,
        "dns_search": shapes.strings,
        "domainname": _unsupported("only `hostname` can be set"),
        "entrypoint": shapes.command,
        "environment": shapes.environment,
        "env_file": _env_files,
        "expose": _expose,
        "external_links": _unsupported(_LINKS),
        "extra_hosts": shapes.hosts,
        "gpus": _unsupported("reserve generic_resources that the nodes offer instead"),
        "group_add": each(shapes.text_or_number),
        "hostname": text,
        "healthcheck": _HEALTHCHECK,
        "image": text,
        "init": boolean,
        "ipc": _unsupported(_NOT_PRIVILEGED),
        "isolation": text,
        "labels": pairs,
        "links": _unsupported(_LINKS),
        "logging": fields({"driver": text, "options": options}),
        "mac_address": _unsupported(_ON_ALL_NODES),
        "mem_swappiness": _unsupported("services of a swarm cannot set it"),
        "network_mode": _unsupported("name the network in `networks` (`host` as an external one)"),
        "networks": _networks,
        "oom_kill_disable": _unsupported("services of a swarm cannot set it"),
        "pid": _unsupported(_NOT_PRIVILEGED),
        "platform": _ignored("nodes are chosen by what the image offers; see placement"),
        "ports": ports,
        "privileged": _unsupported(_NOT_PRIVILEGED),
        "profiles": _ignored("all services of the file are deployed, whatever their profiles"),
        "pull_policy": _ignored("images are pulled by the nodes that need them"),
        "read_only": boolean,
        # Honoured in place of deploy.restart_policy; `load` notes it if both are there.
        "restart": text,
        "runtime": _unsupported("the engine's default runtime is used"),
        "scale": count,
        "secrets": _references,
        "security_opt": _unsupported("services of a swarm cannot set it in a compose file"),
        "shm_size": _unsupported("mount a tmpfs with a size on /dev/shm instead"),
        "stdin_open": boolean,
        "stop_grace_period": duration,
        "stop_signal": text,
        "storage_opt": _unsupported("services of a swarm cannot set it"),
        "sysctls": pairs,
        "tmpfs": _ignored("use `volumes` with `type: tmpfs`"),
        "tty": boolean,
        "ulimits": named(_ulimit),
        "user": text,
        "oom_score_adj": integer,
        "userns_mode": _unsupported("the engine's default is used"),
        "uts": _unsupported(_NOT_PRIVILEGED),
        "volumes": volumes,
        "working_dir": text,
    },
    keeps=("scale", "init", "healthcheck", "stop_grace_period"),
)
_POOL = fields(
    {
        "subnet": text,
        "ip_range": text,
        "gateway": text,
        "aux_addresses": _ignored("no addresses are set aside in a swarm"),
    }
)
_NETWORK = fields(
    {
        "name": text,
        "driver": text,
        "driver_opts": options,
        "ipam": fields({"driver": text, "config": each(_POOL), "options": options}),
        "external": _external,
        "enable_ipv4": _ignored("networks of a swarm have IPv4"),
        "enable_ipv6": boolean,
        "internal": boolean,
        "attachable": boolean,
        "labels": pairs,
    }
)
_VOLUME = fields(
    {
        "name": text,
        "driver": text,
        "driver_opts": options,
        "external": _external,
        "labels": pairs,
        "x-cluster-spec": _ignored("cluster (CSI) volumes are not created by a stack"),
    }
)
_FILE_OBJECT = {
    "name": text,
    "file": text,
    "external": _external,
    "labels": pairs,
    "driver": text,
    "driver_opts": options,
    "template_driver": text,
    "environment": text,
    "content": text,
}
_SECRET = fields({key: _FILE_OBJECT[key] for key in _FILE_OBJECT if key != "content"})
_CONFIG = fields({key: _FILE_OBJECT[key] for key in _FILE_OBJECT if not key.startswith("driver")})

#: A whole file.
FILE = fields(
    {
        "version": text,
        "name": _ignored("the stack is named on the command line"),
        "services": named(_SERVICE),
        "networks": named(or_null(_NETWORK)),
        "volumes": named(or_null(_VOLUME)),
        "secrets": named(_SECRET),
        "configs": named(_CONFIG),
    },
    keeps=("services",),
)
