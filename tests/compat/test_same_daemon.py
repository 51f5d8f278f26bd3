"""The unmodified docker CLI before swarmd and before an engine's own swarm mode.

The same command must print the same and exit the same.  Not compared are what one of the two does
not do yet (secrets, configs, jobs, rollback, encryption, plain containers in cluster networks).
"""

from collections.abc import Iterator

import pytest

from tests.compat.twins import Ran, Twin, Twins

pytestmark = pytest.mark.real

_TOKEN = "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx"
#: Ends at once when it is asked to.
_SLEEP = """busybox sh -c 'echo hello; trap "exit 0" TERM; sleep 100000 & wait'"""


@pytest.fixture(scope="module")
def stocked(twins: Twins) -> Iterator[Twins]:
    """Both with services that run, that cannot, and that ended, and with networks."""
    twins.both("network create -d overlay back")
    twins.both("network create -d overlay --label a=b --subnet 10.99.0.0/24 wide")
    twins.both("network create mine")
    create = "service create -d --no-resolve-image --name"
    twins.both(f"{create} web --replicas 2 -l tier=front --network back -p 8080:80 {_SLEEP}")
    twins.both(f"{create} every --mode global --mount type=volume,src=data,dst=/d {_SLEEP}")
    twins.both(f"{create} nowhere --constraint node.role==worker -p 5432 busybox")
    twins.both(f"{create} big --reserve-memory 900g busybox")
    twins.both(f"{create} failing --restart-condition none busybox sh -c 'exit 3'")
    for twin in twins:
        for service, state in (("web", "Running"), ("every", "Running"), ("failing", "Failed")):
            twin.settle(lambda t=twin, n=service, s=state: _all_are(t, n, s))  # type: ignore[misc]  # mypy knows no defaults of lambdas
    yield twins
    for twin in twins:
        twin.ok("service rm web every nowhere big failing")
        twin.settle(lambda t=twin: not t.ok("ps -q").strip())  # type: ignore[misc]  # likewise
        twin.ok("network rm back wide mine")


def _all_are(twin: Twin, service: str, state: str) -> bool:
    states = twin.ok(f"service ps {service} --format '{{{{.CurrentState}}}}'").splitlines()
    return bool(states) and all(one.startswith(state) for one in states)


_LISTS = [
    "service ls", "service ls -q", "service ls --format json", "service ls -f name=we",
    "service ls -f mode=global", "service ls -f label=tier", "service ls -f label=tier=back",
    "service ls -f mode=foo", "service ls -f foo=bar", "service ls -f id=zzz",
    "service ps web", "service ps every", "service ps nowhere --no-trunc", "service ps web -q",
    "service ps big --no-trunc", "service ps failing --no-trunc", "service ps web nowhere",
    "service ps -f desired-state=running web", "service ps -f desired-state=foo web",
    "service ps -f node=self web", "service ps -f node=nope web", "service ps -f name=web.1 web",
    "service ps -f foo=x web", "service ps web nope", "service ps -q --no-resolve nope",
    "service inspect --pretty web", "service inspect --pretty every", "service inspect nope",
    "service inspect --format '{{json .Endpoint.Ports}}' web", "service logs --raw web",
    "service logs --raw --tail 1 failing", "service logs nope", "service logs --tail -5 web",
    "service logs --since foo web", "service logs nowhere", "service logs --raw failing",
    "node ls", "node ls -q", "node ls -f role=manager", "node ls -f role=foo", "node ls -f foo=x",
    "node ls -f membership=accepted", "node ls -f name=nope", "node ls -f node.label=x",
    "node ls --format '{{.Status}} {{.Availability}} {{.ManagerStatus}} {{.TLSStatus}} {{.Self}}'",
    "node ps -f name=web.1 --format '{{.Name}} {{.DesiredState}}'", "node ps nope",
    "node inspect --pretty HOST", "node inspect nope", "node inspect -f '{{json .Spec}}' self",
    "network ls -q -f name=ingress", "network ls -f driver=overlay --format '{{.Name}}'",
    "network ls -f name=back --format '{{.Name}} {{.Driver}} {{.Scope}}'",
    "network ls -f label=a=b --format '{{.Name}}'", "network ls -f type=builtin --format '{{.Name}}'",
    "network ls -f scope=swarm --format '{{.Name}} {{.Internal}} {{.IPv6}} {{.Labels}}'",
    "network ls -f foo=x", "network ls -f scope=foo", "network ls -f type=foo",
    "network inspect -f '{{.Scope}} {{.Driver}} {{json .Labels}} {{json .IPAM}}' wide",
    "network inspect -f '{{.Internal}} {{.Attachable}} {{.Ingress}}' back", "network inspect nope",
    "network inspect -f '{{.Scope}} {{.Driver}}' host", "inspect -f '{{.Spec.Name}}' web",
    "inspect --type node nope", "inspect nope", "stack ls", "stack ps x", "stack services x",
    "secret ls", "secret inspect nope", "config ls -f name=x", "config ls -f foo=x", "config rm nope",
    "swarm unlock-key", "swarm ca", "swarm join-token worker", "swarm join-token -q manager",
    "info -f '{{.Swarm.LocalNodeState}} {{.Swarm.Nodes}} {{.Swarm.Managers}} {{.Swarm.Error}}'",
    "info -f '{{json .Swarm.Cluster.Spec}}'", "version -f '{{.Server.APIVersion}}'",
    "plugin ls", "volume ls -q -f name=data", "image ls --format '{{.Repository}}'",
    "system df --format '{{.Type}}'", "events --since 1s --until 0s -f type=plugin",
    "ps --format '{{.Image}} {{.Command}}' -f is-task=true -f label=com.docker.swarm.service.name=web",
    "ps -a -q -f is-task=false",
]  # fmt: skip


