"""`swarmd service logs`: whose lines they are."""

from tests.unit.cli.conftest import Cli
from tests.unit.cli.objects import node, service, task

WEB = service()["ID"]


def frame(stream: int, text: str) -> bytes:
    data = text.encode()
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def origin(slot: int) -> str:
    return (
        f"com.docker.swarm.node.id={node()['ID']},com.docker.swarm.service.id={WEB},"
        f"com.docker.swarm.task.id=t{slot}"
    )


def test_lines_of_logs_say_where_they_come_from(cli: Cli) -> None:
    whole = frame(1, f"{origin(1)} one\n") + frame(2, f"{origin(10)},a=b%2Cc two\n")
    pieces = [whole[:5], whole[5:100], whole[100:]]
    cli.answers(
        {
            "GET /services/web": service(replicas=10),
            f"GET /services/{WEB}": service(),
            f"GET /nodes/{node()['ID']}": node(),
            "GET /tasks/t1": task(1),
            "GET /tasks/t10": task(10),
            "GET /services/web/logs": pieces,
        }
    )
    ran = cli("service", "logs", "--no-task-ids", "--details", "--since", "5", "web")
    assert ran.out == "web.1@host1     |  one\n"
    assert ran.err == "web.10@host1    | a=b,c two\n"
    asked = cli.canned.queries("GET /services/web/logs")[0]
    assert asked == {"stdout": "1", "stderr": "1", "tail": "all", "details": "1", "since": "5"}


def test_what_the_daemon_could_not_read_of_logs_is_an_error(cli: Cli) -> None:
    cli.answers({"GET /services/web": service(), "GET /services/web/logs": [frame(3, "oh no\n")]})
    ran = cli("service", "logs", "--raw", "web")
    assert (ran.code, ran.err) == (1, "error from daemon in stream: oh no\n")


def test_a_task_has_logs_too_and_a_terminals_are_raw(cli: Cli) -> None:
    with_tty = task(1)
    with_tty["Spec"]["ContainerSpec"]["TTY"] = True
    cli.answers({"GET /tasks/t1": with_tty, "GET /tasks/t1/logs": [b"a\r\n", b"b"]})
    assert cli("service", "logs", "t1").err == "tty service logs only supported with --raw\n"
    assert cli("service", "logs", "--raw", "t1").out == "a\r\nb"
    assert cli("service", "logs", "nope").err == "no such task or service: nope\n"
