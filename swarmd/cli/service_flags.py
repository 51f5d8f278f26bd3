"""The flags of `service create` and `service update`, as tables.

Both have the plain values in common; what `create` takes as a list, `update` takes as a pair
`--x-add`, `--x-rm`.  No flag has a default here: what was not given stays None or empty, and
`service_spec` and `service_update` say what that means.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import click

from swarmd.cli import parse, parse_mount, parse_port
from swarmd.cli.command import Command, Parsed

Kind = tuple[str, Callable[[str], Any]]

_TEXT: Kind = ("string", str)
_LIST: Kind = ("list", str)
_UINT: Kind = ("uint", parse.unsigned)
_INT: Kind = ("int", parse.integer)
_FLOAT: Kind = ("float", parse.ratio)
_DURATION: Kind = ("duration", parse.duration)
_POSITIVE: Kind = ("duration", parse.positive_duration)
_CPUS: Kind = ("decimal", parse.nano_cpus)
_BYTES: Kind = ("bytes", parse.memory)
_WORDS: Kind = ("command", parse.words)
_LABEL: Kind = ("list", parse.label)
_ENV: Kind = ("list", lambda text: parse.env(text, os.environ))
_MOUNT: Kind = ("mount", lambda text: parse_mount.mount(text, os.getcwd()))  # noqa: PTH109 - pathlib costs start-up
_PORT: Kind = ("port", parse_port.ports)
_SECRET: Kind = ("secret", lambda text: parse_mount.file_reference(text, "secret"))
_CONFIG: Kind = ("config", lambda text: parse_mount.file_reference(text, "config"))

_COMMON_SWITCHES = (
    ("-d --detach", "Exit immediately instead of waiting for the service to converge"),
    ("-q --quiet", "Suppress progress output"),
    ("--with-registry-auth", "Send registry authentication details to swarm agents"),
    (
        "--no-resolve-image",
        "Do not query the registry to resolve image digest and supported platforms",
    ),
    ("--no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    ("-t --tty", "Allocate a pseudo-TTY"),
    ("--read-only", "Mount the container's root filesystem as read only"),
    (
        "--init",
        "Use an init inside each service container to forward signals and reap processes",
    ),
)

_COMMON_VALUES: tuple[tuple[str, Kind, str], ...] = (
    ("-w --workdir", _TEXT, "Working directory inside the container"),
    ("-u --user", _TEXT, "Username or UID (format: <name|uid>[:<group|gid>])"),
    (
        "--credential-spec",
        ("credential-spec", parse.credential_spec),
        "Credential spec for managed service account (Windows only)",
    ),
    ("--hostname", _TEXT, "Container hostname"),
    ("--entrypoint", _WORDS, "Overwrite the default ENTRYPOINT of the image"),
    ("--limit-cpu", _CPUS, "Limit CPUs"),
    ("--limit-memory", _BYTES, "Limit Memory"),
    ("--limit-pids", _INT, "Limit maximum number of processes (default 0 = unlimited)"),
    ("--reserve-cpu", _CPUS, "Reserve CPUs"),
    ("--reserve-memory", _BYTES, "Reserve Memory"),
    (
        "--stop-grace-period",
        _DURATION,
        "Time to wait before force killing a container (ns|us|ms|s|m|h)",
    ),
    ("--replicas", _UINT, "Number of tasks"),
    (
        "--max-concurrent",
        _UINT,
        "Number of job tasks to run concurrently (default equal to --replicas)",
    ),
    (
        "--replicas-max-per-node",
        _UINT,
        "Maximum number of tasks per node (default 0 = unlimited)",
    ),
    (
        "--restart-condition",
        _TEXT,
        'Restart when condition is met ("none", "on-failure", "any")',
    ),
    ("--restart-delay", _DURATION, "Delay between restart attempts (ns|us|ms|s|m|h)"),
    ("--restart-max-attempts", _UINT, "Maximum number of restarts before giving up"),
    (
        "--restart-window",
        _DURATION,
        "Window used to evaluate the restart policy (ns|us|ms|s|m|h)",
    ),
    (
        "--update-parallelism",
        _UINT,
        "Maximum number of tasks updated simultaneously (0 to update all at once)",
    ),
    ("--update-delay", _DURATION, "Delay between updates (ns|us|ms|s|m|h)"),
    (
        "--update-monitor",
        _DURATION,
        "Duration after each task update to monitor for failure (ns|us|ms|s|m|h)",
    ),
    (
        "--update-failure-action",
        _TEXT,
        'Action on update failure ("pause", "continue", "rollback")',
    ),
    ("--update-max-failure-ratio", _FLOAT, "Failure rate to tolerate during an update"),
    ("--update-order", _TEXT, 'Update order ("start-first", "stop-first")'),
    (
        "--rollback-parallelism",
        _UINT,
        "Maximum number of tasks rolled back simultaneously (0 to roll back all at once)",
    ),
    ("--rollback-delay", _DURATION, "Delay between task rollbacks (ns|us|ms|s|m|h)"),
    (
        "--rollback-monitor",
        _DURATION,
        "Duration after each task rollback to monitor for failure (ns|us|ms|s|m|h)",
    ),
    (
        "--rollback-failure-action",
        _TEXT,
        'Action on rollback failure ("pause", "continue")',
    ),
    ("--rollback-max-failure-ratio", _FLOAT, "Failure rate to tolerate during a rollback"),
    ("--rollback-order", _TEXT, 'Rollback order ("start-first", "stop-first")'),
    ("--endpoint-mode", _TEXT, "Endpoint mode (vip or dnsrr)"),
    ("--log-driver", _TEXT, "Logging driver for service"),
    ("--health-cmd", _TEXT, "Command to run to check health"),
    ("--health-interval", _POSITIVE, "Time between running the check (ms|s|m|h)"),
    ("--health-timeout", _POSITIVE, "Maximum time to allow one check to run (ms|s|m|h)"),
    ("--health-retries", _INT, "Consecutive failures needed to report unhealthy"),
    (
        "--health-start-period",
        _POSITIVE,
        (
            "Start period for the container to initialize before counting retries towards unstable "
            "(ms|s|m|h)"
        ),
    ),
    (
        "--health-start-interval",
        _POSITIVE,
        "Time between running the check during the start period (ms|s|m|h)",
    ),
    ("--stop-signal", _TEXT, "Signal to stop the container"),
    ("--isolation", _TEXT, "Service container isolation mode"),
    ("--oom-score-adj", _INT, "Tune host's OOM preferences (-1000 to 1000)"),
)

_COMMON_LISTS: tuple[tuple[str, Kind, str], ...] = (
    ("--cap-add", _LIST, "Add Linux capabilities"),
    ("--cap-drop", _LIST, "Drop Linux capabilities"),
    ("--log-opt", _LIST, "Logging driver options"),
)

#: In `update`: --NAME-add and --NAME-rm; the kind is that of what is added.
_PAIRS: tuple[tuple[str, Kind, str], ...] = (
    ("config", _CONFIG, "config file on a service"),
    ("constraint", _LIST, "placement constraint"),
    ("container-label", _LABEL, "container label"),
    ("dns", ("list", parse.ip), "custom DNS server"),
    ("dns-option", _LIST, "DNS option"),
    ("dns-search", _LIST, "custom DNS search domain"),
    ("env", _ENV, "environment variable"),
    ("generic-resource", ("list", parse.generic_resource), "Generic resource"),
    ("group", _LIST, "supplementary user group of the container"),
    ("host", ("list", parse.extra_host), 'custom host-to-IP mapping ("host:ip")'),
    ("label", _LABEL, "service label"),
    ("mount", _MOUNT, "mount on a service (removed by its target path)"),
    ("network", ("network", parse_mount.network), "network"),
    ("placement-pref", ("pref", parse.placement_preference), "placement preference"),
    ("publish", _PORT, "published port (removed by its target port)"),
    ("secret", _SECRET, "secret on a service"),
    ("sysctl", _LIST, "Sysctl option"),
    ("ulimit", ("ulimit", parse.ulimit), "ulimit option"),
)
_REMOVED_AS_ADDED = ("placement-pref", "publish")

_CREATE_LISTS: tuple[tuple[str, Kind, str], ...] = (
    ("--config", _CONFIG, "Specify configurations to expose to the service"),
    ("--constraint", _LIST, "Placement constraints"),
    ("--container-label", _LABEL, "Container labels"),
    ("--dns", ("list", parse.ip), "Set custom DNS servers"),
    ("--dns-option", _LIST, "Set DNS options"),
    ("--dns-search", _LIST, "Set custom DNS search domains"),
    ("-e --env", _ENV, "Set environment variables"),
    ("--env-file", _LIST, "Read in a file of environment variables"),
    ("--generic-resource", ("list", parse.generic_resource), "User defined resources"),
    ("--group", _LIST, "Set one or more supplementary user groups for the container"),
    (
        "--host",
        ("list", parse.extra_host),
        "Set one or more custom host-to-IP mappings (host:ip)",
    ),
    ("-l --label", _LABEL, "Service labels"),
    ("--mount", _MOUNT, "Attach a filesystem mount to the service"),
    ("--network", ("network", parse_mount.network), "Network attachments"),
    ("--placement-pref", ("pref", parse.placement_preference), "Add a placement preference"),
    ("-p --publish", _PORT, "Publish a port as a node port"),
    ("--secret", _SECRET, "Specify secrets to expose to the service"),
    ("--sysctl", _LIST, "Sysctl options"),
    ("--ulimit", ("ulimit", parse.ulimit), "Ulimit options"),
)


def add_create_flags(command: Command) -> Command:
    """Give `service create` its flags."""
    command.params += [
        *_common(),
        _value(
            "--mode",
            _TEXT,
            'Service mode ("replicated", "global", "replicated-job", "global-job") '
            '(default "replicated")',
        ),
        _value("--name", _TEXT, "Service name"),
        *(_value(*row, is_list=True) for row in _CREATE_LISTS),
    ]
    return command


def add_update_flags(command: Command) -> Command:
    """Give `service update` its flags."""
    command.params += [
        *_common(),
        _value("--image", _TEXT, "Service image tag"),
        _value("--args", _WORDS, "Service command args"),
        _switch("--force", "Force update even if no changes require it"),
        _switch("--rollback", "Rollback to previous specification"),
        *_pairs(),
    ]
    return command


def _common() -> Iterable[click.Option]:
    for names, text in _COMMON_SWITCHES:
        yield _switch(names, text)
    for row in _COMMON_VALUES:
        yield _value(*row)
    for row in _COMMON_LISTS:
        yield _value(*row, is_list=True)


def _pairs() -> Iterable[click.Option]:
    for name, kind, text in _PAIRS:
        removed = kind if name in _REMOVED_AS_ADDED else _LIST
        yield _value(f"--{name}-add", kind, f"Add or update a {text}", is_list=True)
        yield _value(f"--{name}-rm", removed, f"Remove a {text}", is_list=True)


def _switch(names: str, text: str) -> click.Option:
    # None, so that `--tty=false` can be told from no word about a terminal.
    return click.Option(names.split(), is_flag=True, default=None, help=text)


def _value(names: str, kind: Kind, text: str, *, is_list: bool = False) -> click.Option:
    return click.Option(names.split(), type=Parsed(*kind), multiple=is_list, help=text)