@pytest.mark.parametrize("args", _LISTS)
def test_what_is_shown_is_shown_alike(stocked: Twins, args: str) -> None:
    assert stocked.ours.docker(args) == stocked.docker.docker(args)


_WRITES = [
    "service create -d --name web busybox", "service create -d --name 'a b' busybox",
    "service create -d --name x -p 8080:1 busybox", "service create -d --name x --network nope busybox",
    "service create -d --name x --network ingress busybox", "service create -d --name x ''",
    "service create -d --name x --network none busybox", "service create -d --name x --network mine busybox",
    "service create -d --name x --constraint foo busybox", "service create -d --name x 'BAD:image:x'",
    "service create -d --name x --limit-memory 1 busybox", "service create -d --name x --config no busybox",
    "service create -d --name x --limit-cpu 0.0000001 busybox", "service create -d -p 90:80 -p 90:81 busybox",
    "service create -d --name x --restart-condition foo busybox", "service create -d --update-order x busybox",
    "service create -d --name x --endpoint-mode dnsrr -p 80 busybox",
    "service create -d --name x --mount type=volume,dst=/x --mount type=volume,dst=/x busybox",
    "service create -d --name x --health-cmd x --health-interval 1us busybox",
    "service create -d --name x --update-max-failure-ratio 5 busybox",
    "service create -d --name x --mount type=bind,src=/x,dst=/x,bind-propagation=foo busybox",
    "service update -d --image busybox:2 nope", "service update -d --rollback --image x web",
    "service update -d --replicas 2 every", "service update -d --publish-add 8080:81 nowhere",
    "service update -d --network-add nope web", "service update -d --secret-add nope web",
    "service update -d --update-failure-action foo web", "service update -d web",
    "service scale every=3", "service scale nope=3", "service scale web=x", "service scale -d web=-1",
    "service rollback nope", "service rm nope", "service rm",
    "node update --availability drain nope", "node update --availability foo HOST",
    "node update --label-add a=b --label-add c HOST", "node update --label-rm a --label-rm c HOST",
    "node update --availability pause HOST", "node update --availability active HOST",
    "node update --role foo HOST", "node update --role worker HOST", "node demote HOST",
    "node promote HOST", "node promote nope", "node rm HOST", "node rm -f HOST", "node rm nope",
    "network create -d overlay back", "network create mine", "network create back",
    "network create -d overlay mine", "network create -d overlay host", "network create -d overlay ''",
    "network create -d overlay --subnet foo x", "network create -d overlay --ip-range 10.9.0.0/24 x",
    "network create -d overlay --subnet 10.98.0.0/24 --gateway 10.97.0.1 x",
    "network create -d overlay --scope local x", "network create -d overlay 'bad name'",
    "network rm ingress", "network rm host", "network rm nope",
    "network rm back", "network connect nope nope", "network connect mine nope",
    "run --rm busybox sh -c 'echo out; echo err >&2; exit 7'", "exec nope true",
    "cp nope:/x .", "rm nope", "build -q nope", "image inspect nope", "stack deploy -c /nope x",
    "swarm init", "swarm leave", "swarm unlock", "swarm update", "swarm update --cert-expiry 1s",
    "swarm update --task-history-limit 7 --dispatcher-heartbeat 7s --cert-expiry 48h",
    "swarm update --dispatcher-heartbeat -1s", "swarm update --autolock=false",
    f"swarm join --token {_TOKEN} 127.0.0.1:5", "swarm join-token --rotate worker", "secret create x",
    "config create x", "secret rm nope",
]  # fmt: skip


@pytest.mark.parametrize("args", _WRITES)
def test_what_is_asked_for_is_done_or_refused_alike(stocked: Twins, args: str) -> None:
    ours, reference = stocked.ours.docker(args), stocked.docker.docker(args)
    assert ours == reference


def test_a_service_is_created_and_updated_before_the_same_eyes(twins: Twins) -> None:
    """Progress as far as it does not depend on who was quicker: what it ends with."""
    story = (
        f"service create --no-resolve-image --name told -p 8070:80 {_SLEEP}",
        "service update --no-resolve-image --label-add x=y --env-add A=1 told",
    )
    try:
        for args in story:
            ours, docker = twins.each(lambda twin, args=args: _end(twin.docker(args)))  # type: ignore[misc]  # mypy knows no defaults of lambdas
            assert ours == docker, args
        assert twins.ours.docker("service inspect --pretty told") == twins.docker.docker(
            "service inspect --pretty told"
        )
    finally:
        twins.both("service rm told")


def _end(ran: Ran) -> tuple[int, list[str], str]:
    return ran.code, ran.out.splitlines()[-1:], ran.err


@pytest.mark.parametrize("network", ["host", "bridge"])
def test_a_service_may_be_on_an_engine_s_own_network(twins: Twins, network: str) -> None:
    try:
        twins.both(f"service create -q --no-resolve-image --name on --network {network} {_SLEEP}")
        specs = [twin.specs("on") for twin in twins]
        assert specs[0] == specs[1]
        assert specs[0]["on"]["TaskTemplate"]["Networks"] == [{"Target": network}]
        ours = twins.ours
        container = ours.ok("ps -q -f label=com.docker.swarm.service.name=on").strip()
        mode = ours.ok(f"inspect -f '{{{{json .NetworkSettings.Networks}}}}' {container}")
        assert f'"{network}"' in mode
    finally:
        twins.both("service rm on")
