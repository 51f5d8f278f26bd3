"""A task's container, as the engine is asked for it."""

from typing import Any

import msgspec
import pytest

from swarmd.errors import InvalidArgumentError, UnsupportedError
from swarmd.model.devices import mac_of
from swarmd.model.ids import ClusterID, NetworkID, NodeID, ServiceID, TaskID, Version
from swarmd.model.node import NodeDescription
from swarmd.model.spec import (
    SECOND,
    AppArmor,
    BindOptions,
    ConfigReference,
    ContainerSpec,
    DiscreteResource,
    DNSConfig,
    Driver,
    EndpointSpec,
    GenericResource,
    Global,
    Healthcheck,
    Limits,
    Mount,
    NamedResource,
    NetworkAttachmentConfig,
    Platform,
    PortConfig,
    Privileges,
    Replicated,
    ResourceRequirements,
    Seccomp,
    SELinuxContext,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
    TmpfsOptions,
    Ulimit,
    VolumeOptions,
)
from swarmd.model.task import Attachment, Task
from swarmd.wire.container import (
    ContainerRequest,
    Place,
    TaskEndpoint,
    TaskNetworks,
    check_templates,
    container_name,
    container_request,
)

TASK = Task(
    id=TaskID("t1"),
    service_id=ServiceID("s1"),
    spec_version=Version(3),
    slot=2,
    node_id=NodeID("n1"),
    attachments=(Attachment(network_id=NetworkID("net"), addresses=("10.0.1.5",)),),
)
PLACE = Place(
    cluster_id=ClusterID("c1"),
    node_id=NodeID("n1"),
    description=NodeDescription(
        hostname="alpha", platform=Platform(architecture="x86_64", os="linux")
    ),
    api_version=(1, 51),
)
ALONE = TaskNetworks()
BACK = TaskEndpoint(network="swarmd-back", addresses=("10.0.1.5",), mac=mac_of(("10.0.1.5",)))
FRONT = TaskEndpoint(
    network="swarmd-front",
    addresses=("10.0.2.5", "fd00::5"),
    mac=mac_of(("10.0.2.5",)),
    gateway_priority=7,
)


def spec(
    container: ContainerSpec, *, ports: tuple[PortConfig, ...] = (), **template: object
) -> ServiceSpec:
    made = TaskSpec(container_spec=container, force_update=0)
    return ServiceSpec(
        name="web",
        labels={"tier": "front"},
        task_template=msgspec.structs.replace(made, **template),
        mode=ServiceMode(replicated=Replicated()),
        endpoint_spec=EndpointSpec(ports=ports),
    )


def request(
    container: ContainerSpec, networks: TaskNetworks = ALONE, **parts: Any
) -> ContainerRequest:
    return container_request(TASK, spec(container, **parts), PLACE, networks)


def body(container: ContainerSpec, networks: TaskNetworks = ALONE, **parts: Any) -> Any:
    return msgspec.json.decode(request(container, networks, **parts).body)


def test_the_cluster_s_log_driver_stands_in_for_the_spec_s() -> None:
    task = msgspec.structs.replace(TASK, log_driver=Driver(name="journald"))

    def log_config(**parts: Any) -> Any:
        made = spec(ContainerSpec(image="busybox"), **parts)
        request = container_request(task, made, PLACE, ALONE)
        return msgspec.json.decode(request.body)["HostConfig"]["LogConfig"]

    assert log_config() == {"Type": "journald"}
    assert log_config(log_driver=Driver(name="none")) == {"Type": "none"}


def test_the_least_container_says_only_what_the_cluster_insists_on() -> None:
    assert body(ContainerSpec(image="busybox")) == {
        "Image": "busybox",
        "Labels": {
            "com.docker.swarm.task": "",
            "com.docker.swarm.task.id": "t1",
            "com.docker.swarm.task.name": "web.2.t1",
            "com.docker.swarm.node.id": "n1",
            "com.docker.swarm.service.id": "s1",
            "com.docker.swarm.service.name": "web",
            "swarmd.cluster": "c1",
        },
        "HostConfig": {"NetworkMode": "default", "RestartPolicy": {"Name": "no"}},
    }


