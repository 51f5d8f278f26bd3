"""The base of every record: frozen, compared by value, with Docker's names on the wire.

One model, not two and a converter: a field is `nano_cpus` in Python and `NanoCPUs` in every
encoding, so msgspec turns Docker's JSON into records and back in C.  What remains (absent against
empty, API versions, objects assembled from several records) is `wire`'s.

A field without a default is always encoded, as Docker does for `Labels` or `ForceUpdate`; a field
with a default is left out while it has it.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

#: Words that Docker spells in its own way; all others are capitalised.
_SPELLING = {
    "apparmor": "AppArmor",
    "ca": "CA",
    "cas": "CAs",
    "cpus": "CPUs",
    "csi": "CSI",
    "dns": "DNS",
    "gid": "GID",
    "id": "ID",
    "ip": "IP",
    "ipam": "IPAM",
    "ips": "IPs",
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "nano": "Nano",
    "os": "OS",
    "selinux": "SELinux",
    "tls": "TLS",
    "tty": "TTY",
    "uid": "UID",
    "url": "URL",
}


def docker_name(name: str) -> str:
    """`nano_cpus` → `NanoCPUs`: a Python field's name as Docker's API spells it."""
    return "".join(_SPELLING.get(word, word.capitalize()) for word in name.strip("_").split("_"))


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=docker_name):
    """A frozen struct.  Replaced, never changed; equal when all fields are."""


R = TypeVar("R", bound=msgspec.Struct)

#: A mapping of strings that nobody changes.
Labels = Mapping[str, str]

NO_LABELS: Labels = {}
