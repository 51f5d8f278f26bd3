import json

from hypothesis import given, settings, strategies

from swarmd.compose import Loaded, load, render, specs
from tests.unit.compose.files import loaded, service

EXPECTED = """\
version: "3.13"
services:
  db:
    image: db
  web:
    command:
      - sh
      - -c
      - |
        echo a
        echo b
    deploy:
      replicas: 2
      labels:
        a: "1"
        b: "yes"
      update_config:
        parallelism: 0
        delay: 1m30s
      resources:
        limits:
          cpus: "0.5"
          memory: "67108864"
    environment:
      A: "1"
      B: "22:22"
      C: null
      D: 'a: b'
    image: busybox
    networks:
      back: null
      default:
        aliases:
          - w
    ports:
      - mode: ingress
        target: 80
        published: 8080
        protocol: tcp
    volumes:
      - type: bind
        source: /srv/app/x
        target: /x
        read_only: true
networks:
  back:
    name: back
    external: true
x-note: {}
"""

SOURCE = """
x-note: {}
version: "3"
networks: {back: {external: true}}
services:
  web:
    volumes: ["./x:/x:ro"]
    ports: ["8080:80"]
    networks: {default: {aliases: [w]}, back: }
    image: busybox
    environment: {D: "a: b", B: 22:22, A: 1, C: }
    deploy:
      resources: {limits: {memory: 64m, cpus: 0.5}}
      update_config: {delay: 90s, parallelism: 0}
      labels: [b=yes, a=1]
      replicas: 2
    command: ["sh", "-c", "echo a\\necho b\\n"]
  db: {image: db}
"""


def _again(found: Loaded) -> Loaded:
    return load([("again.yml", render(found))], {}, interpolate=False, folder="/elsewhere")


def test_the_model_is_printed_as_docker_prints_it() -> None:
    assert render(loaded(SOURCE)) == EXPECTED


def test_what_is_printed_reads_as_itself() -> None:
    found = loaded(SOURCE)
    again = _again(found)
    assert again.model == found.model
    assert specs(again, "s").services == specs(found, "s").services


def test_env_files_and_their_variables_are_in_the_environment() -> None:
    found = loaded(service("env_file: a.env"), read_file=lambda path: f"P={path}\n")
    assert "env_file" not in render(found)
    assert "P: a.env" in render(found)


def test_keys_without_effect_stay() -> None:
    assert "privileged: true" in render(loaded(service("privileged: true")))


def test_an_empty_file_prints_its_sections() -> None:
    assert render(loaded("services: {}")) == 'version: "3.13"\nservices: {}\n'


# The characters that YAML can hold, which a compose file is made of.
_TEXT = strategies.text(
    alphabet=strategies.characters(min_codepoint=32, max_codepoint=126)
    | strategies.sampled_from("\n\tä€"),
    max_size=12,
)
_NAME = strategies.from_regex(r"[a-zA-Z0-9._-]{1,6}", fullmatch=True)
_SERVICES = strategies.dictionaries(
    _NAME,
    strategies.fixed_dictionaries(
        {"image": strategies.just("busybox")},
        optional={
            "command": strategies.lists(_TEXT, max_size=3),
            "environment": strategies.dictionaries(_TEXT, _TEXT | strategies.none(), max_size=3),
            "labels": strategies.dictionaries(_TEXT, _TEXT, max_size=3),
            "hostname": _TEXT,
            "stop_grace_period": strategies.integers(0, 10**13).map(lambda count: f"{count}ns"),
            "ports": strategies.lists(
                strategies.integers(1, 65535).map(str), max_size=3, unique=True
            ),
            "deploy": strategies.fixed_dictionaries(
                {}, optional={"replicas": strategies.integers(0, 9), "labels": strategies.just({})}
            ),
        },
    ),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(_SERVICES)
def test_any_model_survives_printing(services: dict[str, object]) -> None:
    # JSON is YAML.
    text = json.dumps({"services": services}, ensure_ascii=False).replace("\\u007f", "")
    found = load([("f.yml", text)], {}, interpolate=False)
    assert _again(found).model == found.model
