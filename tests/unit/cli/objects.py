"""The API's JSON for tests: services, tasks, nodes."""

from typing import Any

Json = dict[str, Any]


def node(number: int = 1, **changes: Any) -> Json:
    """A ready manager."""
    return {
        "ID": f"node{number:02}".ljust(25, "0"),
        "Version": {"Index": 10 + number},
        "CreatedAt": "2026-11-24T09:08:58.356878106Z",
        "Spec": {"Labels": {}, "Role": "manager", "Availability": "active"},
        "Description": {
            "Hostname": f"host{number}",
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 25_276_502_016},
            "Engine": {
                "EngineVersion": "28.5.2",
                "Plugins": [{"Type": "Network", "Name": "overlay"}],
            },
        },
        "Status": {"State": "ready", "Addr": f"10.0.0.{number}"},
        "ManagerStatus": {
            "Leader": number == 1,
            "Reachability": "reachable",
            "Addr": f"10.0.0.{number}:2377",
        },
        **changes,
    }


def service(name: str = "web", replicas: int = 2, **changes: Any) -> Json:
    """A replicated service."""
    return {
        "ID": f"{name}-id".ljust(25, "0"),
        "Version": {"Index": 77},
        "CreatedAt": "2026-11-24T09:20:07.470871596Z",
        "Spec": {
            "Name": name,
            "Labels": {},
            "TaskTemplate": {
                "ContainerSpec": {"Image": "nginx:1@sha256:" + "a" * 64, "Init": False},
                "Placement": {},
                "ForceUpdate": 0,
            },
            "Mode": {"Replicated": {"Replicas": replicas}},
            "EndpointSpec": {"Mode": "vip"},
        },
        "Endpoint": {},
        "ServiceStatus": {"RunningTasks": replicas, "DesiredTasks": replicas},
        **changes,
    }


def task(slot: int = 1, state: str = "running", desired: str = "running", **changes: Any) -> Json:
    """A task of `web` on the first node."""
    return {
        "ID": f"task{slot}{state}".ljust(25, "0"),
        "CreatedAt": f"2026-11-24T09:20:0{slot}.5Z",
        "ServiceID": service()["ID"],
        "Slot": slot,
        "NodeID": node()["ID"],
        "DesiredState": desired,
        "Spec": {"ContainerSpec": {"Image": "nginx:1@sha256:" + "a" * 64}},
        "Status": {"State": state, "Timestamp": "2026-11-24T09:20:10Z", "PortStatus": {}},
        **changes,
    }
