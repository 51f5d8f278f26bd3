"""`swarmd` and the docker CLI side by side, on an engine's own swarm mode: the reference.

The same command line must print the same, exit the same, and leave the same specs behind.  What
differs on purpose is taken out by `_as_swarmd`: the program's name, and the daemon's.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.real.single_engine import DOCKER, running_engine

pytestmark = pytest.mark.real

_COMMAND_S = 120.0
#: Ends at once when it is asked to.
_SLEEP = 'trap "exit 0" TERM; sleep 100000 & wait'


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Both:
    """The two command lines on one engine."""

    def __init__(self, socket_path: str) -> None:
        self._host = f"unix://{socket_path}"

    def docker(self, args: str) -> Ran:
        """Docker's, with its own name replaced."""
        ran = self._run([DOCKER, "-H", self._host, *shlex.split(args)])
        return Ran(ran.code, _as_swarmd(ran.out), _as_swarmd(ran.err))

    def swarmd(self, args: str) -> Ran:
        """Ours."""
        return self._run([sys.executable, "-m", "swarmd", "-H", self._host, *shlex.split(args)])

    def ok(self, args: str) -> str:
        """Docker's, which must succeed."""
        ran = self.docker(args)
        assert ran.code == 0, ran.err
        return ran.out.strip()

    def spec(self, name: str) -> Any:
        """A service's spec, without what cannot be the same."""
        spec = json.loads(self.ok(f"service inspect {name}"))[0]["Spec"]
        del spec["Name"]
        spec["TaskTemplate"]["ContainerSpec"].get("Env", []).sort()  # docker shuffles it
        spec["EndpointSpec"].get("Ports", []).sort(key=str)  # and these
        return spec

    def _run(self, command: list[str]) -> Ran:
        ran = subprocess.run(
            command,
            env={**os.environ, "FROM_CLIENT": "yes"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)


def _as_swarmd(text: str) -> str:
    text = text.replace("Docker daemon", "swarmd daemon").replace("docker: ", "swarmd: ")
    # Debian builds its docker with an older library of ports, which begins these in upper case.
    text = text.replace('"-p, --publish" flag: Invalid', '"-p, --publish" flag: invalid')
    return re.sub(r"\bdocker (service|stack|node|swarm)", r"swarmd \1", text)


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    """A swarm of one with a service, a stack, a network, a secret and a config."""
    with running_engine() as socket_path:
        made = Both(socket_path)
        made.ok("swarm init --advertise-addr 127.0.0.1")
        made.ok("network create -d overlay net1")
        made.ok("network create -d overlay net2")
        made.ok(f"config create conf {__file__}")
        made.ok(f"secret create sec {__file__}")
        made.ok(
            "service create -q --name web --replicas 2 -l com.docker.stack.namespace=shop "
            f"--no-resolve-image --network net1 busybox sh -c 'echo hello; {_SLEEP}'"
        )
        made.ok("service create -d --name db --constraint node.role==worker -p 5432 busybox")
        yield made


@pytest.mark.parametrize(
    "args",
    [
        "service ls", "service ls -q", "service ls --format json", "service ls -f name=web",
        "service ls --format 'table {{.ID}}\\t{{upper .Name}}'", "service ls -f foo=bar",
        "service ps web -q", "service ps web --no-trunc --format '{{.Name}} {{.Node}} {{.Image}}'",
        "service ps nope", "service inspect web", "service inspect --pretty db",
        "service inspect web nope", "service inspect --format '{{json .Spec.Mode}}' web db",
        "service ls --format raw", "service ls -q --format raw", "node ls --format raw",
        "service ps web --format raw", "stack services shop --format raw",
        "service ls --format '{{json .}} {{json .Ports}} {{slice .ID 0 4}}'",
        "service inspect web --format '{{.Spec.Mode.Global}} {{.PreviousSpec}} {{.UpdateStatus}}'",
        "service inspect web --format '{{.Spec.TaskTemplate.ContainerSpec.Env}} {{.CreatedAt}}'",
        "service inspect web --format '{{.Spec.EndpointSpec}} {{.Endpoint.VirtualIPs}}'",
        "service inspect web --format '{{.Spec.UpdateConfig}} {{.Spec.TaskTemplate.Placement}}'",
        "node inspect self --format '{{.Spec.Name}} {{.Status}} {{.ManagerStatus.Leader}}'",
        "node inspect self --format '{{(index .Description.Engine.Plugins 0).Type}}'",
        "service logs --raw web", "service logs nope", "service logs --tail 0 web",
        "node ls", "node ls -q", "node ls --format json", "node inspect self",
        "node inspect --pretty self", "node inspect nope", "node ps -q", "node ps nope",
        "node promote nope", "node rm nope", "node update --label-rm zz self",
        "stack ls", "stack services shop", "stack services nope", "stack ps nope", "stack ps -q shop",
        "stack rm nope", "stack deploy x", "swarm join-token worker", "swarm join-token -q manager",
        "swarm join-token x", "swarm ca", "swarm ca --cert-expiry 5h", "swarm leave",
        "service ls x", "service create --foo x", "service create -p foo x",
        "service create --replicas x y", "service create --name", "service frob", "service rm nope",
        "service scale web", "service scale web=x", "service update nope --image x",
        "service create --mode foo x", "service create --mount type=bind x",
        "service create --no-healthcheck --health-cmd x y", "service create -dz x",
        "service create --network nope x", "service create --secret nope x",
        "service create --update-delay 5 x", "service create --ulimit x y",
        "service create --env-file nope x", "service create -p 80:70-71 x",
    ],
)  # fmt: skip
def test_a_command_prints_and_exits_as_dockers_does(both: Both, args: str) -> None:
    assert both.swarmd(args) == both.docker(args)


@pytest.mark.parametrize(
    "flags",
    [
        "", "--replicas 0", "--mode global", "--mode replicated-job --replicas 3",
        "-e X=1 -e Y -e FROM_CLIENT -e X=2 -l a=b -l c --container-label x=y=z",
        "--limit-cpu .5 --limit-memory 64m --limit-pids 5 --reserve-memory 1.5g --generic-resource g=2",
        "-p 80 -p 8080-8082:80-82/udp -p published=90,target=9,mode=host",
        "--mount type=bind,src=./x,dst=/d,ro,bind-propagation=rprivate --mount type=tmpfs,dst=/t,tmpfs-size=1m",
        "--mount src=v,dst=/e,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=type=nfs",
        "--network net2 --network name=net1,alias=foo,driver-opt=a=b",
        "--secret sec --config source=conf,target=/etc/c,mode=0400,uid=5",
        "--restart-delay 3s --update-parallelism 0 --update-delay 1m30s --rollback-monitor 0s",
        "--health-cmd 'true x' --health-interval 5s --health-retries 2", "--no-healthcheck",
        "--constraint node.role==x --placement-pref spread=node.labels.x --replicas-max-per-node 2",
        "--cap-add net_admin --cap-drop all --ulimit nofile=10:20 --sysctl net.x=1",
        "--dns 8.8.8.8 --dns-search x.y --host a:1.2.3.4 --hostname h --group 5 --user 1:2",
        "--entrypoint 'sh -c \"a b\"' -t --read-only --init --stop-grace-period 1m",
        "--log-driver json-file --log-opt a=b --endpoint-mode dnsrr",
    ],
)  # fmt: skip
def test_flags_make_the_spec_that_dockers_do(both: Both, flags: str) -> None:
    specs = []
    for run in (both.docker, both.swarmd):
        made = run(f"service create -d --no-resolve-image --name made {flags} busybox a -b")
        assert made.code == 0, made.err
        specs.append(both.spec("made"))
        both.ok("service rm made")
    assert specs[1] == specs[0]


_BEFORE = (
    "--replicas 0 -e A=1 -l a=b --container-label x=y -p 8080:80 --network net2 --secret sec "
    "--constraint node.role!=b --placement-pref spread=node.labels.x --cap-add net_admin "
    "--ulimit core=5 --sysctl net.x=1 --dns 8.8.8.8 --host a:1.2.3.4 --group 5 -t --init "
    "--limit-memory 64m --generic-resource gpu=2"
)


@pytest.mark.parametrize(
    "flags",
    [
        "--env-add X=5 --env-rm A", "--label-add q=1 --label-rm a --container-label-rm x",
        "--image busybox:latest --args 'x y' --force", "--limit-cpu 1 --limit-memory 0",
        "--publish-add 8099:80 --publish-rm 80", "--mount-add type=tmpfs,dst=/n",
        "--network-add net1", "--network-rm net2", "--secret-rm sec --config-add conf",
        "--restart-condition none --update-parallelism 3", "--no-healthcheck",
        "--constraint-add node.id==1 --constraint-rm node.role!=b --placement-pref-rm spread=node.labels.x",
        "--cap-add sys_time --cap-drop net_admin --ulimit-rm core --sysctl-add a=1",
        "--dns-add 1.1.1.1 --dns-rm 8.8.8.8 --host-add c:5.5.5.5 --host-rm a --group-rm 5",
        "--tty=false --init=false --workdir /x", "--replicas 4 --log-driver none",
        "--generic-resource-add fpga=1 --generic-resource-rm gpu", "--generic-resource-rm nope",
    ],
)  # fmt: skip
def test_an_update_changes_what_dockers_does(both: Both, flags: str) -> None:
    specs = []
    for run in (both.docker, both.swarmd):
        both.ok(f"service create -d --no-resolve-image --name made {_BEFORE} busybox")
        changed = run(f"service update -d --no-resolve-image {flags} made")
        specs.append((changed.code, changed.err, both.spec("made")))
        both.ok("service rm made")
    assert specs[1] == specs[0]


def test_a_service_is_waited_for_without_dockers_five_seconds(both: Both) -> None:
    create = "service create --name waited --no-resolve-image busybox sh -c"
    ran = both.swarmd(f"{create} '{_SLEEP}'")
    try:
        assert ran.code == 0, ran.err
        assert ran.out.splitlines()[-1].endswith("converged")
        assert "Waiting" not in ran.out
        assert both.ok(
            "service ps -f desired-state=running waited --format {{.CurrentState}}"
        ).startswith("Running")
    finally:
        both.ok("service rm waited")


def test_a_stack_is_the_one_that_docker_deploys(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    command = json.dumps(["sh", "-c", _SLEEP])
    file.write_text(
        'version: "3.9"\n'
        "services:\n"
        f"  web: {{image: busybox, command: {command}, environment: {{A: $FROM_CLIENT}}}}\n"
        f"  db: {{image: busybox, command: {command}, networks: [back], deploy: {{mode: global}}}}\n"
        "networks: {back: {}}\n"
    )
    specs, outs = [], []
    for run in (both.docker, both.swarmd):
        ran = run(f"stack deploy --detach=false --resolve-image never -c {file} pile")
        assert ran.code == 0, ran.err
        outs.append(sorted(line for line in ran.out.splitlines() if line.startswith("Creating")))
        specs.append([_without_ids(both.spec(f"pile_{name}")) for name in ("web", "db")])
        assert both.swarmd("stack rm --detach=false pile").code == 0
    assert outs[1] == outs[0]
    assert specs[1] == specs[0]


def _without_ids(spec: Any) -> Any:
    for network in spec["TaskTemplate"]["Networks"]:
        del network["Target"]
    return spec
