"""The handlers behind the routes, by name: where a request becomes an answer, refusals included.

This is the API below HTTP: the server calls it, and so can the simulator.
"""

import logging
from collections.abc import Mapping

from swarmd.api import respond, routes
from swarmd.api.message import Handler, Request, Response
from swarmd.errors import SwarmError

log = logging.getLogger(__name__)


class Front:
    """All handlers, ours and merged; each route has one, or the daemon does not start."""

    def __init__(self, *parts: Mapping[str, Handler]) -> None:
        self._handlers: dict[str, Handler] = {}
        for part in parts:
            twice = self._handlers.keys() & part.keys()
            assert not twice, f"two handlers for {sorted(twice)}"
            self._handlers.update(part)
        wanted = routes.names(routes.Kind.OURS) | routes.names(routes.Kind.MERGED)
        wrong = wanted ^ self._handlers.keys()
        assert not wrong, f"handlers and routes differ in {sorted(wrong)}"

    async def answer(self, name: str, request: Request) -> Response:
        """What the handler called `name` answers; its refusals in Docker's form."""
        try:
            return await self._handlers[name](request)
        except SwarmError as error:
            return respond.refusal(error)
        except Exception:
            # A handler's bug fails its request and no other; the trace is for us, not the client.
            log.exception("handler failed", extra={"route": name, "target": request.target})
            return respond.error(500, "swarmd failed to answer this request; its log says why")
