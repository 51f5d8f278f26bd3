import pytest

from swarmd.compose import (
    ComposeError,
    CreateNetwork,
    CreateService,
    Operation,
    RemoveService,
    StackSpecs,
    UpdateService,
    stack_plan,
)
from swarmd.compose.document import Json
from swarmd.errors import InvalidArgumentError
from tests.unit.compose.files import at, stack

OWN: dict[str, Json] = {"com.docker.stack.namespace": "shop"}
TWO = "services: {web: {image: busybox}, db: {image: db:1}}"


def _service(name: str, image: str, *, written: str, **template: Json) -> dict[str, Json]:
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 7},
        "Spec": {
            "Name": name,
            "Labels": {**OWN, "com.docker.stack.image": written},
            "TaskTemplate": {"ContainerSpec": {"Image": image}, **template},
        },
    }


def _plan(
    wanted: StackSpecs,
    services: list[dict[str, Json]],
    networks: list[dict[str, Json]] | None = None,
    *,
    prune: bool = False,
    resolve_image: str = "always",
) -> tuple[Operation, ...]:
    return stack_plan(wanted, services, networks or [], prune=prune, resolve_image=resolve_image)


def test_a_new_stack_makes_its_network_then_its_services_by_name() -> None:
    wanted = stack(TWO)
    assert _plan(wanted, []) == (
        CreateNetwork("shop_default", wanted.networks["shop_default"]),
        CreateService("shop_db", wanted.services["shop_db"], resolves_image=True),
        CreateService("shop_web", wanted.services["shop_web"], resolves_image=True),
    )


def test_existing_networks_are_left_alone_but_not_those_of_others() -> None:
    wanted = stack(TWO)
    own: dict[str, Json] = {"Name": "shop_default", "Scope": "swarm", "Labels": OWN}
    other: dict[str, Json] = {"Name": "shop_default", "Scope": "local", "Labels": None}
    assert not any(isinstance(op, CreateNetwork) for op in _plan(wanted, [], [own]))
    assert isinstance(_plan(wanted, [], [other])[0], CreateNetwork)


def test_an_update_names_id_and_version_and_keeps_the_force_counter() -> None:
    wanted = stack("services: {web: {image: busybox}}")
    existing = _service("shop_web", "busybox@sha256:1", written="busybox", ForceUpdate=5)
    update = _plan(wanted, [existing])[-1]
    assert isinstance(update, UpdateService)
    assert (update.id, update.version, update.name) == ("id-shop_web", 7, "shop_web")
    assert at(update.spec, "TaskTemplate", "ForceUpdate") == 5
    assert at(wanted.services["shop_web"], "TaskTemplate", "ForceUpdate") == 0


@pytest.mark.parametrize(
    ("resolve_image", "written_before", "asks", "image"),
    [
        ("always", "busybox", True, "busybox"),
        ("always", "busybox:1", True, "busybox"),
        ("changed", "busybox", False, "busybox@sha256:1"),
        ("changed", "busybox:1", True, "busybox"),
        ("never", "busybox", False, "busybox@sha256:1"),
        ("never", "busybox:1", False, "busybox"),
    ],
)
def test_digests_are_kept_unless_they_are_asked_for(
    resolve_image: str, written_before: str, asks: bool, image: str
) -> None:
    wanted = stack("services: {web: {image: busybox}}")
    existing = _service("shop_web", "busybox@sha256:1", written=written_before)
    update = _plan(wanted, [existing], resolve_image=resolve_image)[-1]
    assert isinstance(update, UpdateService)
    assert update.resolves_image is asks
    assert at(update.spec, "TaskTemplate", "ContainerSpec", "Image") == image


def test_a_new_service_is_asked_for_unless_never() -> None:
    wanted = stack("services: {web: {image: busybox}}")
    for resolve_image, asks in (("always", True), ("changed", True), ("never", False)):
        create = _plan(wanted, [], resolve_image=resolve_image)[-1]
        assert isinstance(create, CreateService)
        assert create.resolves_image is asks


def test_only_prune_removes_and_only_what_is_the_stacks() -> None:
    wanted = stack("services: {web: {image: busybox}}")
    old = _service("shop_old", "x", written="x")
    other = _service("else_old", "x", written="x")
    at(other, "Spec")["Labels"] = {"com.docker.stack.namespace": "else"}  # type: ignore[index]  # a dict
    plain: dict[str, Json] = {"ID": "p", "Version": {"Index": 1}, "Spec": {"Name": "plain"}}
    services = [old, other, plain]
    assert not any(isinstance(op, RemoveService) for op in _plan(wanted, services))
    plan = _plan(wanted, services, prune=True)
    assert [op for op in plan if isinstance(op, RemoveService)] == [
        RemoveService("id-shop_old", "shop_old")
    ]
    assert plan[0] == RemoveService("id-shop_old", "shop_old")


def test_a_stack_that_is_as_wanted_is_only_updated() -> None:
    wanted = stack(TWO)
    services = [
        _service("shop_web", "busybox", written="busybox"),
        _service("shop_db", "db:1", written="db:1"),
    ]
    networks: list[dict[str, Json]] = [{"Name": "shop_default", "Labels": OWN}]
    plan = _plan(wanted, services, networks, prune=True)
    assert [type(op) for op in plan] == [UpdateService, UpdateService]


EXTERNAL = """
services:
  web: {image: busybox, networks: [n]}
networks:
  n:
    external: true
    name: NAME
"""


@pytest.mark.parametrize(
    ("networks", "problem"),
    [
        (
            [],
            (
                'network "shared" is declared as external, but could not be found. You need to create '
                "a swarm-scoped network before the stack is deployed"
            ),
        ),
        (
            [{"Name": "shared", "Scope": "local"}],
            (
                'network "shared" is declared as external, but it is not in the right scope: "local" '
                'instead of "swarm"'
            ),
        ),
    ],
)
def test_a_missing_external_network_is_refused_where_it_is_declared(
    networks: list[dict[str, Json]], problem: str
) -> None:
    with pytest.raises(ComposeError) as caught:
        _plan(stack(EXTERNAL.replace("NAME", "shared")), [], networks)
    error = caught.value
    assert (error.problem, error.file, error.line) == (problem, "one.yml", 5)
    assert error.key == "networks.n"


@pytest.mark.parametrize("name", ["host", "bridge", "none"])
def test_networks_of_each_node_need_no_declaration_in_the_swarm(name: str) -> None:
    plan = _plan(stack(EXTERNAL.replace("NAME", name)), [])
    assert [type(op) for op in plan] == [CreateService]


def test_an_external_network_may_have_a_local_twin() -> None:
    both: list[dict[str, Json]] = [
        {"Name": "shared", "Scope": "local"},
        {"Name": "shared", "Scope": "swarm"},
    ]
    assert _plan(stack(EXTERNAL.replace("NAME", "shared")), [], both)


def test_an_unknown_way_to_resolve_images_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid option x for flag --resolve-image"):
        _plan(stack(TWO), [], resolve_image="x")
