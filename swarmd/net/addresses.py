"""Addresses: "10.0.0.1:2377", "[fd00::1]:2377"."""

from swarmd.errors import InvalidArgumentError
from swarmd.ports import Address


def split_address(address: Address) -> tuple[str, int]:
    """(host, port) without the brackets.  Raises InvalidArgumentError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InvalidArgumentError(f'"{address}" is no address: HOST:PORT is wanted')
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise InvalidArgumentError(f'"{address}" is no address: write an IPv6 host in brackets')
    return host, int(port)


def join_address(host: str, port: int) -> Address:
    """With the brackets that an IPv6 host needs."""
    return Address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
