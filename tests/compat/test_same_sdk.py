"""The docker SDK for Python before both daemons: a story, step by step, with the same outcome."""

from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.errors import APIError
from docker.types import (
    DNSConfig,
    EndpointSpec,
    Healthcheck,
    IPAMConfig,
    IPAMPool,
    Mount,
    Resources,
    RestartPolicy,
    ServiceMode,
    UpdateConfig,
)

from tests.compat.twins import Twin, Twins

pytestmark = pytest.mark.real

_SHELL = ["sh", "-c", "trap 'exit 0' TERM; echo hi; sleep 100000 & wait"]


class _Story:
    """What one daemon answered, step by step."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        #: half of its types are unknown
        self.client: Any = docker.DockerClient(base_url=twin.url)
        self.outcomes: list[tuple[str, object]] = []

    def step(self, what: str, act: Callable[[], object]) -> None:
        """Note the outcome of a call, or the refusal."""
        try:
            outcome = act()
        except APIError as error:
            outcome = (error.status_code, self.twin.plain(str(error.explanation)))
        self.outcomes.append((what, outcome))

    def service(self, **parts: Any) -> Any:
        """A service with something of everything that the SDK can say."""
        wanted: dict[str, Any] = {
            "command": _SHELL,
            "name": "sdk",
            "env": ["A=1"],
            "labels": {"l": "m"},
            "container_labels": {"c": "d"},
            "mode": ServiceMode("replicated", 2),
            "networks": ["sdknet"],
            "endpoint_spec": EndpointSpec(ports={8066: 80}),  # type: ignore[dict-item]  # as its docs say
            "resources": Resources(mem_limit=64 << 20, cpu_limit=500_000_000),
            "restart_policy": RestartPolicy("any", delay=10**9),
            "update_config": UpdateConfig(1, 1, "continue", 0, 0.1, "start-first"),
            "mounts": [Mount("/d", "sdkdata"), Mount("/t", None, "tmpfs", tmpfs_size=1000)],
            "constraints": ["node.role==manager"],
            "preferences": [("spread", "node.labels.x")],
            "healthcheck": Healthcheck(test=["CMD", "true"], interval=5 * 10**9),
            "hosts": {"h": "1.2.3.4"},
            "hostname": "hh",
            "stop_grace_period": 10**9,
            "init": True,
            "cap_add": ["NET_ADMIN"],
            "dns_config": DNSConfig(nameservers=["8.8.8.8"]),
            "log_driver": "json-file",
            "log_driver_options": {"max-size": "1m"},
        }
        return self.client.services.create("busybox", **{**wanted, **parts})

    def spec(self, *, defaults: bool = False) -> Any:
        """The service's spec, without the ids of its networks."""
        found = self.client.services.get("sdk", insert_defaults=defaults).attrs["Spec"]
        for network in found["TaskTemplate"]["Networks"]:
            del network["Target"]
        return found

    def running(self) -> list[Any]:
        """Tasks that run."""
        wanted = {"desired-state": "running", "service": "sdk"}
        tasks: list[Any] = self.client.api.tasks(wanted)
        return [task for task in tasks if task["Status"]["State"] == "running"]


def _tell(story: _Story) -> None:
    client, step = story.client, story.step
    step("swarm", lambda: sorted(client.swarm.attrs))
    step("unlock key", client.swarm.get_unlock_key)
    step("no such node", lambda: client.nodes.get("nope"))
    (node,) = client.nodes.list()
    step("node", lambda: (sorted(node.attrs), sorted(node.attrs["Description"])))
    wished = {"Availability": "active", "Role": "manager", "Labels": {"x": "y"}}
    step("node update", lambda: node.update(wished))
    node.reload()
    step("bad availability", lambda: node.update({**wished, "Availability": "foo"}))
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet="10.55.0.0/24")])

    def network() -> Any:
        return client.networks.create(
            "sdknet", driver="overlay", attachable=True, labels={"a": "b"}, ipam=pool
        )

    step("network", lambda: network().name)
    step("network again", network)
    step("networks", lambda: [n.name for n in client.networks.list(names=["sdknet"])])
    _tell_of_a_service(story)
    step("used network", lambda: client.networks.get("sdknet").remove())
    step("no secrets", lambda: client.secrets.list(filters={"name": "zz"}))
    step("no such secret", lambda: client.secrets.get("zz"))
    step("no such config", lambda: client.configs.get("zz"))
    step("run", lambda: client.containers.run("busybox", "echo hi", remove=True))
    step("init", client.swarm.init)
    step("leave", client.swarm.leave)
    step("join", lambda: client.swarm.join(["127.0.0.1:5"], "x"))


def _tell_of_a_service(story: _Story) -> None:
    client, step = story.client, story.step
    step("create", lambda: story.service().name)
    step("create again", lambda: story.service(endpoint_spec=None))
    step("bad name", lambda: story.service(name="bad name", endpoint_spec=None))
    step("bad network", lambda: story.service(name="x", endpoint_spec=None, networks=["zz"]))
    story.twin.settle(lambda: len(story.running()) == 2)
    step("task", lambda: (sorted(story.running()[0]), sorted(story.running()[0]["Status"])))
    step("no such task", lambda: client.api.inspect_task("nope"))
    step(
        "counts",
        lambda: client.services.list(filters={"name": "sdk"}, status=True)[0].attrs[
            "ServiceStatus"
        ],
    )
    step("lines", lambda: list(client.services.get("sdk").logs(stdout=True, tail=1)))
    step("spec", story.spec)
    step("with defaults", lambda: story.spec(defaults=True))
    step("scale", lambda: client.services.get("sdk").scale(1))
    step("update", lambda: client.services.get("sdk").update(image="busybox", env=["B=2"]))
    step("updated", story.spec)
    step("no such service", lambda: client.services.get("nope"))


@pytest.fixture
def stories(twins: Twins) -> Iterator[list[_Story]]:
    """One for each daemon, ours first; nothing of them stays."""
    made = [_Story(twin) for twin in twins]
    yield made
    for story in made:
        for service in story.client.services.list(filters={"name": "sdk"}):
            service.remove()
        story.twin.settle(lambda s=story: not s.client.containers.list())  # type: ignore[misc]  # mypy knows no defaults of lambdas
        for network in story.client.networks.list(names=["sdknet"]):
            network.remove()
        story.client.close()


def test_the_sdk_for_python_lives_through_the_same(stories: list[_Story]) -> None:
    for story in stories:
        _tell(story)
    ours, reference = (dict(story.outcomes) for story in stories)
    for what, outcome in reference.items():
        assert ours[what] == outcome, what
