"""`/secrets` and `/configs`: there are none yet.  Lists are empty, everything else is refused."""

from collections.abc import Mapping

from swarmd.api import respond
from swarmd.api.cluster import Call, CallHandler
from swarmd.api.message import Response
from swarmd.api.read import read_filters
from swarmd.errors import NotFoundError, UnsupportedError
from swarmd.wire.filters import CONFIG_KEYS, SECRET_KEYS


async def list_secrets(call: Call) -> Response:
    """None."""
    read_filters(call.request, SECRET_KEYS)
    return respond.json([])


async def list_configs(call: Call) -> Response:
    """None."""
    read_filters(call.request, CONFIG_KEYS)
    return respond.json([])


async def create_secret(call: Call) -> Response:
    """Refused."""
    del call
    raise UnsupportedError("secrets are not supported yet")


async def create_config(call: Call) -> Response:
    """Refused."""
    del call
    raise UnsupportedError("configs are not supported yet")


async def find_secret(call: Call) -> Response:
    """There is none to inspect, update or remove."""
    raise NotFoundError("secret", call.request.params["id"])


async def find_config(call: Call) -> Response:
    """There is none to inspect, update or remove."""
    raise NotFoundError("config", call.request.params["id"])


HANDLERS: Mapping[str, CallHandler] = {
    "secret_list": list_secrets,
    "secret_create": create_secret,
    "secret_inspect": find_secret,
    "secret_remove": find_secret,
    "secret_update": find_secret,
    "config_list": list_configs,
    "config_create": create_config,
    "config_inspect": find_config,
    "config_remove": find_config,
    "config_update": find_config,
}
