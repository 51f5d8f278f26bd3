"""The lab's command line: `python -m tools.lab COMMAND`.

    create 3 --dockerd          hosts lab1 … lab3, 10.77.0.11 … 13, each with an engine and busybox
    create 4                    one more host, without an engine
    list                        what is there (--json for programs)
    exec lab1 ip -br address    a command in all namespaces of a host; its exit status is passed on
    docker 'lab*' ps            the docker CLI on each matching host
    sock lab1                   path of a host's engine socket as seen from outside
    dockerd lab2 kill           start | stop | kill | restart | status of the engine alone
    cut lab2                    pull the cable, silently (--carrier: the link goes down)
    cut lab1 lab3 --oneway      lab1 no longer reaches lab3
    partition lab1,lab2 lab3    split the underlay;   heal: undo cuts, partitions, rates
    rate lab1 100mbit           token bucket in both directions; `off` lifts it
    poweroff lab2               power failure;   poweron lab2: boot it again
    image all                   import the busybox image
    destroy | purge             remove everything, also what a lost state left behind

HOST arguments take shell patterns (`lab*`, `all`).  Labs of different --prefix live side by side and
do not meet, even on one subnet.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tools.lab.lab import EngineOptions, Lab, LabError, Started
from tools.lab.records import DEFAULT_SUBNET


def main() -> int:
    """Run one command; its exit status."""
    arguments = _parser().parse_args()
    lab = Lab(arguments.prefix, Path(arguments.dir) if arguments.dir else None)
    try:
        return int(arguments.run(lab, arguments) or 0)
    except (LabError, OSError, subprocess.SubprocessError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _create(lab: Lab, arguments: argparse.Namespace) -> None:
    engine = EngineOptions()
    if arguments.dockerd:
        program = arguments.dockerd_bin or shutil.which("dockerd") or "/usr/sbin/dockerd"
        engine = EngineOptions(
            program=str(Path(program).absolute()),
            arguments=tuple(arguments.dockerd_arg),
            image=arguments.image,
        )
    started = lab.create(
        arguments.count,
        engine=engine,
        subnet=arguments.subnet,
        mtu=arguments.mtu,
        has_uplink=arguments.uplink,
        longest_s=arguments.wait,
    )
    if arguments.json:
        print(json.dumps([status._asdict() for status in lab.status()]))
    else:
        _print_started(started)


def _list(lab: Lab, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps([status._asdict() for status in lab.status()]))
        return
    for host in lab.status():
        power = "on" if host.is_on else "off"
        engine = "up" if host.engine_answers else "-"
        print(f"{host.host:10} {host.ip:15} {power:3} dockerd={engine:2} {host.socket}")


def _exec(lab: Lab, arguments: argparse.Namespace) -> None:
    (host,) = lab.names(arguments.host)
    command = lab.command(host, _stripped(arguments.argv) or ["sh"])
    os.execv(command[0], command)


def _docker(lab: Lab, arguments: argparse.Namespace) -> int:
    status = 0
    for host in lab.names(arguments.host):
        command = ["docker", "-H", f"unix://{lab.socket_path(host)}", *_stripped(arguments.argv)]
        status |= subprocess.run(command, check=False).returncode
    return status


def _sock(lab: Lab, arguments: argparse.Namespace) -> None:
    for host in lab.names(arguments.host):
        print(lab.socket_path(host))


def _dockerd(lab: Lab, arguments: argparse.Namespace) -> None:
    for host in lab.names(arguments.host):
        if arguments.verb in ("stop", "restart"):
            lab.stop_engine(host)
        if arguments.verb == "kill":
            lab.stop_engine(host, signal.SIGKILL)
        if arguments.verb in ("start", "restart"):
            lab.start_engine(host)
        print(host, lab.engine(host).pid())


def _cut(lab: Lab, arguments: argparse.Namespace) -> None:
    (host,) = lab.names(arguments.host)
    other = lab.names(arguments.other)[0] if arguments.other else ""
    lab.cut(host, other, is_seen=arguments.carrier, both=not arguments.oneway)


def _partition(lab: Lab, arguments: argparse.Namespace) -> None:
    lab.partition(*(lab.names(*group.split(",")) for group in arguments.group))


def _heal(lab: Lab, arguments: argparse.Namespace) -> None:
    lab.heal(*arguments.host)


def _rate(lab: Lab, arguments: argparse.Namespace) -> None:
    for host in lab.names(arguments.host):
        lab.rate(host, arguments.rate)


def _poweroff(lab: Lab, arguments: argparse.Namespace) -> None:
    lab.poweroff(*arguments.host)


def _poweron(lab: Lab, arguments: argparse.Namespace) -> None:
    _print_started(lab.poweron(*arguments.host))


def _image(lab: Lab, arguments: argparse.Namespace) -> None:
    for host in lab.names(*arguments.host):
        lab.engine(host).import_busybox(arguments.name)


def _destroy(lab: Lab, arguments: argparse.Namespace) -> None:
    lab.destroy(*arguments.host)


def _print_started(started: list[Started]) -> None:
    print(" ".join(f"{s.host}:{s.seconds:.2f}s" for s in started) or "nothing to do")


def _stripped(argv: list[str]) -> list[str]:
    """Without the leading `--` that argparse leaves in a remainder."""
    return argv[1:] if argv[:1] == ["--"] else argv


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.lab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    prefix = os.environ.get("LAB_PREFIX", "lab")
    parser.add_argument("--prefix", default=prefix, help="name of the lab (or $LAB_PREFIX)")
    parser.add_argument("--dir", default=os.environ.get("LAB_DIR"), help="its state folder")
    commands = parser.add_subparsers(required=True)
    _add_create(commands.add_parser("create"))
    listing = commands.add_parser("list")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    for name, run in (("exec", _exec), ("docker", _docker)):
        command = commands.add_parser(name)
        command.add_argument("host")
        command.add_argument("argv", nargs=argparse.REMAINDER)
        command.set_defaults(run=run)
    dockerd = commands.add_parser("dockerd")
    dockerd.add_argument("host")
    dockerd.add_argument("verb", choices=["start", "stop", "kill", "restart", "status"])
    dockerd.set_defaults(run=_dockerd)
    image = commands.add_parser("image")
    image.add_argument("host", nargs="+")
    image.add_argument("--name", default="busybox")
    image.set_defaults(run=_image)
    sock = commands.add_parser("sock")
    sock.add_argument("host")
    sock.set_defaults(run=_sock)
    _add_faults(commands)
    return parser


def _add_create(create: argparse.ArgumentParser) -> None:
    create.add_argument("count", type=int)
    create.add_argument("--dockerd", action="store_true", help="an engine in each new host")
    create.add_argument("--dockerd-bin", metavar="PATH", help="another dockerd and its tools")
    create.add_argument("--dockerd-arg", action="append", default=[], metavar="ARG")
    create.add_argument("--subnet", default=DEFAULT_SUBNET, help="of the underlay (%(default)s)")
    create.add_argument("--mtu", type=int, default=1500)
    create.add_argument("--uplink", action="store_true", help="give this machine the address .1")
    create.add_argument("--image", default="busybox", help="imported image; '' for none")
    create.add_argument("--wait", type=float, default=60.0, help="longest start of an engine, s")
    create.add_argument("--json", action="store_true")
    create.set_defaults(run=_create)


def _add_faults(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cut = commands.add_parser("cut")
    cut.add_argument("host")
    cut.add_argument("other", nargs="?")
    cut.add_argument("--carrier", action="store_true")
    cut.add_argument("--oneway", action="store_true")
    cut.set_defaults(run=_cut)
    partition = commands.add_parser("partition")
    partition.add_argument("group", nargs="+", help="comma-separated hosts")
    partition.set_defaults(run=_partition)
    rate = commands.add_parser("rate")
    rate.add_argument("host")
    rate.add_argument("rate")
    rate.set_defaults(run=_rate)
    for name, run, count in (
        ("heal", _heal, "*"),
        ("poweroff", _poweroff, "+"),
        ("poweron", _poweron, "+"),
        ("destroy", _destroy, "*"),
    ):
        command = commands.add_parser(name)
        command.add_argument("host", nargs=count)
        command.set_defaults(run=run)
    commands.add_parser("purge").set_defaults(run=_destroy, host=[])


if __name__ == "__main__":
    sys.exit(main())
