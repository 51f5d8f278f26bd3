"""The model to what is posted to the API: a ServiceSpec per service, a NetworkCreate per network.

Names get the stack's: service `web` of stack `shop` is `shop_web`.  What concerns the container is
in `containers`, what concerns networks in `networks`; here is the rest.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmd.compose import model
from swarmd.compose.containers import NAMESPACE_LABEL, container_spec, given
from swarmd.compose.document import Json, Place
from swarmd.compose.load import Loaded
from swarmd.compose.networks import attachments, stack_networks
from swarmd.compose.notyet import refuse_not_yet
from swarmd.compose.values import nano_cpus, nanoseconds
from swarmd.errors import InvalidArgumentError
from swarmd.model.names import is_image

IMAGE_LABEL = "com.docker.stack.image"

_RESTART = re.compile(r"(no|always|unless-stopped|on-failure)(?::([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class StackSpecs:
    """A stack as the API is asked for it.  Networks in services are given by full name."""

    stack: str
    #: full name → ServiceSpec, sorted
    services: Mapping[str, Mapping[str, Json]]
    #: full name → NetworkCreate, sorted
    networks: Mapping[str, Mapping[str, Json]]
    #: full name → where it is declared; these must exist before
    external_networks: Mapping[str, Place]
    #: `service shop_web` or `network shop_front` → where it is declared
    declared: Mapping[str, Place]


def specs(loaded: Loaded, stack: str) -> StackSpecs:
    """What `stack` is to be.  Raises ComposeError; InvalidArgumentError for the stack's name."""
    if not stack.strip("\"' \t\r\n"):
        raise InvalidArgumentError(f'invalid stack name: "{stack}"')
    refuse_not_yet(loaded)
    services = {
        f"{stack}_{name}": _Converter(loaded, stack, name).service_spec()
        for name in sorted(loaded.model["services"])
    }
    networks = stack_networks(loaded, stack)
    return StackSpecs(
        stack,
        services,
        {network.full_name: network.body for network in networks if not network.is_external},
        {network.full_name: network.at for network in networks if network.is_external},
        {
            **{
                f"service {stack}_{name}": loaded.place("services", name)
                for name in loaded.model["services"]
            },
            **{f"network {network.full_name}": network.at for network in networks},
        },
    )


