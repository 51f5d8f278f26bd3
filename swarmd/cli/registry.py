"""Registries: credentials for the agents' pulls, and an image's digest before it is deployed.

A digest pins the image, so that every node runs the same one whatever happens to the tag.  If the
registry cannot be asked, the service is deployed all the same, unpinned, with Docker's warning.
"""

import base64
import json

from swarmd.cli.client import ApiError, Client, path
from swarmd.cli.output import Json, image_name
from swarmd.errors import UnavailableError

_ARM = "arm"


def auth_header(image: str) -> dict[str, str]:
    """The header that carries the credentials stored by `docker login` for the image's registry."""
    from docker import auth  # noqa: PLC0415 - 150 ms, and only wanted with --with-registry-auth

    config = auth.load_config()
    registry, _ = auth.resolve_repository_name(image)
    found = auth.resolve_authconfig(config, registry) or {}
    names = {"username": "username", "password": "password", "IdentityToken": "identitytoken"}
    credentials = {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs)}
    credentials["serveraddress"] = found.get("serveraddress") or registry
    text = base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode()
    return {"X-Registry-Auth": text}


def tagged(spec: Json) -> Json:
    """The spec with its image as people write it, ":latest" said aloud."""
    image = image_name(spec["TaskTemplate"]["ContainerSpec"].get("Image", ""), keeps_digest=True)
    is_bare = image and "@" not in image and ":" not in image.rpartition("/")[2]
    return _with_image(spec, f"{image}:latest" if is_bare else image)


def pinned(client: Client, spec: Json, headers: dict[str, str]) -> tuple[Json, str]:
    """The tagged spec with its image's digest and platforms, and a warning or ""."""
    spec = tagged(spec)
    template = spec["TaskTemplate"]
    name = template["ContainerSpec"]["Image"]
    try:
        answer = client.call("GET", path("distribution", name, "json"), headers=headers)
        found: Json = json.loads(answer.read())
    except (ApiError, UnavailableError):
        return spec, _warning(name)
    digest = found["Descriptor"]["digest"]
    placement = {**(template.get("Placement") or {}), "Platforms": _platforms(found)}
    pinned_name = name if "@" in name else f"{name}@{digest}"
    changed = _with_image(spec, pinned_name)
    return {**changed, "TaskTemplate": {**changed["TaskTemplate"], "Placement": placement}}, ""


def _with_image(spec: Json, image: str) -> Json:
    template = spec["TaskTemplate"]
    container = {**template["ContainerSpec"], "Image": image}
    return {**spec, "TaskTemplate": {**template, "ContainerSpec": container}}


def _platforms(found: Json) -> list[Json]:
    # Variants of arm are not told apart by nodes (moby#34875), so any of them will do.
    return [
        {
            "Architecture": ""
            if platform.get("architecture") == _ARM
            else platform["architecture"],
            "OS": platform["os"],
        }
        for platform in found.get("Platforms") or ()
    ]


def _warning(image: str) -> str:
    return (
        f"image {image} could not be accessed on a registry to record\n"
        "its digest. Each node will access "
        f"{image} independently,\n"
        "possibly leading to different nodes running different\n"
        "versions of the image.\n"
    )
