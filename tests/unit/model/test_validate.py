"""What is wrong with a spec, in Docker's words."""

import msgspec
import pytest

from swarmd.errors import BadRequestError, InvalidArgumentError, UnsupportedError
from swarmd.model.names import invented_name, is_dns_name, is_image
from swarmd.model.spec import (
    ConfigReference,
    ContainerSpec,
    EndpointSpec,
    FailureAction,
    Global,
    GlobalJob,
    Healthcheck,
    Limits,
    Mount,
    NetworkAttachmentConfig,
    PortConfig,
    Replicated,
    Reservations,
    ResourceRequirements,
    RestartPolicy,
    SecretReference,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
    UpdateConfig,
)
from swarmd.model.validate import check_service, normalised


def spec(**parts: object) -> ServiceSpec:
    """A good spec with parts replaced, wherever they belong."""
    made = ServiceSpec(
        name="web",
        labels={},
        task_template=TaskSpec(container_spec=ContainerSpec(image="busybox"), force_update=0),
        mode=ServiceMode(),
    )
    container = made.task_template.container_spec
    assert container is not None
    for name, value in parts.items():
        if name in ContainerSpec.__struct_fields__ and name not in ServiceSpec.__struct_fields__:
            container = msgspec.structs.replace(container, **{name: value})
        elif name in TaskSpec.__struct_fields__ and name not in ServiceSpec.__struct_fields__:
            template = msgspec.structs.replace(made.task_template, **{name: value})
            made = msgspec.structs.replace(made, task_template=template)
        else:
            made = msgspec.structs.replace(made, **{name: value})
    if made.task_template.container_spec is not None:
        template = msgspec.structs.replace(made.task_template, container_spec=container)
        made = msgspec.structs.replace(made, task_template=template)
    return made


def ports(*items: PortConfig, mode: str = "") -> EndpointSpec:
    return EndpointSpec(mode=mode, ports=items)


def update(**parts: object) -> UpdateConfig:
    made = UpdateConfig(parallelism=1, max_failure_ratio=0.0)
    return msgspec.structs.replace(made, **parts)


WEB = PortConfig(target_port=80, published_port=80)


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (spec(name=""), InvalidArgumentError, "meta: name must be provided"),
        (spec(name="-web"), InvalidArgumentError, "name must be valid as a DNS name component"),
        (spec(name="a.b"), InvalidArgumentError, "name must be valid as a DNS name component"),
        (spec(name="a" * 64), InvalidArgumentError, "name must be 63 characters or fewer"),
        (
            spec(image=""),
            InvalidArgumentError,
            "ContainerSpec: image reference must be provided",
        ),
        (
            spec(image="Busybox:"),
            InvalidArgumentError,
            'ContainerSpec: "Busybox:" is not a valid repository/tag',
        ),
        (
            spec(container_spec=None),
            BadRequestError,
            "mismatched Runtime and *Spec fields",
        ),
        (spec(runtime="wasm"), BadRequestError, "unsupported runtime"),
        (
            spec(mode=ServiceMode(replicated=Replicated(), global_=Global())),
            BadRequestError,
            "must specify only one service mode",
        ),
        (
            spec(mode=ServiceMode(replicated=Replicated(replicas=-1))),
            BadRequestError,
            "Number of replicas must be non-negative",
        ),
        (
            spec(endpoint_spec=ports(mode="x")),
            BadRequestError,
            'invalid resolution mode: "x"',
        ),
        (
            spec(endpoint_spec=ports(WEB, mode="dnsrr")),
            InvalidArgumentError,
            "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        ),
        (
            spec(endpoint_spec=ports(WEB, WEB)),
            InvalidArgumentError,
            "EndpointSpec: duplicate published ports provided",
        ),
        (
            spec(resources=ResourceRequirements(limits=Limits(nano_cpus=1000))),
            InvalidArgumentError,
            "invalid cpu value 1e-06: Must be at least 0.001",
        ),
        (
            spec(resources=ResourceRequirements(reservations=Reservations(memory_bytes=1000))),
            InvalidArgumentError,
            "invalid memory value 1000: Must be at least 4MiB",
        ),
        (
            spec(restart_policy=RestartPolicy(delay=-1)),
            InvalidArgumentError,
            "TaskSpec: restart-delay cannot be negative",
        ),
        (
            spec(restart_policy=RestartPolicy(window=-1)),
            InvalidArgumentError,
            "TaskSpec: restart-window cannot be negative",
        ),
        (
            spec(update_config=update(delay=-1)),
            InvalidArgumentError,
            "TaskSpec: update-delay cannot be negative",
        ),
        (
            spec(rollback_config=update(monitor=-1)),
            InvalidArgumentError,
            "TaskSpec: update-monitor cannot be negative",
        ),
        (
            spec(update_config=update(max_failure_ratio=1.5)),
            InvalidArgumentError,
            "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1",
        ),
        (
            spec(healthcheck=Healthcheck(interval=1)),
            InvalidArgumentError,
            "ContainerSpec: Interval in HealthConfig cannot be less than 1ms",
        ),
        (
            spec(healthcheck=Healthcheck(start_interval=-1)),
            InvalidArgumentError,
            "ContainerSpec: StartInterval in HealthConfig cannot be less than 1ms",
        ),
        (
            spec(healthcheck=Healthcheck(retries=-1)),
            InvalidArgumentError,
            "ContainerSpec: Retries in HealthConfig cannot be negative",
        ),
        (
            spec(mounts=(Mount(target="/a"), Mount(target="/a"))),
            InvalidArgumentError,
            "ContainerSpec: duplicate mount point: /a",
        ),
        (spec(mounts=(Mount(type="x"),)), BadRequestError, 'invalid MountType: "x"'),
    ],
)
def test_the_first_problem_is_named_in_docker_s_words(
    wrong: ServiceSpec, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as raised:
        check_service(normalised(wrong))
    assert str(raised.value) == message
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    "asked",
    [
        spec(runtime="plugin"),
        spec(mode=ServiceMode(global_job=GlobalJob())),
        spec(secrets=(SecretReference(secret_id="s"),)),
        spec(configs=(ConfigReference(config_id="c"),)),
        spec(update_config=update(failure_action=FailureAction.ROLLBACK)),
        spec(rollback_config=update(failure_action=FailureAction.ROLLBACK)),
        spec(mounts=(Mount(type="cluster"),)),
        spec(endpoint_spec=ports(PortConfig(target_port=1, protocol="sctp"))),
    ],
)
def test_what_this_version_cannot_do_is_refused_and_not_ignored(asked: ServiceSpec) -> None:
    with pytest.raises(UnsupportedError, match="not supported"):
        check_service(normalised(asked))