@dataclass(frozen=True, slots=True)
class _Converter:
    """Converts one service."""

    loaded: Loaded
    stack: str
    name: str

    @property
    def _service(self) -> model.Service:
        return self.loaded.model["services"][self.name]

    def _at(self, *path: str) -> Place:
        return self.loaded.place("services", self.name, *path)

    def service_spec(self) -> dict[str, Json]:
        """The ServiceSpec.  Raises ComposeError."""
        deploy = self._service.get("deploy", {})
        image = self._image()
        labels = {**deploy.get("labels", {}), NAMESPACE_LABEL: self.stack, IMAGE_LABEL: image}
        optional: dict[str, Json] = {
            "UpdateConfig": _update_config(deploy.get("update_config")),
            "RollbackConfig": _update_config(deploy.get("rollback_config")),
        }
        return {
            "Name": f"{self.stack}_{self.name}",
            "Labels": labels,
            "TaskTemplate": self._task_spec(deploy),
            "Mode": self._mode(deploy),
            **given(optional),
            "EndpointSpec": self._endpoint(deploy),
        }

    def _image(self) -> str:
        image = self._service.get("image", "")
        trouble = f"invalid image reference for service {self.name}: "
        if not image:
            raise self._at("image").error(f"{trouble}no image specified")
        if not is_image(image):
            is_upper = is_image(image.lower())
            reason = "repository name must be lowercase" if is_upper else "invalid reference format"
            raise self._at("image").error(trouble + reason)
        return image

    def _task_spec(self, deploy: model.Deploy) -> dict[str, Json]:
        volumes = self.loaded.model["volumes"]
        logging = self._service.get("logging", {})
        optional: dict[str, Json] = {
            "RestartPolicy": self._restart_policy(deploy),
            "LogDriver": given({"Name": logging.get("driver"), "Options": logging.get("options")}),
        }
        return {
            "ContainerSpec": container_spec(self._service, volumes, self.stack, self._at()),
            "Resources": _resources(deploy.get("resources", {})),
            "Placement": _placement(deploy.get("placement", {})),
            "Networks": attachments(self.loaded, self.stack, self.name),
            **{key: value for key, value in optional.items() if value},
            "ForceUpdate": 0,
        }

    def _mode(self, deploy: model.Deploy) -> dict[str, Json]:
        mode, replicas = deploy.get("mode", "replicated"), deploy.get("replicas")
        if mode in ("global", "global-job"):
            if replicas is not None:
                raise self._at("deploy", "replicas").refusal(
                    "replicas can only be used with replicated or replicated-job mode"
                )
            return {"Global" if mode == "global" else "GlobalJob": {}}
        if mode == "replicated":
            return {"Replicated": {} if replicas is None else {"Replicas": replicas}}
        if mode == "replicated-job":
            wanted = (
                {}
                if replicas is None
                else {"MaxConcurrent": replicas, "TotalCompletions": replicas}
            )
            return {"ReplicatedJob": wanted}
        raise self._at("deploy", "mode").refusal(f"Unknown mode: {mode}")

    def _restart_policy(self, deploy: model.Deploy) -> Json:
        """None: not asked for."""
        policy = deploy.get("restart_policy")
        if policy is None:
            return self._old_restart_policy()
        delay, window = policy.get("delay"), policy.get("window")
        return given(
            {
                "Condition": policy.get("condition") or "any",
                "Delay": None if delay is None else nanoseconds(delay),
                "MaxAttempts": policy.get("max_attempts"),
                "Window": None if window is None else nanoseconds(window),
            }
        )

    def _old_restart_policy(self) -> Json:
        """`restart: on-failure:3`, for files that were not written for a swarm."""
        restart = self._service.get("restart")
        if not restart:
            return None
        match = _RESTART.fullmatch(restart)
        if match is None:
            raise self._at("restart").refusal(
                f"invalid restart policy: unknown policy '{restart.partition(':')[0]}' (must be "
                "one of 'no', 'always', 'unless-stopped', or 'on-failure')"
            )
        word, attempts = match[1], int(match[2] or 0)
        if word == "no":
            return None
        condition = "on-failure" if word == "on-failure" else "any"
        return {"Condition": condition, **({"MaxAttempts": attempts} if attempts else {})}

    def _endpoint(self, deploy: model.Deploy) -> dict[str, Json]:
        ports: Sequence[model.Port] = sorted(self._service.get("ports", []), key=_port_order)
        spec: dict[str, Json] = {
            "Mode": deploy.get("endpoint_mode", "").lower(),
            "Ports": [
                given(
                    {
                        "Name": port.get("name"),
                        "Protocol": port.get("protocol"),
                        "TargetPort": port.get("target"),
                        "PublishedPort": port.get("published"),
                        "PublishMode": port.get("mode"),
                    }
                )
                for port in ports
            ],
        }
        return given(spec)


def _port_order(port: model.Port) -> tuple[int, int, str]:
    return port.get("published", 0), port.get("target", 0), port.get("protocol", "")


def _placement(placement: model.Placement) -> dict[str, Json]:
    preferences: list[Json] = [
        {"Spread": {"SpreadDescriptor": preference.get("spread", "")}}
        for preference in placement.get("preferences", [])
    ]
    return given(
        {
            "Constraints": placement.get("constraints"),
            "Preferences": preferences,
            "MaxReplicas": placement.get("max_replicas_per_node"),
        }
    )


def _resources(resources: model.Resources) -> dict[str, Json]:
    found: dict[str, Json] = {}
    if "limits" in resources:
        limits = resources["limits"]
        found["Limits"] = given(
            {
                "NanoCPUs": nano_cpus(limits.get("cpus", "0")),
                "MemoryBytes": int(limits.get("memory", "0")),
                "Pids": limits.get("pids"),
            }
        )
    if "reservations" in resources:
        reservations = resources["reservations"]
        found["Reservations"] = given(
            {
                "NanoCPUs": nano_cpus(reservations.get("cpus", "0")),
                "MemoryBytes": int(reservations.get("memory", "0")),
                "GenericResources": _generic_resources(reservations),
            }
        )
    return found


def _generic_resources(reservations: model.Reservations) -> list[Json]:
    found: list[Json] = []
    for resource in reservations.get("generic_resources", []):
        discrete = resource.get("discrete_resource_spec", {})
        unit: dict[str, Json] = {
            "Kind": discrete.get("kind", ""),
            "Value": discrete.get("value", 0),
        }
        found.append({"DiscreteResourceSpec": unit})
    return found


def _update_config(config: model.UpdateConfig | None) -> Json:
    if config is None:
        return None
    optional: dict[str, Json] = {
        "Delay": nanoseconds(config.get("delay", "0")) or None,
        "FailureAction": config.get("failure_action"),
        "Monitor": nanoseconds(config.get("monitor", "0")),
        "Order": config.get("order"),
    }
    return {
        "Parallelism": config.get("parallelism", 1),
        "MaxFailureRatio": config.get("max_failure_ratio", 0.0),
        **given(optional),
    }