def test_names_have_the_slot_or_the_node_of_a_global_task() -> None:
    assert container_name(TASK, "web") == "web.2.t1"
    assert container_name(msgspec.structs.replace(TASK, slot=0), "web") == "web.n1.t1"


def test_a_user_cannot_override_the_labels_that_the_agent_goes_by() -> None:
    """Somebody copies the labels of a running container into a spec."""
    labels = {"mine": "1", "com.docker.swarm.task.id": "forged", "swarmd.cluster": "other"}
    made = body(ContainerSpec(image="busybox", labels=labels))["Labels"]
    assert (made["mine"], made["com.docker.swarm.task.id"], made["swarmd.cluster"]) == (
        "1",
        "t1",
        "c1",
    )


def test_a_whole_container_spec_arrives_in_the_engines_words() -> None:
    container = ContainerSpec(
        image="busybox",
        command=("/entry",),
        args=("-v",),
        hostname="{{.Service.Name}}-{{.Task.Slot}}",
        env=("A=1", "WHERE={{.Node.Hostname}}", "EMPTY"),
        dir="/srv",
        user="1000:1000",
        groups=("audio",),
        init=False,
        stop_signal="SIGINT",
        stop_grace_period=2 * SECOND + 1,
        tty=True,
        open_stdin=True,
        read_only=True,
        healthcheck=Healthcheck(test=("CMD", "true"), interval=SECOND, start_interval=5, retries=2),
        hosts=("10.0.0.1 db database",),
        dns_config=DNSConfig(nameservers=("9.9.9.9",), search=("corp",), options=("ndots:2",)),
        sysctls={"net.core.somaxconn": "1024"},
        capability_add=("CAP_NET_ADMIN",),
        capability_drop=("CAP_CHOWN",),
        ulimits=(Ulimit(name="nofile", soft=1, hard=2),),
        oom_score_adj=100,
        isolation="default",
    )
    limits = ResourceRequirements(limits=Limits(nano_cpus=5, memory_bytes=1 << 22, pids=9))
    made = body(container, resources=limits, log_driver=Driver(name="local", options={"a": "b"}))
    host = made.pop("HostConfig")
    del made["Labels"]
    assert made == {
        "Image": "busybox",
        "Entrypoint": ["/entry"],
        "Cmd": ["-v"],
        "Hostname": "web-2",
        "Env": ["A=1", "WHERE=alpha", "EMPTY"],
        "WorkingDir": "/srv",
        "User": "1000:1000",
        "Tty": True,
        "OpenStdin": True,
        "StopSignal": "SIGINT",
        "StopTimeout": 3,
        "Healthcheck": {
            "Test": ["CMD", "true"],
            "Interval": SECOND,
            "StartInterval": 5,
            "Retries": 2,
        },
    }
    assert host == {
        "NetworkMode": "default",
        "RestartPolicy": {"Name": "no"},
        "Memory": 1 << 22,
        "NanoCpus": 5,
        "PidsLimit": 9,
        "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
        "Sysctls": {"net.core.somaxconn": "1024"},
        "CapAdd": ["CAP_NET_ADMIN"],
        "CapDrop": ["CAP_CHOWN"],
        "GroupAdd": ["audio"],
        "Dns": ["9.9.9.9"],
        "DnsSearch": ["corp"],
        "DnsOptions": ["ndots:2"],
        "ExtraHosts": ["db:10.0.0.1", "database:10.0.0.1"],
        "Init": False,
        "ReadonlyRootfs": True,
        "OomScoreAdj": 100,
        "LogConfig": {"Type": "local", "Config": {"a": "b"}},
    }


