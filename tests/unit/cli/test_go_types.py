"""Templates of `inspect`: members that the API leaves out, and how Go prints what is there."""

import pytest

from swarmd.cli.go_types import node_value, service_value
from swarmd.cli.template import TemplateError, parse

SERVICE = {
    "ID": "s1",
    "Version": {"Index": 7},
    "CreatedAt": "2026-11-24T15:40:05.303996346Z",
    "Spec": {
        "Name": "web",
        "Labels": {"b": "2", "a": "<1>"},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "busybox", "Privileges": {"NoNewPrivileges": True}},
            "RestartPolicy": {"Condition": "any", "Delay": 5_000_000_000},
        },
        "Mode": {"Replicated": {"Replicas": 3}},
        "UpdateConfig": {
            "Parallelism": 1,
            "Delay": 2_000_000_000,
            "FailureAction": "pause",
            "MaxFailureRatio": 0.0,
            "Order": "start-first",
        },
    },
    "Endpoint": {
        "Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080}],
        "VirtualIPs": [{"NetworkID": "n", "Addr": "10.0.0.5/16"}],
    },
}
WORKER = {"ID": "n1", "Spec": {"Role": "worker"}, "Status": {"State": "ready", "Addr": "10.1.1.1"}}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "{{.ID}} {{.Version.Index}} {{.CreatedAt}}",
            "s1 7 2026-11-24 15:40:05.303996346 +0000 UTC",
        ),
        ("{{.UpdatedAt}}", "0001-01-01 00:00:00 +0000 UTC"),
        ("{{.Spec.Labels}}", "map[a:<1> b:2]"),
        ("{{.Spec.Labels.c}}|{{index .Spec.Labels `c`}}|", "<no value>||"),
        ("{{.Spec.Mode.Replicated.Replicas}} {{.Spec.Mode.Global}}", "3 <nil>"),
        ("{{if .Spec.Mode.Global}}global{{else}}no{{end}}", "no"),
        ("{{.Spec.UpdateConfig}}", "{1 2s pause 0s 0 start-first}"),
        ("{{.Spec.TaskTemplate.ContainerSpec.Env}}", "[]"),
        ("{{.Spec.TaskTemplate.ContainerSpec.Hostname}}|", "|"),
        ("{{.Spec.TaskTemplate.ContainerSpec.TTY}}", "false"),
        ("{{.Spec.TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges}}", "true"),
        ("{{.Spec.TaskTemplate.RestartPolicy.Delay}}", "5s"),
        (
            "{{.Spec.TaskTemplate.Placement}} {{.PreviousSpec}} {{.UpdateStatus}}",
            "<nil> <nil> <nil>",
        ),
        ("{{(index .Endpoint.Ports 0).PublishedPort}}", "8080"),
        ("{{.Endpoint.VirtualIPs}}", "[{n 10.0.0.5/16}]"),
        ("{{json .Spec.Labels}} {{json .UpdateStatus}}", '{"b":"2","a":"<1>"} null'),
        ("{{json .Spec.Mode}}", '{"Replicated":{"Replicas":3}}'),
    ],
)
def test_a_service_is_seen_as_go_sees_it(source: str, text: str) -> None:
    assert parse(source).render(service_value(SERVICE)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{.Spec.Name}}|{{.Spec.Availability}}|", "||"),
        ("{{.Status}}", "{ready  10.1.1.1}"),
        ("{{.Description.Resources.NanoCPUs}} {{.Description.Engine.Plugins}}", "0 []"),
        ("{{with .ManagerStatus}}{{.Addr}}{{else}}worker{{end}}", "worker"),
    ],
)
def test_a_node_is_seen_as_go_sees_it(source: str, text: str) -> None:
    assert parse(source).render(node_value(WORKER)) == text


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{.Spec.Nmae}}", "<.Spec.Nmae>: can't evaluate field Nmae in type swarm.NodeSpec"),
        ("{{.ManagerStatus.Leader}}", "<.ManagerStatus.Leader>: nil pointer evaluating Leader"),
    ],
)
def test_a_member_that_no_such_thing_has_is_refused(source: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        parse(source).render(node_value(WORKER))