@pytest.mark.parametrize(
    "good",
    [
        spec(),
        spec(name="a_b-c"),
        spec(healthcheck=Healthcheck(test=("NONE",))),
        spec(endpoint_spec=ports(msgspec.structs.replace(WEB, publish_mode="host"), mode="dnsrr")),
        spec(endpoint_spec=ports(WEB, msgspec.structs.replace(WEB, protocol="udp"))),
        spec(endpoint_spec=ports(PortConfig(target_port=1), PortConfig(target_port=2))),
        spec(update_config=update(failure_action=FailureAction.CONTINUE, parallelism=0)),
        spec(mode=ServiceMode(replicated=Replicated(replicas=0))),
        spec(image="registry.example.org:5000/a/b_c:v1@sha256:" + "0" * 64),
    ],
)
def test_what_is_fine_passes(good: ServiceSpec) -> None:
    check_service(normalised(good))


def test_the_normal_form_has_docker_s_words_in_it() -> None:
    found = normalised(
        spec(
            endpoint_spec=EndpointSpec(ports=(PortConfig(target_port=80),)),
            restart_policy=RestartPolicy(),
            networks=(NetworkAttachmentConfig(target="net1"),),
        )
    )
    template = found.task_template
    assert found.mode == ServiceMode(replicated=Replicated(replicas=1))
    assert found.endpoint_spec == EndpointSpec(
        mode="vip", ports=(PortConfig(target_port=80, protocol="tcp", publish_mode="ingress"),)
    )
    assert template.runtime == "container"
    assert template.container_spec is not None
    assert template.container_spec.isolation == "default"
    assert template.restart_policy == RestartPolicy(max_attempts=0)
    assert (found.networks, template.networks[0].target) == ((), "net1")
    assert normalised(found) == found


def test_what_was_left_out_stays_out() -> None:
    """Docker gives back only what it was given."""
    found = normalised(spec())
    assert found.update_config is None
    assert found.rollback_config is None
    assert found.task_template.restart_policy is None
    assert found.task_template.placement is None


def test_a_long_wrong_name_costs_no_time() -> None:
    """Docker's pattern, taken as it is, would backtrack for years."""
    assert not is_dns_name("a-" * 5000)
    assert not is_image("a__" * 300 + "!")


def test_invented_names_are_names_and_differ() -> None:
    names = {invented_name(str(seed), attempt) for seed in range(20) for attempt in range(3)}
    assert len(names) > 50
    assert all(is_dns_name(name) for name in names)
    assert invented_name("r", 0) == invented_name("r", 0)