def test_mounts_keep_all_their_options_and_expand_their_templates() -> None:
    mounts = (
        Mount(
            type="bind",
            source="/data/{{.Task.Slot}}",
            target="/d",
            read_only=True,
            bind_options=BindOptions(propagation="rslave", create_mountpoint=True),
        ),
        Mount(
            source="v-{{.Task.ID}}",
            target="/v",
            volume_options=VolumeOptions(
                no_copy=True,
                labels={"task": "{{.Task.Name}}"},
                driver_config=Driver(name="nfs", options={"path": "/{{.Service.Name}}"}),
                subpath="sub",
            ),
        ),
        Mount(type="tmpfs", target="/t", tmpfs_options=TmpfsOptions(size_bytes=1, mode=0o700)),
    )
    made = body(ContainerSpec(image="busybox", mounts=mounts))["HostConfig"]["Mounts"]
    assert made == [
        {
            "Type": "bind",
            "Source": "/data/2",
            "Target": "/d",
            "ReadOnly": True,
            "BindOptions": {"Propagation": "rslave", "CreateMountpoint": True},
        },
        {
            "Type": "volume",
            "Source": "v-t1",
            "Target": "/v",
            "VolumeOptions": {
                "NoCopy": True,
                "Labels": {"task": "web.2.t1"},
                "DriverConfig": {"Name": "nfs", "Options": {"path": "/web"}},
                "Subpath": "sub",
            },
        },
        {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1, "Mode": 0o700}},
    ]


@pytest.mark.parametrize(
    ("privileges", "options"),
    [
        (Privileges(no_new_privileges=True), ["no-new-privileges=true"]),
        (Privileges(seccomp=Seccomp(mode="unconfined")), ["seccomp=unconfined"]),
        (Privileges(seccomp=Seccomp(mode="custom", profile="e30=")), ["seccomp={}"]),
        (Privileges(apparmor=AppArmor(mode="disabled")), ["apparmor=unconfined"]),
        (Privileges(selinux_context=SELinuxContext(disable=True)), ["label=disable"]),
        (
            Privileges(selinux_context=SELinuxContext(user="u", level="s0")),
            ["label=user:u", "label=level:s0"],
        ),
    ],
)
def test_privileges_become_security_options(privileges: Privileges, options: list[str]) -> None:
    container = ContainerSpec(image="busybox", privileges=privileges)
    assert body(container)["HostConfig"]["SecurityOpt"] == options


def test_all_networks_are_given_at_create_with_the_addresses_that_the_cluster_chose() -> None:
    networks = TaskNetworks(
        endpoints=(BACK, FRONT), resolver="10.0.1.2", upstreams=("1.1.1.1", "8.8.8.8")
    )
    made = request(ContainerSpec(image="busybox"), networks)
    read = msgspec.json.decode(made.body)
    assert made.later == ()
    assert read["HostConfig"]["NetworkMode"] == "swarmd-back"
    assert read["HostConfig"]["Dns"] == ["10.0.1.2", "1.1.1.1", "8.8.8.8"]
    assert read["NetworkingConfig"]["EndpointsConfig"] == {
        "swarmd-back": {
            "IPAMConfig": {"IPv4Address": "10.0.1.5"},
            "MacAddress": "02:42:0a:00:01:05",
        },
        "swarmd-front": {
            "IPAMConfig": {"IPv4Address": "10.0.2.5", "IPv6Address": "fd00::5"},
            "MacAddress": "02:42:0a:00:02:05",
            "GwPriority": 7,
        },
    }


def test_older_engines_get_one_network_at_create_and_the_rest_afterwards() -> None:
    """Docker 20.10 to 24: more than one endpoint at create is refused."""
    place = msgspec.structs.replace(PLACE, api_version=(1, 43))
    made = container_request(
        TASK, spec(ContainerSpec(image="busybox")), place, TaskNetworks(endpoints=(BACK, FRONT))
    )
    read = msgspec.json.decode(made.body)
    assert read["NetworkingConfig"]["EndpointsConfig"] == {
        "swarmd-back": {"IPAMConfig": {"IPv4Address": "10.0.1.5"}}
    }
    [(network, connect)] = made.connects("cafe")
    assert network == "swarmd-front"
    assert msgspec.json.decode(connect) == {
        "Container": "cafe",
        "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.0.2.5", "IPv6Address": "fd00::5"}},
    }


