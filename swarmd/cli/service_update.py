"""A service's spec and the flags of `service update` → its new spec.  Pure.

Only what was asked for changes; lists are sorted where Docker sorts them, so that asking twice
for the same changes nothing and restarts nothing.
Networks, secrets and configs among the flags are already ids here.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from swarmd.cli.output import Json
from swarmd.cli.parse import key_values, swarm_hosts
from swarmd.cli.service_spec import (
    HEALTH_FLAGS,
    RESTART_DEFAULTS,
    RESTART_FLAGS,
    UPDATE_DEFAULTS,
    UPDATE_FLAGS,
    Flags,
    asked,
    capabilities,
)
from swarmd.errors import InvalidArgumentError

_PLAIN = {
    "Image": "image",
    "Args": "args",
    "Command": "entrypoint",
    "Dir": "workdir",
    "User": "user",
    "Hostname": "hostname",
    "Init": "init",
    "Isolation": "isolation",
    "TTY": "tty",
    "ReadOnly": "read_only",
    "StopSignal": "stop_signal",
    "StopGracePeriod": "stop_grace_period",
    "OomScoreAdj": "oom_score_adj",
}


def updated_spec(spec: Json, flags: Flags) -> Json:
    """The new spec; `spec` is left as it is.

    Raises:
        InvalidArgumentError: flags contradict each other or the spec.
    """
    new: Json = json.loads(json.dumps(spec))
    template = new["TaskTemplate"]
    container = template.setdefault("ContainerSpec", {})
    container |= asked(flags, _PLAIN)
    new["Labels"] = _labels(new.get("Labels"), flags, "label")
    container["Labels"] = _labels(container.get("Labels"), flags, "container_label")
    for part, changes in (
        (container, _CONTAINER_CHANGES),
        (template, _TEMPLATE_CHANGES),
        (new, _SPEC_CHANGES),
    ):
        for change in changes:
            change(part, flags)
    if flags.get("force"):
        template["ForceUpdate"] = template.get("ForceUpdate", 0) + 1
    return new


def is_other_flag_given(names: Iterable[str]) -> bool:
    """True if --rollback would be combined with a flag that it excludes."""
    return any(name not in ("rollback", "detach", "quiet") for name in names)


def _labels(labels: Mapping[str, str] | None, flags: Flags, name: str) -> dict[str, str]:
    removed = flags[f"{name}_rm"]
    kept = {key: value for key, value in (labels or {}).items() if key not in removed}
    return {**kept, **key_values(flags[f"{name}_add"])}


def _changes(flags: Flags, *names: str) -> bool:
    return any(flags[f"{name}_add"] or flags[f"{name}_rm"] for name in names)


def _update_lists(container: Json, flags: Flags) -> None:
    if _changes(flags, "env"):
        container["Env"] = _env(container.get("Env"), flags)
    if _changes(flags, "group"):
        container["Groups"] = _sorted_list(container.get("Groups"), flags, "group")
    if _changes(flags, "host"):
        container["Hosts"] = _hosts(container.get("Hosts"), flags)
    if _changes(flags, "sysctl"):
        container["Sysctls"] = _labels(container.get("Sysctls"), flags, "sysctl")
    if _changes(flags, "ulimit"):
        limits = _keyed(container.get("Ulimits"), flags, "ulimit", lambda item: item["Name"])
        container["Ulimits"] = [limits[name] for name in sorted(limits)]
    if _changes(flags, "mount"):
        mounts = _mounts(container.get("Mounts"), flags)
        container["Mounts"] = sorted(
            mounts, key=lambda mount: (mount.get("Source", ""), mount["Target"])
        )


def _env(current: Sequence[str] | None, flags: Flags) -> list[str]:
    removed = flags["env_rm"]
    found = {text.partition("=")[0]: text for text in current or ()}
    found = {name: text for name, text in found.items() if name not in removed}
    return list((found | {text.partition("=")[0]: text for text in flags["env_add"]}).values())


def _sorted_list(current: Sequence[str] | None, flags: Flags, name: str) -> list[str]:
    wanted = dict.fromkeys([*(current or ()), *flags[f"{name}_add"]])
    return sorted(item for item in wanted if item not in flags[f"{name}_rm"])


def _keyed(
    current: Sequence[Json] | None, flags: Flags, name: str, key: Callable[[Json], str]
) -> dict[str, Json]:
    found = {key(item): item for item in current or ()}
    for removed in flags[f"{name}_rm"]:
        found.pop(removed.partition("=")[0], None)
    return found | {key(item): item for item in flags[f"{name}_add"]}


def _mounts(current: Sequence[Json] | None, flags: Flags) -> list[Json]:
    added = {mount["Target"]: mount for mount in flags["mount_add"]}
    if len(added) < len(flags["mount_add"]):
        raise InvalidArgumentError("duplicate mount target")
    found = {mount["Target"]: mount for mount in current or ()} | added
    return [mount for target, mount in found.items() if target not in flags["mount_rm"]]


def _hosts(current: Sequence[str] | None, flags: Flags) -> list[str]:
    """An entry may hold several names for one address; a removal may name the address too."""
    found: list[str] = []
    for entry in current or ():
        address, *names = entry.split()
        removed = [
            host
            for host, _, at in (text.partition(":") for text in flags["host_rm"])
            if at in ("", address)
        ]
        kept = [name for name in names if name not in removed]
        if kept:
            found.append(" ".join([address, *kept]))
    return list(dict.fromkeys([*found, *swarm_hosts(flags["host_add"])]))


def _update_files(container: Json, flags: Flags) -> None:
    for kind, member in (("secret", "Secrets"), ("config", "Configs")):
        if _changes(flags, kind):
            kept = [
                reference
                for reference in container.get(member) or ()
                if reference[f"{kind.capitalize()}Name"] not in flags[f"{kind}_rm"]
            ]
            container[member] = [*kept, *flags[f"{kind}_add"]]
    if (credentials := flags.get("credential_spec")) is not None:
        container.setdefault("Privileges", {})["CredentialSpec"] = credentials or None


def _update_dns(container: Json, flags: Flags) -> None:
    if not _changes(flags, "dns", "dns_search", "dns_option"):
        return
    current = container.get("DNSConfig") or {}
    members = (("Nameservers", "dns"), ("Search", "dns_search"), ("Options", "dns_option"))
    container["DNSConfig"] = {
        member: _sorted_list(current.get(member), flags, name) for member, name in members
    }


def _update_health(container: Json, flags: Flags) -> None:
    wanted, command = asked(flags, HEALTH_FLAGS), flags.get("health_cmd")
    if flags.get("no_healthcheck"):
        if wanted or command is not None:
            raise InvalidArgumentError("--no-healthcheck conflicts with --health-* options")
        container["Healthcheck"] = {"Test": ["NONE"]}
        return
    if not wanted and command is None:
        return
    check = {**(container.get("Healthcheck") or {}), **wanted}
    if check.get("Test") == ["NONE"]:
        del check["Test"]
    if command is not None:
        check["Test"] = ["CMD-SHELL", command] if command else None
    container["Healthcheck"] = check


def _update_capabilities(container: Json, flags: Flags) -> None:
    """Adding a dropped capability only takes it off that list, and the other way round."""
    to_add, to_drop = capabilities(flags["cap_add"]), capabilities(flags["cap_drop"])
    if not to_add and not to_drop:
        return
    added = set() if "RESET" in to_add else set(container.get("CapabilityAdd") or ())
    dropped = set() if "RESET" in to_drop else set(container.get("CapabilityDrop") or ())
    for name in to_drop:
        if name not in ("RESET", *to_add):
            (added.discard if name in added else dropped.add)(name)
    for name in to_add:
        if name != "RESET":
            (dropped.discard if name in dropped else added.add)(name)
    container["CapabilityAdd"] = ["ALL"] if "ALL" in added else sorted(added)
    container["CapabilityDrop"] = ["ALL"] if "ALL" in dropped else sorted(dropped)


def _update_resources(template: Json, flags: Flags) -> None:
    limits = asked(
        flags, {"NanoCPUs": "limit_cpu", "MemoryBytes": "limit_memory", "Pids": "limit_pids"}
    )
    reserved = asked(flags, {"NanoCPUs": "reserve_cpu", "MemoryBytes": "reserve_memory"})
    if not (limits or reserved or _changes(flags, "generic_resource")):
        return
    resources = {**(template.get("Resources") or {})}
    resources["Limits"] = {**(resources.get("Limits") or {}), **limits}
    reservations = {**(resources.get("Reservations") or {}), **reserved}
    if _changes(flags, "generic_resource"):
        current = reservations.get("GenericResources")
        reservations["GenericResources"] = _generic_resources(current, flags)
    template["Resources"] = {**resources, "Reservations": reservations}


def _generic_resources(current: Sequence[Json] | None, flags: Flags) -> list[Json]:
    found = {
        item["DiscreteResourceSpec"]["Kind"]: item
        for item in [*(current or ()), *flags["generic_resource_add"]]
    }
    for kind in flags["generic_resource_rm"]:
        if kind not in found:
            raise InvalidArgumentError(f"could not find generic-resource `{kind}` to remove it")
        del found[kind]
    return [found[kind] for kind in sorted(found)]


def _update_placement(template: Json, flags: Flags) -> None:
    placement = {**(template.get("Placement") or {})}
    placement |= asked(flags, {"MaxReplicas": "replicas_max_per_node"})
    if _changes(flags, "constraint"):
        placement["Constraints"] = _sorted_list(placement.get("Constraints"), flags, "constraint")
    if _changes(flags, "placement_pref"):
        removed = flags["placement_pref_rm"]
        kept = [item for item in placement.get("Preferences") or () if item not in removed]
        placement["Preferences"] = [*kept, *flags["placement_pref_add"]]
    template["Placement"] = placement


def _update_restart(template: Json, flags: Flags) -> None:
    wanted = asked(flags, RESTART_FLAGS)
    if wanted:
        template["RestartPolicy"] = {
            **(template.get("RestartPolicy") or RESTART_DEFAULTS),
            **wanted,
        }


def _update_log_driver(template: Json, flags: Flags) -> None:
    if flags.get("log_driver"):
        template["LogDriver"] = {
            "Name": flags["log_driver"],
            "Options": key_values(flags["log_opt"]),
        }


def _update_networks(spec: Json, flags: Flags) -> None:
    if not _changes(flags, "network"):
        return
    template = spec["TaskTemplate"]
    current = template.get("Networks") or spec.pop("Networks", None) or ()
    networks = {
        item["Target"]: item for item in current if item["Target"] not in flags["network_rm"]
    }
    for network in flags["network_add"]:
        if network["Target"] in networks:
            raise InvalidArgumentError(
                f"service is already attached to network {network['Target']}"
            )
        networks[network["Target"]] = network
    template["Networks"] = [networks[target] for target in sorted(networks)]


def _update_mode(spec: Json, flags: Flags) -> None:
    replicas = flags.get("replicas")
    if replicas is None:
        return
    mode = spec["Mode"]
    if "Replicated" not in mode:
        raise InvalidArgumentError("replicas can only be used with replicated mode")
    mode["Replicated"] = {**(mode["Replicated"] or {}), "Replicas": replicas}


def _update_policies(spec: Json, flags: Flags) -> None:
    for member, prefix in (("UpdateConfig", "update_"), ("RollbackConfig", "rollback_")):
        wanted = asked(flags, {key: prefix + flag for key, flag in UPDATE_FLAGS.items()})
        if wanted:
            spec[member] = {**(spec.get(member) or UPDATE_DEFAULTS), **wanted}


def _update_endpoint(spec: Json, flags: Flags) -> None:
    endpoint = {**(spec.get("EndpointSpec") or {})}
    endpoint |= asked(flags, {"Mode": "endpoint_mode"})
    if _changes(flags, "publish"):
        endpoint["Ports"] = _ports(endpoint.get("Ports"), flags)
    spec["EndpointSpec"] = endpoint


def _ports(current: Sequence[Json] | None, flags: Flags) -> list[Json]:
    removed = [_port_target(port) for ports in flags["publish_rm"] for port in ports]
    kept = [port for port in current or () if _port_target(port) not in removed]
    added = [port for ports in flags["publish_add"] for port in ports]
    known = [_port_text(port) for port in current or ()]
    return sorted(
        [*kept, *(port for port in added if _port_text(port) not in known)], key=_port_text
    )


def _port_target(port: Json) -> tuple[str, int, str]:
    return port.get("Protocol", "tcp"), port["TargetPort"], port.get("PublishMode", "ingress")


def _port_text(port: Json) -> str:
    protocol, target, mode = _port_target(port)
    return f"{port.get('PublishedPort', 0)}:{target}/{protocol}/{mode}"


#: Each changes its part of the spec in place, as far as the flags ask for it.
_Change = Callable[[Json, Flags], None]
_CONTAINER_CHANGES: tuple[_Change, ...] = (
    _update_lists,
    _update_files,
    _update_dns,
    _update_health,
    _update_capabilities,
)
_TEMPLATE_CHANGES: tuple[_Change, ...] = (
    _update_resources,
    _update_placement,
    _update_restart,
    _update_log_driver,
)
_SPEC_CHANGES: tuple[_Change, ...] = (
    _update_networks,
    _update_mode,
    _update_policies,
    _update_endpoint,
)
