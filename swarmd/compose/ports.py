"""`ports`: `[[address:]published[-last]:]target[-last][/protocol]`, or a mapping, to the latter.

A service of a swarm listens on every address of every node, so an address is noted and dropped.
No published port asks the swarm to choose one.  `8000-8002:80` publishes three ports to one
target; two ranges go pairwise.
"""

import re

from swarmd.compose import shapes
from swarmd.compose.document import Json, Place
from swarmd.compose.notes import Severity

_PROTOCOLS = ("tcp", "udp", "sctp")
_SHORT = re.compile(
    r"(?:(?P<address>\[[^\]]*\]|[^:\[\]]*):)?(?:(?P<published>[^:]*):)?(?P<target>[^:/]*)"
    r"(?:/(?P<protocol>[^/]*))?"
)
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


def ports(value: Json, at: Place) -> list[Json]:
    """All ports in long syntax, in the order in which they were written."""
    found: list[Json] = []
    for index, item in enumerate(shapes.listed(value, at)):
        place = at / index
        if isinstance(item, dict):
            found.append(_long(item, place))
        elif isinstance(item, bool) or not isinstance(item, str | int):
            raise place.mismatch("must be a number, string or mapping")
        else:
            found.extend(_expanded(str(item), place))
    return found


def _expanded(spec: str, at: Place) -> list[dict[str, Json]]:
    match = _SHORT.fullmatch(spec)
    if match is None:
        raise at.refusal(f"invalid port: {spec}")
    # With one colon, what stands before it is the published port.
    address, published = match["address"], match["published"]
    if published is None:
        address, published = None, address
    protocol = (match["protocol"] or "tcp").lower()
    if protocol not in _PROTOCOLS:
        raise at.refusal(f"invalid proto: {protocol}")
    if not match["target"]:
        raise at.refusal(f"no port specified: {spec}<empty>")
    first, last = _range(match["target"], at, "containerPort")
    _note_address(address or "", f"{published or ''}:{match['target']}/{protocol}", at)
    targets = range(first, last + 1)
    if not published:
        return [_port(target, 0, protocol) for target in targets]
    first, last = _range(published, at, "hostPort")
    wanted = range(first, last + 1)
    if len(targets) == 1:
        return [_port(targets[0], port, protocol) for port in wanted]
    if len(targets) != len(wanted):
        raise at.refusal(
            "invalid ranges specified for container and host Ports: "
            f"{match['target']} and {published}"
        )
    return [_port(*pair, protocol) for pair in zip(targets, wanted, strict=True)]


def _range(text: str, at: Place, what: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is not None:
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if 0 < first <= last <= 65535:
            return first, last
    raise at.refusal(f"invalid {what}: {text}")


def _port(target: int, published: int, protocol: str) -> dict[str, Json]:
    port: dict[str, Json] = {"mode": "ingress", "target": target}
    if published:
        port["published"] = published
    return {**port, "protocol": protocol}


def _note_address(address: str, rest: str, at: Place) -> None:
    if address and address.strip("[]") not in ("0.0.0.0", "::"):  # noqa: S104 - only compared
        text = f"ignoring IP-address ({address}:{rest}) service will listen on '0.0.0.0'"
        at.note(Severity.IGNORED, text)


def _number(value: Json, at: Place) -> int:
    """Newer files quote published ports; a range or a variable may stand in the quotes."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        value = int(value)
    port = shapes.integer(value, at)
    if not 0 <= port <= 65535:
        raise at.refusal(f"invalid port: {port}")
    return port


def _target(value: Json, at: Place) -> int:
    port = _number(value, at)
    if port == 0:
        raise at.refusal("missing mandatory field 'target'")
    return port


def _host_ip(value: Json, at: Place) -> None:
    _note_address(shapes.text(value, at), "", at)


_FIELDS = shapes.fields(
    {
        "mode": shapes.one_of("ingress", "host"),
        "target": _target,
        "published": _number,
        "protocol": shapes.one_of(*_PROTOCOLS),
        "name": shapes.text,
        "host_ip": _host_ip,
        "app_protocol": shapes.without_effect(
            Severity.IGNORED, "nothing in a swarm speaks the application's protocol"
        ),
    }
)


def _long(value: Json, at: Place) -> Json:
    port = shapes.mapped(_FIELDS(value, at), at)
    if "target" not in port:
        raise at.refusal("missing mandatory field 'target'")
    return port
