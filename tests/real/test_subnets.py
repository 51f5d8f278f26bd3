"""Hosts whose own network is where Docker's default pool begins, as in many clouds."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.real.swarm import WEB, RealSwarm
from tools.lab.lab import Lab

pytestmark = pytest.mark.real

#: Of each host, beside the underlay's.
_ADDRESSES = {1: "10.0.0.11", 2: "10.0.0.12"}


@pytest.fixture
def swarm(lab: Lab, engine_bin: Path, tmp_path: Path) -> Iterator[RealSwarm]:
    """Two hosts in 10.0.0.0/16; the first has founded a swarm there, and the second is in it."""
    made = RealSwarm(lab, engine_bin / "docker", tmp_path, nodes=2)
    made.reset()
    for number, address in _ADDRESSES.items():
        lab.run(made.host(number), ["ip", "address", "add", f"{address}/16", "dev", "eth0"])
    made.start()
    made.docker(1, "swarm", "init", "--advertise-addr", _ADDRESSES[1])
    token = ("--token", made.token("worker"))
    made.docker(2, "swarm", "join", *token, "--advertise-addr", _ADDRESSES[2], _ADDRESSES[1])
    yield made
    made.reset()


def test_default_networks_leave_the_hosts_their_own(swarm: RealSwarm) -> None:
    swarm.docker(1, "network", "create", "--driver", "overlay", "between")
    form = "{{range .IPAM.Config}}{{.Subnet}}{{end}}"
    shown = [swarm.docker(1, "network", "inspect", "-f", form, n) for n in ("ingress", "between")]
    assert [subnet.strip() for subnet in shown] == ["10.1.0.0/16", "10.2.0.0/24"]

    create = ("service", "create", "--detach", "--network", "between", "--publish", "8080:80")
    swarm.docker(1, *create, "--name", "web", "--mode", "global", "busybox", "sh", "-c", WEB)
    swarm.settled("web", 2)
    for number in swarm.numbers:
        for address in _ADDRESSES.values():
            answer = partial(swarm.asked, number, address, 8080)
            swarm.eventually(f"{address} answers on host {number}", answer)
