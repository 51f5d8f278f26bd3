"""The one table of paths."""

import pytest

from swarmd.api import routes
from swarmd.api.routes import Kind, Match


@pytest.mark.parametrize(
    ("request_line", "match"),
    [
        ("GET /services", Match(Kind.OURS, "service_list")),
        ("POST /services/create", Match(Kind.OURS, "service_create")),
        ("GET /services/web", Match(Kind.OURS, "service_inspect", {"id": "web"})),
        ("GET /services/a%20b", Match(Kind.OURS, "service_inspect", {"id": "a b"})),
        ("DELETE /services/create", Match(Kind.OURS, "service_remove", {"id": "create"})),
        ("POST /services/web/update", Match(Kind.OURS, "service_update", {"id": "web"})),
        ("GET /swarm", Match(Kind.OURS, "swarm_inspect")),
        ("HEAD /_ping", Match(Kind.MERGED, "ping")),
        ("GET /networks/n1", Match(Kind.MERGED, "network_inspect", {"id": "n1"})),
        ("POST /networks/prune", Match(Kind.MERGED, "network_prune")),
        ("POST /containers/c1/attach", Match(Kind.HIJACKED, "", {"id": "c1"})),
        ("POST /exec/e1/start", Match(Kind.HIJACKED, "", {"id": "e1"})),
        ("POST /session", Match(Kind.HIJACKED)),
        ("GET /containers/c1/json", Match(Kind.PASSED)),
        ("GET /images/host:5000/team/web:1/json", Match(Kind.PASSED)),
        ("GET /events", Match(Kind.MERGED, "events")),
        ("PUT /networks/n1", Match(Kind.PASSED)),
        ("GET /", Match(Kind.PASSED)),
        ("GET ", Match(Kind.PASSED)),
        ("GET /swarm/", Match(Kind.UNKNOWN)),
        ("GET /services/", Match(Kind.UNKNOWN)),
        ("PUT /services/web", Match(Kind.UNKNOWN)),
        ("GET /nodes/a/b", Match(Kind.UNKNOWN)),
        ("GET /swarmd", Match(Kind.PASSED)),
    ],
)
def test_a_path_leads_to_whoever_answers_it(request_line: str, match: Match) -> None:
    method, path = request_line.split(" ")
    assert routes.find(method, path) == match


@pytest.mark.parametrize(
    "route", routes.ROUTES, ids=lambda route: f"{route.method} {route.pattern}"
)
def test_every_row_of_the_table_is_found_by_its_own_path(route: routes.Route) -> None:
    found = routes.find(route.method, route.pattern.replace("{id}", "x"))
    assert (found.kind, found.name) == (route.kind, route.name)
