"""A service of the model to the container of its tasks, in the shape of Docker's API."""

from collections.abc import Mapping, Sequence

from swarmd.compose import model
from swarmd.compose.document import Json, Place
from swarmd.compose.values import nanoseconds

NAMESPACE_LABEL = "com.docker.stack.namespace"

_ALL = "ALL"
#: (type, option groups that it takes, whether its source must be given, may be, or must not)
_MOUNT_TYPES: Mapping[str, tuple[tuple[str, ...], bool | None]] = {
    "volume": (("volume",), None),
    "bind": (("bind",), True),
    "tmpfs": (("tmpfs",), False),
    "npipe": ((), True),
    "cluster": (("cluster",), True),
    "image": (("image",), True),
}
_OPTION_GROUPS = ("volume", "image", "tmpfs", "bind", "cluster")


def container_spec(
    service: model.Service, volumes: Mapping[str, model.Volume], stack: str, at: Place
) -> dict[str, Json]:
    """The ContainerSpec.  Raises ComposeError."""
    grace = service.get("stop_grace_period")
    cap_add, cap_drop = _capabilities(service)
    spec: dict[str, Json] = {
        "Image": service.get("image", ""),
        "Labels": {**service.get("labels", {}), NAMESPACE_LABEL: stack},
        "Command": service.get("entrypoint"),
        "Args": service.get("command"),
        "Hostname": service.get("hostname"),
        "Env": _environment(service),
        "Dir": service.get("working_dir"),
        "User": service.get("user"),
        "Groups": service.get("group_add"),
        "Init": service.get("init"),
        "StopSignal": service.get("stop_signal"),
        "TTY": service.get("tty"),
        "OpenStdin": service.get("stdin_open"),
        "ReadOnly": service.get("read_only"),
        "Mounts": [
            _mount(mount, volumes, stack, at / "volumes") for mount in service.get("volumes", [])
        ],
        "StopGracePeriod": None if grace is None else nanoseconds(grace),
        "Healthcheck": _healthcheck(service, at / "healthcheck"),
        "Hosts": _hosts(service),
        "DNSConfig": _dns(service),
        "Isolation": service.get("isolation"),
        "Sysctls": service.get("sysctls"),
        "CapabilityAdd": cap_add,
        "CapabilityDrop": cap_drop,
        "Ulimits": _ulimits(service),
        "OomScoreAdj": service.get("oom_score_adj"),
    }
    # Docker's stack command always sends Privileges, and so must whoever updates its stacks:
    # their absence would be a change, and every task would be replaced.
    privileges: dict[str, Json] = {"CredentialSpec": _credentials(service, at / "credential_spec")}
    return {**given(spec), "Privileges": given(privileges)}


def given(spec: Mapping[str, Json]) -> dict[str, Json]:
    """The spec without what Go's `omitempty` leaves out; pointers to zero values stay."""
    return {
        key: value
        for key, value in spec.items()
        if (value not in (None, "", [], {}, 0) or key in _POINTERS) and value is not None
    }


#: Fields in which zero was asked for and differs from nothing.
_POINTERS = frozenset({"Init", "StopGracePeriod", "Delay", "MaxAttempts", "Window"})


def _environment(service: model.Service) -> list[str]:
    variables = service.get("environment", {})
    return sorted(name if value is None else f"{name}={value}" for name, value in variables.items())


def _hosts(service: model.Service) -> list[str]:
    """`name:address` → `address name`."""
    cut = [line.partition(":") for line in service.get("extra_hosts", [])]
    return [f"{address} {name}" for name, _, address in cut]


def _dns(service: model.Service) -> Json:
    return given(
        {
            "Nameservers": service.get("dns"),
            "Search": service.get("dns_search"),
            "Options": service.get("dns_opt"),
        }
    )


def _healthcheck(service: model.Service, at: Place) -> Json:
    check = service.get("healthcheck")
    if check is None:
        return None
    if check.get("disable"):
        if check.get("test"):
            raise at.refusal("test and disable can't be set at the same time")
        return {"Test": ["NONE"]}
    return given(
        {
            "Test": check.get("test"),
            "Interval": nanoseconds(check.get("interval", "0")),
            "Timeout": nanoseconds(check.get("timeout", "0")),
            "StartPeriod": nanoseconds(check.get("start_period", "0")),
            "StartInterval": nanoseconds(check.get("start_interval", "0")),
            "Retries": check.get("retries"),
        }
    )


