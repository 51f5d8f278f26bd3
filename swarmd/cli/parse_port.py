"""`--publish`: `[published[-published]:]target[/protocol]`, and the long `target=…,…`.  Pure."""

import ipaddress

from swarmd.cli.output import Json
from swarmd.cli.parse import csv_fields, is_long_syntax
from swarmd.errors import InvalidArgumentError

_PROTOCOLS = ("tcp", "udp", "sctp")
_MODES = ("ingress", "host")
_MAX_PORT = 65535


def ports(text: str) -> list[Json]:
    """The port configs that one `--publish` asks for.

    Raises:
        InvalidArgumentError: neither syntax.
    """
    return [_long(text)] if is_long_syntax(text) else _short(text)


def _long(text: str) -> Json:
    port: Json = {}
    for field in csv_fields(text):
        key, equals, value = field.lower().partition("=")
        if not equals or not key:
            raise InvalidArgumentError(f"invalid field: {field}")
        match key:
            case "protocol":
                if value not in _PROTOCOLS:
                    raise InvalidArgumentError(f"invalid protocol value '{value}'")
                port["Protocol"] = value
            case "mode":
                if value not in _MODES:
                    raise InvalidArgumentError(
                        f"invalid publish mode value ({value}): must be either 'ingress' or 'host'"
                    )
                port["PublishMode"] = value
            case "target":
                port["TargetPort"] = _number(value, "target")
            case "published":
                port["PublishedPort"] = _number(value, "published")
            case _:
                raise InvalidArgumentError(f"invalid field key: {key}")
    if not port.get("TargetPort"):
        raise InvalidArgumentError("missing mandatory field 'target'")
    return {"Protocol": "tcp", "PublishMode": "ingress", **port}


def _number(text: str, name: str) -> int:
    problem = f"invalid {name} port ({text}): value must be an integer: "
    if not text.isdecimal():
        raise InvalidArgumentError(f"{problem}invalid syntax")
    if int(text) > _MAX_PORT:
        raise InvalidArgumentError(f"{problem}value out of range")
    return int(text)


def _short(text: str) -> list[Json]:
    spec, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in _PROTOCOLS:
        raise InvalidArgumentError(f"invalid proto: {protocol}")
    rest, _, target = spec.rpartition(":")
    address, _, published = rest.rpartition(":")
    if address:
        raise InvalidArgumentError(
            "hostip is not supported" if _is_ip(address) else f"invalid IP address: {address}"
        )
    if not target:
        raise InvalidArgumentError(f"no port specified: {text}<empty>")
    targets = _range(target, "containerPort")
    if not published:
        return [_port(protocol, number, 0) for number in targets]
    wanted = _range(published, "hostPort")
    if len(targets) == 1:
        return [_port(protocol, targets[0], number) for number in wanted]
    if len(targets) != len(wanted):
        raise InvalidArgumentError(
            f"invalid ranges specified for container and host Ports: {target} and {published}"
        )
    return [_port(protocol, *numbers) for numbers in zip(targets, wanted, strict=True)]


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _range(text: str, name: str) -> range:
    first, dash, last = text.partition("-")
    numbers = (first, last if dash else first)
    are_ports = all(number.isdecimal() and int(number) <= _MAX_PORT for number in numbers)
    if not are_ports or int(numbers[1]) < int(numbers[0]):
        raise InvalidArgumentError(f"invalid {name}: {text}")
    return range(int(numbers[0]), int(numbers[1]) + 1)


def _port(protocol: str, target: int, published: int) -> Json:
    port: Json = {"Protocol": protocol, "TargetPort": target, "PublishMode": "ingress"}
    return {**port, "PublishedPort": published} if published else port
