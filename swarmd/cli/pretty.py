"""`inspect --pretty`: Docker's own templates over the API's JSON, with what they call prepared.

The templates are docker/cli's (service/formatter.go, node/formatter.go), so the output is the same
to the tab; what are methods of Go structs there are plain values here.
"""

from collections.abc import Callable, Mapping, Sequence

from swarmd.cli.output import (
    Json,
    age,
    capitalized,
    go_duration,
    go_time,
    human_size,
    utc_now,
)
from swarmd.cli.pretty_templates import NODE, SERVICE
from swarmd.cli.template import parse

_NANO = 1e9


def pretty_node(node: Json) -> str:
    """A node for people."""
    description, status = node.get("Description", {}), node.get("Status", {})
    engine, resources = description.get("Engine", {}), description.get("Resources", {})
    manager = node.get("ManagerStatus") or {}
    memory = resources.get("MemoryBytes", 0)
    view: Json = {
        "ID": node["ID"],
        "Name": node["Spec"].get("Name"),
        "Labels": node["Spec"].get("Labels"),
        "Hostname": description.get("Hostname", ""),
        "CreatedAt": capitalized(go_time(node.get("CreatedAt", ""))),
        "StatusState": capitalized(status.get("State", "")),
        "StatusMessage": capitalized(status.get("Message", "")),
        "SpecAvailability": capitalized(node["Spec"].get("Availability", "")),
        "StatusAddr": status.get("Addr"),
        "Manager": manager,
        "ManagerReachability": capitalized(manager.get("Reachability", "")),
        "Platform": {"OS": "", "Architecture": "", **description.get("Platform", {})},
        "CPUs": int(resources.get("NanoCPUs", 0) / _NANO),
        "Memory": human_size(memory) if memory else "",
        "Plugins": _plugins(engine.get("Plugins") or []),
        "EngineVersion": engine.get("EngineVersion", ""),
        "EngineLabels": engine.get("Labels"),
        "TLSInfo": description.get("TLSInfo"),
    }
    return parse(NODE).render(view, optional=True) + "\n"


def _plugins(plugins: Sequence[Json]) -> Mapping[str, str]:
    found: dict[str, list[str]] = {}
    for plugin in plugins:
        found.setdefault(plugin["Type"], []).append(plugin["Name"])
    return {kind: ", ".join(names) for kind, names in found.items()}


def pretty_service(service: Json, network_name: Callable[[str], str]) -> str:
    """A service for people; `network_name` names a network's id."""
    spec = service["Spec"]
    template = spec["TaskTemplate"]
    container = template.get("ContainerSpec") or {}
    placement = template.get("Placement") or {}
    view: Json = {
        "ID": service["ID"],
        "Name": spec["Name"],
        "Labels": spec.get("Labels"),
        "Mode": spec["Mode"],
        "IsGlobal": "Global" in spec["Mode"],
        "IsReplicated": "Replicated" in spec["Mode"],
        "UpdateStatus": _update_status(service.get("UpdateStatus")),
        "Constraints": placement.get("Constraints"),
        "Preferences": [
            "spread=" + item["Spread"]["SpreadDescriptor"]
            for item in placement.get("Preferences") or ()
        ],
        "MaxReplicas": placement.get("MaxReplicas"),
        "UpdateConfig": _policy(spec.get("UpdateConfig")),
        "RollbackConfig": _policy(spec.get("RollbackConfig")),
        "Container": container,
        "HasInit": container.get("Init") is not None,
        "CapabilityAdd": ", ".join(container.get("CapabilityAdd") or ()),
        "CapabilityDrop": ", ".join(container.get("CapabilityDrop") or ()),
        "Ulimits": {
            item["Name"]: f"{item.get('Soft', 0)}:{item.get('Hard', 0)}"
            for item in container.get("Ulimits") or ()
        },
        "Mounts": [
            {"Source": "", "ReadOnly": False, **mount} for mount in container.get("Mounts") or ()
        ],
        "LogDriver": template.get("LogDriver"),
        **_resources(template.get("Resources")),
        "Networks": [network_name(item["Target"]) for item in template.get("Networks") or ()],
        "EndpointMode": (spec.get("EndpointSpec") or {}).get("Mode", ""),
        "Ports": [
            {"PublishedPort": 0, **port}
            for port in (service.get("Endpoint") or {}).get("Ports") or ()
        ],
        "Healthcheck": _healthcheck(container.get("Healthcheck")),
    }
    return parse(SERVICE).render(view, optional=True) + "\n"


def _update_status(status: Json | None) -> Json | None:
    if not status or not status.get("State"):
        return None
    now, found = utc_now(), {"Message": "", **status}
    for moment in ("StartedAt", "CompletedAt"):
        if status.get(moment):
            found[moment] = age(status[moment], now)
    if status["State"] != "completed":
        found.pop("CompletedAt", None)
    return found


def _policy(policy: Json | None) -> Json | None:
    if policy is None:
        return None
    shown = {
        name: go_duration(policy.get(name, 0)) for name in ("Delay", "Monitor") if policy.get(name)
    }
    return {"MaxFailureRatio": 0, "FailureAction": "", "Order": "", **policy, **shown}


def _resources(resources: Json | None) -> Json:
    limits = (resources or {}).get("Limits") or {}
    reservations = (resources or {}).get("Reservations") or {}
    return {
        "HasResources": resources is not None,
        "Reservations": _shown_resources(reservations),
        "Limits": _shown_resources(limits),
        "Pids": limits.get("Pids", 0),
    }


def _shown_resources(resources: Json) -> Json:
    shown: Json = {}
    if resources.get("NanoCPUs"):
        shown["CPU"] = resources["NanoCPUs"] / _NANO
    if resources.get("MemoryBytes"):
        shown["Memory"] = human_size(resources["MemoryBytes"])
    return shown or ({"Pids": resources["Pids"]} if resources.get("Pids") else {})


def _healthcheck(check: Json | None) -> Json | None:
    if check is None:
        return None
    times = {
        name: go_duration(check.get(name, 0)) for name in ("Interval", "StartPeriod", "Timeout")
    }
    return {"Retries": 0, **check, **times}