def test_the_users_own_servers_come_after_the_nodes_resolver() -> None:
    container = ContainerSpec(image="busybox", dns_config=DNSConfig(nameservers=("9.9.9.9",)))
    networks = TaskNetworks(endpoints=(BACK,), resolver="10.0.1.2", upstreams=("1.1.1.1",))
    assert body(container, networks)["HostConfig"]["Dns"] == ["10.0.1.2", "9.9.9.9"]


def made_on(targets: tuple[str, ...], networks: TaskNetworks = ALONE) -> Any:
    configs = tuple(NetworkAttachmentConfig(target=target) for target in targets)
    wanted = spec(ContainerSpec(image="busybox"), networks=configs)
    return msgspec.json.decode(container_request(TASK, wanted, PLACE, networks).body)


def test_a_service_on_the_hosts_network_gets_the_hosts_network() -> None:
    made = made_on(("host",))
    assert made["HostConfig"]["NetworkMode"] == "host"
    assert "NetworkingConfig" not in made


def test_a_service_on_the_engines_bridge_and_a_network_of_the_cluster_is_in_both() -> None:
    made = made_on(("bridge", "back-id"), TaskNetworks(endpoints=(BACK,)))
    assert made["HostConfig"]["NetworkMode"] == "bridge"
    assert list(made["NetworkingConfig"]["EndpointsConfig"]) == ["bridge", "swarmd-back"]


@pytest.mark.parametrize("network", ["host", "none"])
def test_the_hosts_network_leaves_no_room_for_others(network: str) -> None:
    """The engine would put the other network's interface into the host's own namespace."""
    with pytest.raises(InvalidArgumentError, match="cannot join others"):
        made_on(("back-id", network), TaskNetworks(endpoints=(BACK,)))


def test_a_task_on_the_hosts_network_has_no_endpoint() -> None:
    made = body(
        ContainerSpec(image="busybox"), TaskNetworks(endpoints=(TaskEndpoint(network="host"),))
    )
    assert made["HostConfig"]["NetworkMode"] == "host"
    assert "NetworkingConfig" not in made


