"""A registry on a lab's hosts that wants a password: Debian's docker-registry, one store for all.

Engines trust a registry at 127.0.0.0/8 without TLS, so each host has a server of its own there, and
what is pushed on one host can be pulled on each.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.real.swarm import RealSwarm

USER, PASSWORD = "alice", "secret"
#: as `htpasswd -B` writes it
_HTPASSWD = f"{USER}:$2b$05$skZ5FujheTL96Kma4ueYt.uBaNAHUFR7tIMR/N8yfYJPqBBr8Pp8m\n"
ADDRESS = "127.0.0.1:5000"


@contextlib.contextmanager
def registry(swarm: RealSwarm, folder: Path) -> Iterator[str]:
    """Its address, the same on every host; what it writes is in `folder`."""
    (folder / "htpasswd").write_text(_HTPASSWD)
    settings = folder / "registry.yml"
    settings.write_text(
        f"""
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder / "store"}}}}}
http: {{addr: "{ADDRESS}", secret: shared}}
auth: {{htpasswd: {{realm: lab, path: {folder / "htpasswd"}}}}}
"""
    )
    argv = ["docker-registry", "serve", str(settings)]
    with contextlib.ExitStack() as servers, (folder / "registry.log").open("w") as output:
        for number in swarm.numbers:
            server = swarm.lab.popen(swarm.host(number), argv, output=output.fileno())
            servers.callback(server.wait)
            servers.callback(server.terminate)
        for number in swarm.numbers:
            # curl waits for a server that is about to listen; the answer is that a password is missing.
            url = f"http://{ADDRESS}/v2/"
            swarm.lab.run(
                swarm.host(number), ["curl", "-s", "--retry-connrefused", "--retry", "9", url]
            )
        yield ADDRESS
