"""The demo: `python -m tools.demo up` makes a swarm of three hosts on this machine; `down` removes it.

The hosts are namespaces (see tools/lab), the engines the machine's own dockerd, everything else is
what a user does on three machines: `swarmd daemon`, `swarm init`, `swarm join`, `stack deploy`.  A
demo that is there and whole is used again; anything less, such as what an interrupted run left, is
removed and made anew.  Exit status 0 means that the published port was answered on every host, at
its address and at 127.0.0.1, by replicas on all hosts.

`--prefix` gives the hosts other names than demo1 to demo3, and the file of variables another than
demo.env: so the tests leave a demo alone that is up.
"""

import argparse
import concurrent.futures
import http.client
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.lab.lab import EngineOptions, Lab, LabError
from tools.lab.swarmd import HostSwarmd
from tools.lab.underlay import Underlay

ROOT = Path(__file__).parents[1]
COMPOSE = Path("compose-examples", "web.yml")
STACK, SERVICE, PORT = "web", "web_web", 8080
HOST_COUNT = 3

#: Longest a command of the demo may take; each takes seconds.
_COMMAND_S = 120.0
#: Longest until every endpoint has shown every replica; a fraction of a second is usual.
_ANSWERS_S = 20.0


class DemoError(Exception):
    """The demo does not do what it shows, in a sentence."""


