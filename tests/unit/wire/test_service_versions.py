"""What an older API does not know is dropped from a service's spec, and nothing else is."""

from typing import Any

import msgspec
import pytest

from swarmd.model.spec import SECOND, ServiceSpec, UpdateConfig
from swarmd.wire.service import decode_spec, with_defaults

#: (first version that has it, where, a value): moby api/server/router/swarm/helpers.go.
FIELDS: tuple[tuple[tuple[int, int], str, object], ...] = (
    ((1, 40), "ContainerSpec.Sysctls", {"a": "b"}),
    ((1, 40), "ContainerSpec.Privileges.CredentialSpec", {"Config": "c"}),
    ((1, 40), "Placement.MaxReplicas", 2),
    ((1, 41), "ContainerSpec.CapabilityAdd", ["CAP_NET_RAW"]),
    ((1, 41), "ContainerSpec.CapabilityDrop", ["CAP_NET_RAW"]),
    ((1, 41), "ContainerSpec.Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}]),
    ((1, 41), "Resources.Limits.Pids", 5),
    ((1, 44), "ContainerSpec.Healthcheck.StartInterval", 10**9),
    ((1, 44), "ContainerSpec.Privileges.Seccomp", {"Mode": "unconfined"}),
    ((1, 44), "ContainerSpec.Privileges.AppArmor", {"Mode": "disabled"}),
    ((1, 44), "ContainerSpec.Privileges.NoNewPrivileges", True),
    ((1, 46), "ContainerSpec.OomScoreAdj", 100),
)


def decoded(version: tuple[int, int], path: str, value: object) -> ServiceSpec:
    body: Any = value
    for key in reversed(path.split(".")):
        body = {key: body}
    return decode_spec(msgspec.json.encode({"Name": "web", "TaskTemplate": body}), version)


@pytest.mark.parametrize(("since", "path", "value"), FIELDS, ids=str)
def test_a_field_is_read_from_its_first_version_on(
    since: tuple[int, int], path: str, value: object
) -> None:
    newest = decoded((1, 51), path, value)
    assert decoded(since, path, value) == newest
    assert decoded((1, since[1] - 1), path, value) != newest


def test_options_of_a_tmpfs_are_read_from_their_first_version_on() -> None:
    mount = {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Options": [["noexec"]]}}
    newest = decoded((1, 51), "ContainerSpec.Mounts", [mount])
    assert decoded((1, 46), "ContainerSpec.Mounts", [mount]) == newest
    assert decoded((1, 45), "ContainerSpec.Mounts", [mount]) != newest


def test_a_client_of_the_oldest_supported_engine_loses_nothing_that_it_has() -> None:
    """API 1.41, of Engine 20.10."""
    for since, path, value in FIELDS:
        if since <= (1, 41):
            assert decoded((1, 41), path, value) == decoded((1, 51), path, value)


@pytest.mark.parametrize(("given", "shown"), [(None, 5 * SECOND), (2 * SECOND, 2 * SECOND)])
def test_only_a_monitor_that_is_missing_has_the_default(given: int | None, shown: int) -> None:
    spec = decoded((1, 51), "ForceUpdate", 0)
    config = UpdateConfig(parallelism=3, monitor=given, max_failure_ratio=0.5)
    filled = with_defaults(msgspec.structs.replace(spec, update_config=config)).update_config
    assert filled == msgspec.structs.replace(config, monitor=shown)
