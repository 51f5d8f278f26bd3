"""Values of flags, and Docker's words for those that are none."""

from collections.abc import Callable
from typing import Any

import pytest

from swarmd.cli import parse
from swarmd.cli.parse_mount import file_reference, mount, network
from swarmd.cli.parse_port import ports
from swarmd.errors import InvalidArgumentError

S = 1_000_000_000


@pytest.mark.parametrize(
    ("function", "text", "value"),
    [
        (parse.unsigned, "0x10", 16),
        (parse.unsigned, "010", 8),
        (parse.unsigned, "0", 0),
        (parse.integer, "-5", -5),
        (parse.ratio, ".3", 0.3),
        (parse.duration, "1m30s", 90 * S),
        (parse.duration, "1.5h", 5400 * S),
        (parse.duration, "-5s", -5 * S),
        (parse.duration, "0", 0),
        (parse.duration, "200ms", S // 5),
        (parse.memory, "64m", 64 * 1024**2),
        (parse.memory, "1.5g", 3 * 1024**3 // 2),
        (parse.memory, "10KiB", 10240),
        (parse.memory, "7", 7),
        (parse.nano_cpus, ".5", S // 2),
        (parse.nano_cpus, "1/4", S // 4),
        (parse.words, 'sh -c "a b"', ["sh", "-c", "a b"]),
        (parse.extra_host, "a:1.2.3.4", "a:1.2.3.4"),
        (parse.extra_host, "a=[::1]", "a:::1"),
        (parse.placement_preference, "spread=node.labels.x=1", {"Spread": {"SpreadDescriptor": "node.labels.x=1"}}),
        (parse.generic_resource, "gpu=2", {"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}),
        (parse.ulimit, "nofile=10:20", {"Name": "nofile", "Soft": 10, "Hard": 20}),
        (parse.ulimit, "core=-1", {"Name": "core", "Soft": -1, "Hard": -1}),
        (parse.credential_spec, "config://c", {"Config": "c"}),
        (parse.credential_spec, "", {}),
        (parse.csv_fields, 'a=b,"c=d,e"', ["a=b", "c=d,e"]),
        (parse.since, "1700000000.5", "1700000000.5"),
        (parse.since, "2024-01-01T00:00:00Z", "1704067200.000000000"),
    ],
)  # fmt: skip
def test_a_value_is_read(function: Callable[[str], Any], text: str, value: object) -> None:
    assert function(text) == value


@pytest.mark.parametrize(
    ("function", "text", "problem"),
    [
        (parse.unsigned, "x", 'strconv.ParseUint: parsing "x": invalid syntax'),
        (parse.unsigned, str(2**64), "value out of range"),
        (parse.integer, "x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        (parse.ratio, "x", 'strconv.ParseFloat: parsing "x": invalid syntax'),
        (parse.duration, "5", 'time: missing unit in duration "5"'),
        (parse.duration, "x", 'time: invalid duration "x"'),
        (parse.positive_duration, "-1s", "duration cannot be negative"),
        (parse.memory, "x", "invalid size: 'x'"),
        (parse.nano_cpus, "x", "failed to parse x as a rational number"),
        (parse.nano_cpus, ".0000000001", "value is too precise"),
        (parse.words, "'", "No closing quotation"),
        (parse.label, "=x", "invalid label '=x': empty name"),
        (parse.ip, "x", "IP address is not correctly formatted: x"),
        (parse.extra_host, "x", 'bad format for add-host: "x"'),
        (parse.extra_host, "a:b", 'invalid IP address in add-host: "b"'),
        (parse.placement_preference, "x", 'must be of the format "<strategy>=<arg>"'),
        (parse.placement_preference, "pack=x", "unsupported placement preference pack"),
        (parse.generic_resource, "gpu=x", "Named Generic Resources is not supported"),
        (parse.generic_resource, "gpu", "expected `name=value`"),
        (parse.ulimit, "x", "invalid ulimit argument: x"),
        (parse.ulimit, "x=5:4", "soft limit must be less than or equal to hard limit: 5 > 4"),
        (parse.credential_spec, "x", 'must be prefixed with "config://"'),
        (parse.csv_fields, 'a="b', 'parse error on line 1, column 3: bare "'),
        (parse.since, "x", 'invalid value for "since": x'),
    ],
)
def test_what_is_no_value_is_refused(
    function: Callable[[str], Any], text: str, problem: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        function(text)
    assert problem in str(caught.value)


def test_a_variable_without_value_takes_the_clients() -> None:
    environment = {"HOME": "/root"}
    assert parse.env("HOME", environment) == "HOME=/root"
    assert parse.env("NOPE", environment) == "NOPE"
    assert parse.env("HOME=", environment) == "HOME="


def test_an_env_file_has_comments_and_names_without_values() -> None:
    text = "# c\n\n A=1\nHOME\nNOPE\nB=x y\n"
    assert parse.env_file(text, "f", {"HOME": "/root"}) == ["A=1", "HOME=/root", "B=x y"]


@pytest.mark.parametrize(("text", "problem"), [("a b=1", "whitespaces"), ("=1", "no variable")])
def test_an_env_files_error_names_file_and_line(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"\(f\): line 2: .*{problem}"):
        parse.env_file(f"A=1\n{text}\n", "f", {})


def port(target: int, published: int = 0, protocol: str = "tcp", mode: str = "ingress") -> object:
    found = {"Protocol": protocol, "TargetPort": target, "PublishMode": mode}
    return found | ({"PublishedPort": published} if published else {})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("80", [port(80)]),
        ("8080:80", [port(80, 8080)]),
        ("53:53/udp", [port(53, 53, "udp")]),
        ("80-81:8080-8081", [port(8080, 80), port(8081, 81)]),
        ("80-81:70", [port(70, 80), port(70, 81)]),
        ("70-71", [port(70), port(71)]),
        ("target=80", [port(80)]),
        ("published=90,target=9,mode=host,protocol=UDP", [port(9, 90, "udp", "host")]),
    ],
)
def test_ports_have_a_short_and_a_long_syntax(text: str, wanted: list[object]) -> None:
    assert ports(text) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("foo", "invalid containerPort: foo"),
        ("a:80", "invalid hostPort: a"),
        ("1.2.3.4:80:80", "hostip is not supported"),
        ("[::1]:80:80", "hostip is not supported"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("80:", "no port specified: 80:<empty>"),
        ("80/x", "invalid proto: x"),
        ("80-82:70-71", "invalid ranges specified for container and host Ports"),
        ("82-80", "invalid containerPort: 82-80"),
        ("invalid=field", "invalid field key: invalid"),
        ("invalid,target=80", "invalid field: invalid"),
        ("protocol=x", "invalid protocol value 'x'"),
        ("mode=x", "invalid publish mode value (x): must be either 'ingress' or 'host'"),
        ("target=x", "invalid target port (x): value must be an integer: invalid syntax"),
        ("target=99999", "value out of range"),
        ("published=8080,protocol=tcp", "missing mandatory field 'target'"),
    ],
)
def test_what_is_no_port_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ports(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dst=/x,src=v", {"Type": "volume", "Source": "v", "Target": "/x"}),
        (
            "type=bind,src=./a/../b,target=/x,readonly",
            {"Type": "bind", "Source": "/here/b", "Target": "/x", "ReadOnly": True},
        ),
        (
            "type=bind,src=/a,dst=/x,bind-propagation=rprivate,bind-recursive=readonly,ro",
            {
                "Type": "bind",
                "Source": "/a",
                "Target": "/x",
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rprivate", "ReadOnlyForceRecursive": True},
            },
        ),
        (
            "dst=/x,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=type=nfs",
            {
                "Type": "volume",
                "Target": "/x",
                "VolumeOptions": {
                    "NoCopy": True,
                    "Labels": {"a": "b"},
                    "DriverConfig": {"Name": "local", "Options": {"type": "nfs"}},
                },
            },
        ),
        (
            "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1777",
            {
                "Type": "tmpfs",
                "Target": "/x",
                "TmpfsOptions": {"SizeBytes": 1024**2, "Mode": 0o1777},
            },
        ),
    ],
)
def test_a_mount_is_read(text: str, wanted: object) -> None:
    assert mount(text, "/here") == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("type=bind", "target is required"),
        ("type=,dst=/x", "type is required"),
        ("dst=/x,foo=bar", "unexpected key 'foo' in 'foo=bar'"),
        ("dst=/x,volume-foo=bar", "unexpected key 'volume-foo'"),
        ("vol:/x", "invalid field 'vol:/x' must be a key=value pair"),
        ("dst=/x,ro=maybe", "invalid value for ro: maybe"),
        ("type=tmpfs,dst=/x,tmpfs-size=x", "invalid value for tmpfs-size: x"),
        ("type=tmpfs,dst=/x,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
        ("dst=/x,bind-propagation=x", "cannot mix 'bind-*' options with mount type 'volume'"),
        ("type=bind,dst=/x,bind-recursive=x", "invalid value for bind-recursive: x"),
        ("type=bind,dst=/x,bind-recursive=writable", "requires 'readonly'"),
        ("type=bind,dst=/x,ro,bind-recursive=readonly", "requires 'bind-propagation=rprivate'"),
    ],
)
def test_what_is_no_mount_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        mount(text, "/here")
    assert problem in str(caught.value)


def test_a_network_is_a_name_or_a_long_syntax() -> None:
    assert network("back") == {"Target": "back"}
    assert network("name=back,alias=a,alias=b,driver-opt=x=y") == {
        "Target": "back",
        "Aliases": ["a", "b"],
        "DriverOpts": {"x": "y"},
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alias=a", "network name/id is not specified"),
        ("name=a,foo=b", "invalid field key foo"),
        ("name=a,foo", "invalid field foo"),
        ("name=a,driver-opt=x", "invalid key value pair format in driver options"),
    ],
)
def test_what_is_no_network_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        network(text)


def test_a_secret_is_a_name_or_a_long_syntax() -> None:
    plain = {"Name": "s", "UID": "0", "GID": "0", "Mode": 0o444}
    assert file_reference("s", "secret") == {"File": plain, "SecretName": "s"}
    assert file_reference("source=c,target=/etc/c,uid=5,mode=0400", "config") == {
        "File": {"Name": "/etc/c", "UID": "5", "GID": "0", "Mode": 0o400},
        "ConfigName": "c",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("target=x", "source is required"),
        ("source=s,foo=b", "invalid field in secret request: foo"),
        ("source=s,mode=x", "invalid mode specified: strconv.ParseUint"),
        ("source=s,foo", "invalid field 'foo' must be a key=value pair"),
    ],
)
def test_what_is_no_secret_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        file_reference(text, "secret")