def _ulimits(service: model.Service) -> list[Json]:
    found: list[Json] = []
    for name, limit in sorted(service.get("ulimits", {}).items()):
        soft, hard = (limit, limit) if isinstance(limit, int) else (limit["soft"], limit["hard"])
        found.append({"Name": name, "Hard": hard, "Soft": soft})
    return found


def _capabilities(service: model.Service) -> tuple[list[str], list[str]]:
    """(added, dropped): normalised, sorted; what is added is not dropped; ALL stands for all."""
    added = _normalised(service.get("cap_add", []))
    dropped = _normalised(service.get("cap_drop", []))
    return added, [name for name in dropped if name not in added]


def _normalised(names: Sequence[str]) -> list[str]:
    words = {name.strip().upper() for name in names}
    if _ALL in words:
        return [_ALL]
    return sorted({word if word.startswith("CAP_") else f"CAP_{word}" for word in words})


def _credentials(service: model.Service, at: Place) -> Json:
    spec = service.get("credential_spec")
    if not spec:
        return None
    words = [f'"{key.capitalize()}"' for key in ("config", "file", "registry") if key in spec]
    if len(words) > 1:
        listed = ", ".join(words[:-1]) + ("," if len(words) > 2 else "")
        raise at.refusal(f"invalid credential spec: cannot specify both {listed} and {words[-1]}")
    return {"File": spec["file"]} if "file" in spec else {"Registry": spec.get("registry", "")}


def _mount(
    mount: model.Mount, volumes: Mapping[str, model.Volume], stack: str, at: Place
) -> dict[str, Json]:
    kind = mount.get("type") or "volume"
    _check_mount(mount, kind, at)
    source = mount.get("source", "")
    spec: dict[str, Json] = {
        "Type": kind,
        "Source": source,
        "Target": mount.get("target"),
        "ReadOnly": mount.get("read_only"),
        "Consistency": mount.get("consistency"),
    }
    options: dict[str, Json] = {}
    match kind:
        case "volume" if source:
            volume = _volume(source, volumes, at)
            spec["Source"] = volume.get("name", f"{stack}_{source}")
            options["VolumeOptions"] = _volume_options(mount, volume, stack)
        case "cluster":
            options["ClusterOptions"] = {}
            if not source.startswith("group:"):
                spec["Source"] = _volume(source, volumes, at).get("name", f"{stack}_{source}")
        case "bind" if "bind" in mount:
            bind = mount["bind"]
            options["BindOptions"] = given(
                {
                    "Propagation": bind.get("propagation"),
                    "CreateMountpoint": bind.get("create_host_path"),
                }
            )
        case "tmpfs" if "tmpfs" in mount:
            tmpfs = mount["tmpfs"]
            options["TmpfsOptions"] = given(
                {"SizeBytes": tmpfs.get("size"), "Mode": tmpfs.get("mode")}
            )
        case "image" if "image" in mount:
            options["ImageOptions"] = given({"Subpath": mount["image"].get("subpath")})
    return {**given(spec), **options}


def _check_mount(mount: model.Mount, kind: str, at: Place) -> None:
    if kind not in _MOUNT_TYPES:
        raise at.refusal("volume type must be volume, bind, tmpfs, npipe, or cluster")
    groups, wants_source = _MOUNT_TYPES[kind]
    has_source = bool(mount.get("source"))
    if wants_source is True and not has_source:
        raise at.refusal(f"invalid {kind} source, source cannot be empty")
    if wants_source is False and has_source:
        raise at.refusal(f"invalid {kind} source, source must be empty")
    for group in _OPTION_GROUPS:
        if group in mount and group not in groups:
            raise at.refusal(f"{group} options are incompatible with type {kind}")


def _volume(source: str, volumes: Mapping[str, model.Volume], at: Place) -> model.Volume:
    if source not in volumes:
        raise at.error(f'service {at.service}: undefined volume "{source}"')
    return volumes[source]


def _volume_options(mount: model.Mount, volume: model.Volume, stack: str) -> Json:
    own = mount.get("volume", {})
    options: dict[str, Json] = {"NoCopy": own.get("nocopy"), "Subpath": own.get("subpath")}
    if volume.get("external"):
        return given(options)
    options["Labels"] = {**volume.get("labels", {}), NAMESPACE_LABEL: stack}
    options["DriverConfig"] = given(
        {"Name": volume.get("driver"), "Options": volume.get("driver_opts")}
    )
    return given(options)