def main() -> int:
    """`up` or `down`; the exit status."""
    verbs = {"up": up, "down": down}
    parser = argparse.ArgumentParser(prog="demo", description="a swarm of three hosts")
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("--prefix", default="demo", help="the hosts' name (default: demo)")
    arguments = parser.parse_args()
    if os.geteuid():
        print("demo: must be root, to make network namespaces", file=sys.stderr)
        return 1
    try:
        verbs[arguments.verb](Lab(arguments.prefix))
    except KeyboardInterrupt:
        print("\ndemo: interrupted; run it again, or `make demo-down`", file=sys.stderr)
        return 130
    except (DemoError, LabError, OSError, subprocess.SubprocessError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        if arguments.verb == "up":
            print(
                "demo: the hosts are left as they are; `make demo-down` removes them",
                file=sys.stderr,
            )
        return 1
    return 0


def up(lab: Lab) -> None:
    """Bring the demo up, show it, leave it running."""
    began = time.perf_counter()
    daemons = [HostSwarmd(lab, f"{lab.prefix}{index + 1}") for index in range(HOST_COUNT)]
    if _is_whole(lab, daemons):
        print("The three hosts are there and in the swarm: using them again.")
    else:
        _make_hosts(lab)
        _start_daemons(daemons)
        _make_swarm(lab, daemons)
    _write_environment(lab, daemons)
    # The image was made here: no registry knows it.
    how = ("--detach=false", "--resolve-image=never")
    _show(daemons[0], "stack", "deploy", *how, "-c", str(COMPOSE), STACK)
    _show(daemons[0], "node", "ls")
    _show(daemons[0], "stack", "services", STACK)
    _show(daemons[0], "service", "ps", "--filter", "desired-state=running", SERVICE)
    _show_answers(lab, daemons)
    _print_what_next(lab, time.perf_counter() - began)


def down(lab: Lab) -> None:
    """Remove every trace; no error if there is none."""
    with _step("Removing the hosts, their engines, containers and disks"):
        lab.destroy()
        Underlay.remove_empty_folder()
        _environment_file(lab).unlink(missing_ok=True)


# -- making it


def _is_whole(lab: Lab, daemons: Sequence[HostSwarmd]) -> bool:
    """Whether all hosts are on and active in a swarm that has a leader."""
    hosts = {status.host for status in lab.status() if status.is_on and status.engine_answers}
    if hosts != {daemon.host for daemon in daemons}:
        return False
    try:
        are_active = all(_swarm_state(daemon) == "active" for daemon in daemons)
        return are_active and daemons[0].get("/nodes") != []  # refused when nobody leads
    except (OSError, LabError, http.client.HTTPException):
        return False


def _swarm_state(daemon: HostSwarmd) -> str:
    info = daemon.get("/info")
    assert isinstance(info, dict)
    return str(info["Swarm"]["LocalNodeState"])


def _make_hosts(lab: Lab) -> None:
    dockerd = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if dockerd is None:
        raise DemoError("there is no dockerd: run `make system`, or `apt-get install docker.io`")
    with _step("Making three hosts, each with an engine and the image busybox"):
        lab.destroy()
        lab.create(HOST_COUNT, engine=EngineOptions(program=dockerd))


def _start_daemons(daemons: Sequence[HostSwarmd]) -> None:
    with _step("Starting swarmd beside each engine"):
        for daemon in daemons:
            daemon.start()
        for daemon in daemons:
            daemon.await_answer()


def _make_swarm(lab: Lab, daemons: Sequence[HostSwarmd]) -> None:
    first, manager, worker = daemons
    address = lab.ip(first.host)
    _show(first, "swarm", "init", "--advertise-addr", address)
    for daemon, role in ((manager, "manager"), (worker, "worker")):
        token = _swarmd(first, "swarm", "join-token", "--quiet", role).strip()
        _show(daemon, "swarm", "join", "--token", token, f"{address}:2377")


def _environment_file(lab: Lab) -> Path:
    return ROOT / f"{lab.prefix}.env"


def _write_environment(lab: Lab, daemons: Sequence[HostSwarmd]) -> None:
    urls = " ".join(daemon.url for daemon in daemons)
    names = " ".join(daemon.host for daemon in daemons)
    _environment_file(lab).write_text(
        f"SWARMD_HOST={daemons[0].url}\n"
        f'SWARMD_HOSTS="{urls}"\n'
        f'DEMO_NETNS="{names}"\n'
        "export SWARMD_HOST SWARMD_HOSTS DEMO_NETNS\n"
    )


# -- showing it


def _show(daemon: HostSwarmd, *argv: str) -> None:
    """Run `swarmd …` against a host as a user would, in sight."""
    print(f"\n{daemon.host}$ swarmd {shlex.join(argv)}", flush=True)
    # The compose file takes its port from the environment, which may hold a PORT of something else.
    environment = {**os.environ, "PORT": str(PORT)}
    done = subprocess.run(
        _command(daemon, argv),
        cwd=ROOT,
        env=environment,
        timeout=_COMMAND_S,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"`swarmd {shlex.join(argv)}` on {daemon.host}: status {done.returncode}")


def _swarmd(daemon: HostSwarmd, *argv: str) -> str:
    """Standard output of `swarmd …` against a host."""
    done = subprocess.run(
        _command(daemon, argv),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_COMMAND_S,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"`swarmd {shlex.join(argv)}` on {daemon.host}: {done.stderr.strip()}")
    return done.stdout


def _command(daemon: HostSwarmd, argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "swarmd", "--host", daemon.url, *argv]


def _show_answers(lab: Lab, daemons: Sequence[HostSwarmd]) -> None:
    """Ask each host's published port, from inside the host, until all replicas have answered."""
    replicas = _replicas(daemons[0])
    hosts = [daemon.host for daemon in daemons]
    if set(replicas.values()) != set(hosts):
        raise DemoError(f"not every host has a replica: {sorted(replicas.values())}")
    print(
        f"\nAsking port {PORT} on each host, inside the host; the replicas that answered, by host:"
    )
    places = [(host, address) for host in hosts for address in (lab.ip(host), "127.0.0.1")]

    def answers(place: tuple[str, str]) -> set[str]:
        return _answers(lab, *place, wanted=set(replicas))

    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        answered_by_place = dict(zip(places, pool.map(answers, places), strict=True))
    missing = []
    for (host, address), answered in answered_by_place.items():
        theirs = sorted(replicas[name] for name in answered)
        print(f"  {host}  http://{address}:{PORT}/".ljust(38), " ".join(theirs) or "no answer")
        if len(answered) < len(replicas):
            missing.append(f"{address}:{PORT} on {host}")
    if missing:
        raise DemoError(f"not every replica answered at {', '.join(missing)}")


def _replicas(manager: HostSwarmd) -> dict[str, str]:
    """Host by host name of the container, as it answers, of each running replica."""
    nodes, tasks = manager.get("/nodes"), manager.get("/tasks")
    assert isinstance(nodes, list)
    assert isinstance(tasks, list)
    host_by_node = {node["ID"]: node["Description"]["Hostname"] for node in nodes}
    service = manager.get(f"/services/{SERVICE}")
    assert isinstance(service, dict)
    return {
        task["Status"]["ContainerStatus"]["ContainerID"][:12]: host_by_node[task["NodeID"]]
        for task in tasks
        if task["ServiceID"] == service["ID"]
        and task["DesiredState"] == "running"
        and task["Status"]["State"] == "running"
    }


def _answers(lab: Lab, host: str, address: str, *, wanted: set[str]) -> set[str]:
    """The replicas that answered there; all wanted ones, or those of `_ANSWERS_S` seconds."""
    argv = ["curl", "-s", "-m", "2", "--noproxy", "*", f"http://{address}:{PORT}/"]
    deadline = time.perf_counter() + _ANSWERS_S
    answered: set[str] = set()
    while answered != wanted and time.perf_counter() < deadline:
        words = lab.run(host, argv, is_checked=False).split()
        if words and words[-1] in wanted:
            answered.add(words[-1])
    return answered


def _print_what_next(lab: Lab, seconds: float) -> None:
    command = Path(sys.executable).with_name("swarmd")
    swarmd = command.relative_to(ROOT) if command.is_relative_to(ROOT) else command
    python = swarmd.with_name("python")
    print(f"""
The swarm is up after {seconds:.0f} s, and stays up.  To play with it:

  . ./{_environment_file(lab).name}                                   # SWARMD_HOST is the first host's socket
  {swarmd} service scale {SERVICE}=6
  {swarmd} service ps {SERVICE}
  {swarmd} service logs {SERVICE}
  {swarmd} stack deploy -c compose-examples/web-backend.yml shop
  ip netns exec {lab.prefix}3 curl -s http://127.0.0.1:{PORT}/
  docker -H $SWARMD_HOST service ls              # the docker CLI works as well
  {python} -m tools.lab --prefix {lab.prefix} poweroff {lab.prefix}3
                                                 # a host loses power: its tasks run elsewhere

`make demo-down` removes every trace.""")


@contextmanager
def _step(what: str) -> Iterator[None]:
    print(f"{what} … ", end="", flush=True)
    began = time.perf_counter()
    yield
    print(f"{time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
