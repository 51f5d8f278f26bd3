"""The task list that `service ps`, `node ps` and `stack ps` share."""

from collections.abc import Sequence

from swarmd.cli.client import Client, path
from swarmd.cli.listing import Row, listed
from swarmd.cli.output import (
    Json,
    age,
    capitalized,
    ellipsis,
    image_name,
    natural_key,
    parse_time,
    short_id,
)

_COLUMNS = (
    "{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}"
    "\t{{.Ports}}"
)
_HEADINGS = {
    "ID": "ID",
    "Name": "NAME",
    "Image": "IMAGE",
    "Node": "NODE",
    "DesiredState": "DESIRED STATE",
    "CurrentState": "CURRENT STATE",
    "Error": "ERROR",
    "Ports": "PORTS",
}
_RAW = {
    "id": "ID",
    "name": "Name",
    "image": "Image",
    "node": "Node",
    "desired_state": "DesiredState",
    "current_state": "CurrentState",
    "error": "Error",
    "ports": "Ports",
}
_ERROR_WIDTH = 30


class Names:
    """Names for ids, asked for once each; an id that nobody knows stands for itself."""

    def __init__(self, client: Client, *, is_resolving: bool = True) -> None:
        self._client = client
        self._is_resolving = is_resolving
        self._known: dict[str, str] = {}

    def service(self, service_id: str) -> str:
        """The service's name."""
        return self._name("services", service_id)

    def node(self, node_id: str) -> str:
        """The node's name, or its host's."""
        return self._name("nodes", node_id)

    def network(self, network_id: str) -> str:
        """The network's name."""
        return self._name("networks", network_id)

    def _name(self, kind: str, object_id: str) -> str:
        if not self._is_resolving or not object_id:
            return object_id
        if object_id not in self._known:
            found = self._client.find(path(kind, object_id)) or {}
            name = found.get("Name") or found.get("Spec", {}).get("Name")
            host = found.get("Description", {}).get("Hostname")
            self._known[object_id] = name or host or object_id
        return self._known[object_id]


def task_list(
    tasks: Sequence[Json],
    names: Names,
    now: float,
    *,
    format_: str,
    is_quiet: bool,
    is_truncating: bool,
) -> str:
    """Tasks by name, newest first; older tasks of the same slot are indented in a table."""
    named = [(_task_name(task, names), task) for task in tasks]
    named.sort(key=lambda pair: parse_time(pair[1].get("CreatedAt", "")), reverse=True)
    named.sort(key=lambda pair: natural_key(pair[0]))
    is_table = not format_ or format_.startswith("table")
    rows: list[Row] = []
    last = ""
    for name, task in named:
        shown = f" \\_ {name}" if is_table and name == last else name
        node = names.node(task.get("NodeID", ""))
        rows.append(
            {"Name": shown, "Node": node, **task_row(task, now, is_truncating=is_truncating)}
        )
        last = name
    return listed(rows, _HEADINGS, format_=format_, default=_COLUMNS, is_quiet=is_quiet, raw=_RAW)


def _task_name(task: Json, names: Names) -> str:
    service = names.service(task.get("ServiceID", ""))
    return f"{service}.{task.get('Slot') or task.get('NodeID', '')}"


def task_row(task: Json, now: float, *, is_truncating: bool) -> dict[str, str]:
    """The columns that the task alone determines."""
    status = task.get("Status", {})
    error = status.get("Err", "")
    image = task.get("Spec", {}).get("ContainerSpec", {}).get("Image", "")
    ports = status.get("PortStatus", {}).get("Ports") or []
    if is_truncating:
        error, image = ellipsis(error, _ERROR_WIDTH), image_name(image)
    return {
        "ID": short_id(task["ID"]) if is_truncating else task["ID"],
        "Image": image,
        "DesiredState": capitalized(task.get("DesiredState", "")),
        "CurrentState": _current_state(status, now),
        "Error": f'"{error}"' if error else "",
        "Ports": ",".join(
            f"*:{port.get('PublishedPort', 0)}->{port.get('TargetPort', 0)}/{port.get('Protocol', '')}"
            for port in ports
        ),
    }


def _current_state(status: Json, now: float) -> str:
    return f"{capitalized(status.get('State', ''))} {age(status.get('Timestamp', ''), now).lower()}"
