import pytest

from swarmd.compose import ComposeError, load, specs
from swarmd.compose.document import Json
from tests.unit.compose.files import FOLDER, at, container, loaded, refusal, service

VOLUMES = """
volumes:
  data: {driver: nfs, driver_opts: {o: 1}, labels: {a: b}}
  plain:
  named: {name: real}
  out: {external: true}
"""
OWN = {"com.docker.stack.namespace": "shop"}


@pytest.mark.parametrize(
    ("written", "mount"),
    [
        ("/data", {"Type": "volume", "Target": "/data"}),
        ("a", {"Type": "volume", "Target": "a"}),
        (
            "plain:/d:ro,nocopy",
            {
                "Type": "volume",
                "Source": "shop_plain",
                "Target": "/d",
                "ReadOnly": True,
                "VolumeOptions": {"NoCopy": True, "Labels": OWN},
            },
        ),
        (
            "data:/d",
            {
                "Type": "volume",
                "Source": "shop_data",
                "Target": "/d",
                "VolumeOptions": {
                    "Labels": {"a": "b", **OWN},
                    "DriverConfig": {"Name": "nfs", "Options": {"o": "1"}},
                },
            },
        ),
        (
            "named:/d",
            {
                "Type": "volume",
                "Source": "real",
                "Target": "/d",
                "VolumeOptions": {"Labels": OWN},
            },
        ),
        (
            "out:/d",
            {"Type": "volume", "Source": "out", "Target": "/d", "VolumeOptions": {}},
        ),
        (
            "/etc:/e:rw,rshared",
            {
                "Type": "bind",
                "Source": "/etc",
                "Target": "/e",
                "BindOptions": {"Propagation": "rshared"},
            },
        ),
        ("./x/../y:/y", {"Type": "bind", "Source": f"{FOLDER}/y", "Target": "/y"}),
        ("~/x:/y", {"Type": "bind", "Source": "/home/me/x", "Target": "/y"}),
        ("c:\\data:/y", {"Type": "bind", "Source": "c:\\data", "Target": "/y"}),
    ],
)
def test_short_volumes_become_mounts(written: str, mount: Json) -> None:
    found = loaded(
        service(f"volumes: ['{written}']", more=VOLUMES), environment={"HOME": "/home/me"}
    )
    assert at(
        specs(found, "shop").services["shop_web"], "TaskTemplate", "ContainerSpec", "Mounts"
    ) == [mount]


@pytest.mark.parametrize(
    ("written", "mount"),
    [
        (
            "type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}",
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 448}},
        ),
        (
            "type: volume, source: plain, target: /d, volume: {subpath: s}, consistency: cached",
            {
                "Type": "volume",
                "Source": "shop_plain",
                "Target": "/d",
                "Consistency": "cached",
                "VolumeOptions": {"Subpath": "s", "Labels": OWN},
            },
        ),
        (
            "type: image, source: busybox, target: /i, image: {subpath: bin}",
            {
                "Type": "image",
                "Source": "busybox",
                "Target": "/i",
                "ImageOptions": {"Subpath": "bin"},
            },
        ),
        (
            "type: cluster, source: 'group:g', target: /c",
            {"Type": "cluster", "Source": "group:g", "Target": "/c", "ClusterOptions": {}},
        ),
        (
            "type: cluster, source: plain, target: /c",
            {"Type": "cluster", "Source": "shop_plain", "Target": "/c", "ClusterOptions": {}},
        ),
    ],
)
def test_long_volumes_become_mounts(written: str, mount: Json) -> None:
    assert container(f"volumes: [{{{written}}}]", "Mounts", more=VOLUMES) == [mount]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("''", "volumes.0: invalid empty volume spec"),
        ("'aa::b'", "volumes.0: invalid spec: aa::b: empty section between colons"),
        ("'/a:/b:ro:/x'", "volumes.0: invalid spec: /a:/b:ro:/x: too many colons"),
        ("'nobody:/b'", 'service web: undefined volume "nobody"'),
        ("{type: nothing}", "volume type must be volume, bind, tmpfs, npipe, or cluster"),
        (
            "{type: bind, target: /a}",
            'invalid mount config for type "bind": field Source must not be empty',
        ),
        ("{type: tmpfs, source: a}", "invalid tmpfs source, source must be empty"),
        ("{type: image, target: /a}", "invalid image source, source cannot be empty"),
        ("{type: npipe, target: /a}", "invalid npipe source, source cannot be empty"),
        ("{type: cluster, target: /a}", "invalid cluster source, source cannot be empty"),
        ("{type: volume, bind: {}}", "bind options are incompatible with type volume"),
        ("{type: volume, tmpfs: {}}", "tmpfs options are incompatible with type volume"),
        (
            "{type: bind, source: /a, volume: {nocopy: true}}",
            "volume options are incompatible with type bind",
        ),
        ("{type: tmpfs, bind: {}}", "bind options are incompatible with type tmpfs"),
    ],
)
def test_other_volumes_are_refused(written: str, problem: str) -> None:
    error = refusal(service(f"volumes: [{written}]"))
    assert error.problem.endswith(problem)
    assert (error.service, error.line) == ("web", 4)


def test_a_relative_path_needs_a_folder_to_count_from() -> None:
    text = service("volumes: ['./x:/x']")
    with pytest.raises(ComposeError, match="the folder from which the relative path"):
        load([("f.yml", text)], {})
    found = load([("/opt/f.yml", text)], {})
    assert found.model["services"]["web"]["volumes"][0].get("source") == "/opt/x"