def test_host_mode_ports_are_bound_by_the_engine_and_ingress_ports_are_not() -> None:
    ports = (
        PortConfig(target_port=80, published_port=8080, publish_mode="host"),
        PortConfig(target_port=80, published_port=8081, publish_mode="host"),
        PortConfig(protocol="udp", target_port=53, publish_mode="host"),
        PortConfig(target_port=443, published_port=443, publish_mode="ingress"),
    )
    made = body(ContainerSpec(image="busybox"), ports=ports)
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostPort": "8080"}, {"HostPort": "8081"}],
        "53/udp": [{"HostPort": ""}],
    }
    assert made["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}


def test_claimed_generic_resources_are_told_to_the_process() -> None:
    task = msgspec.structs.replace(
        TASK,
        generic_resources=(
            GenericResource(named_resource_spec=NamedResource(kind="gpu", value="a")),
            GenericResource(named_resource_spec=NamedResource(kind="gpu", value="b")),
            GenericResource(discrete_resource_spec=DiscreteResource(kind="ssd", value=2)),
        ),
    )
    made = container_request(task, spec(ContainerSpec(image="busybox")), PLACE, TaskNetworks())
    assert msgspec.json.decode(made.body)["Env"] == [
        "DOCKER_RESOURCE_GPU=a,b",
        "DOCKER_RESOURCE_SSD=2",
    ]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain {text}", "plain {text}"),
        ("{{.Service.ID}}/{{ .Service.Name }}", "s1/web"),
        ('{{index .Service.Labels "tier"}}', "front"),
        ("{{.Service.Labels.tier}}", "front"),
        ('[{{index .Service.Labels "none"}}]', "[]"),
        ("{{.Node.ID}} {{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}", "n1 linux/x86_64"),
        ("{{.Task.Name}}", "web.2.t1"),
        ('{{join "-" .Service.Name .Task.Slot}}', "web-2"),
        ('{{.Task.Slot | print "x" `y`}}', "xy2"),
        ('{{print (index .Service.Labels "tier") "!"}}', "front!"),
        ("a {{- /* why */ -}} b", "ab"),
        ("a {{- .Task.Slot -}} b", "a2b"),
        (r'{{"a\"b"}}', 'a"b'),
        ("{{.Service.Labels}}", "map[tier:front]"),
    ],
)
def test_templates_read_as_go_reads_them(text: str, expanded: str) -> None:
    assert body(ContainerSpec(image="busybox", env=(f"X={text}",)))["Env"] == [f"X={expanded}"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{.Service.Nope}}", "can't evaluate field Nope"),
        ("{{.Service.Labels.none}}", "can't evaluate field none"),
        ("{{.Service.Name.Deep}}", "can't evaluate field Deep"),
        ("{{if .Task.Slot}}x{{end}}", "control structure 'if' is not supported"),
        ("{{env `HOME`}}", "function 'env' is not supported"),
        ("{{.Task.Slot", "unclosed action"),
        ("{{}}", "missing value for command"),
        ("{{.Task.Slot .Task.ID}}", "unexpected '.Task.ID'"),
        ("{{(.Task.Slot}}", "unclosed left paren"),
        ("{{$x}}", "unexpected '$'"),
        ("{{1 | 2}}", "can only be piped into a function"),
        ('{{index .Task.Slot "x"}}', "can't index a string"),
        ("{{index}}", "index needs a map"),
        ("{{join}}", "join needs a separator"),
    ],
)
def test_a_bad_template_is_refused_at_create_by_its_place_and_text(template: str, why: str) -> None:
    """Otherwise every task would be rejected, again and again, on some node."""
    with pytest.raises(InvalidArgumentError, match="expanding env BAD failed: ") as caught:
        check_templates(spec(ContainerSpec(image="busybox", env=(f"BAD={template}",))))
    assert why in str(caught.value)


def test_hostname_and_mounts_are_checked_at_create_too() -> None:
    with pytest.raises(InvalidArgumentError, match="expanding hostname failed"):
        check_templates(spec(ContainerSpec(image="busybox", hostname="{{.No}}")))
    mount = Mount(source="{{.No}}", target="/x")
    with pytest.raises(InvalidArgumentError, match="expanding mount source failed"):
        check_templates(spec(ContainerSpec(image="busybox", mounts=(mount,))))
    check_templates(spec(ContainerSpec(image="busybox", env=("OK={{.Task.Name}}", "NONE"))))


def test_a_global_tasks_slot_is_its_node() -> None:
    made = container_request(
        msgspec.structs.replace(TASK, slot=0),
        msgspec.structs.replace(
            spec(ContainerSpec(image="busybox", env=("X={{.Task.Slot}}",))),
            mode=ServiceMode(global_=Global()),
        ),
        PLACE,
        TaskNetworks(),
    )
    assert msgspec.json.decode(made.body)["Env"] == ["X=n1"]


def test_what_cannot_be_given_to_a_container_is_said() -> None:
    with pytest.raises(InvalidArgumentError, match="image required"):
        request(ContainerSpec())
    with pytest.raises(UnsupportedError):
        request(ContainerSpec(image="busybox", configs=(ConfigReference(config_id="x"),)))
    bad = Privileges(seccomp=Seccomp(mode="custom", profile="*"))
    with pytest.raises(InvalidArgumentError, match="seccomp profile"):
        request(ContainerSpec(image="busybox", privileges=bad))
