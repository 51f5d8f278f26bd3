import contextlib

import pytest
from hypothesis import given, strategies

from swarmd.compose import ComposeError, load
from swarmd.compose.interpolate import TemplateError, substitute
from tests.unit.compose.files import container, loaded, refusal, service, spec, stack

ENVIRONMENT = {"A": "a", "EMPTY": "", "_x1": "under"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("$A", "a"),
        ("${A}", "a"),
        ("$A$A-${_x1}", "aa-under"),
        ("$NONE.", "."),
        ("${NONE}", ""),
        ("$$A", "$A"),
        ("$$$A", "$a"),
        ("$${A}", "${A}"),
        ("${A:-d}", "a"),
        ("${EMPTY:-d}", "d"),
        ("${NONE:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE-d}", "d"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("${A:?e}", "a"),
        ("${EMPTY?e}", ""),
        ("${A:+r}", "r"),
        ("${EMPTY:+r}", ""),
        ("${EMPTY+r}", "r"),
        ("${NONE+r}", ""),
        ("${NONE:-${A}}", "a"),
        ("${NONE:-x${NONE:-y$A}z}", "xyaz"),
        ("${NONE:-$$}", "$"),
        ("${NONE:-$${}", "${"),
        ("${A:-${NONE:?not needed}}", "a"),
        ("${A:+${NONE:-deep}}", "deep"),
        ("$A-d", "a-d"),
        ("http://$A:80/", "http://a:80/"),
    ],
)
def test_variables_are_substituted(template: str, text: str) -> None:
    assert substitute(template, ENVIRONMENT) == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("$", "$"),
        ("a $ b", "a $ b"),
        ("${", "${"),
        ("${}", "${}"),
        ("${A", "${A"),
        ("${1A}", "${1A}"),
        ("${A!x}", "${A!x}"),
        ("$1", "$1"),
        ("${NONE:-${A}", "${NONE:-${A}"),
        ("${NONE?gone}", "required variable NONE is missing a value: gone"),
        ("${EMPTY:?no $A}", "required variable EMPTY is missing a value: no a"),
        ("${NONE:?}", "required variable NONE is missing a value: "),
    ],
)
def test_what_is_no_variable_is_refused(template: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        substitute(template, ENVIRONMENT)
    assert str(caught.value) == problem


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(TemplateError):
        substitute("${N:-" * 10_000 + "}" * 10_000, {})


@given(strategies.text(alphabet="${}:-?+A1_ x", max_size=40))
def test_substitution_raises_nothing_but_its_own_error(template: str) -> None:
    with contextlib.suppress(TemplateError):
        substitute(template, ENVIRONMENT)


@given(strategies.text(alphabet="abc$ {}", max_size=20))
def test_doubled_dollars_give_back_any_text(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}) == text


def test_the_error_is_dockers_with_file_line_service_and_key() -> None:
    error = refusal(service("command: [a, '$']"))
    assert error.problem == (
        'invalid interpolation format for services.web.command.[]: "$"; '
        "you may need to escape any $ with another $"
    )
    assert (error.file, error.line, error.service, error.key) == ("one.yml", 4, "web", "command.1")


def test_a_required_variable_is_named() -> None:
    error = refusal("services: {web: {image: '${TAG?which one}'}}")
    assert error.problem == (
        "invalid interpolation format for services.web.image: "
        '"required variable TAG is missing a value: which one"; '
        "you may need to escape any $ with another $"
    )


def test_keys_are_not_interpolated() -> None:
    assert container("labels: {$A: x}", "Labels", "$A") == "x"


def test_a_substituted_text_becomes_the_number_or_truth_value_that_is_wanted() -> None:
    body = """
    tty: ${YES}
    ports: [{target: "${N}", published: "${N}"}]
    deploy: {replicas: "${N}", update_config: {max_failure_ratio: "${R:-0.5}"}}
    """
    found = stack(service(body), environment={"N": "3", "YES": "on"}).services["shop_web"]
    assert found["Mode"] == {"Replicated": {"Replicas": 3}}
    assert found["UpdateConfig"] == {"Parallelism": 1, "MaxFailureRatio": 0.5}
    assert found["EndpointSpec"] == {"Ports": [{"TargetPort": 3, "PublishedPort": 3}]}


def test_a_text_that_was_not_substituted_stays_a_text() -> None:
    error = refusal(service("deploy: {replicas: '3'}"))
    assert error.problem == "services.web.deploy.replicas must be a integer"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("deploy: {replicas: '${A}'}", 'strconv.Atoi: parsing "a": invalid syntax'),
        ("tty: '${A}'", "invalid boolean: a"),
        (
            "deploy: {update_config: {max_failure_ratio: '${A}'}}",
            'strconv.ParseFloat: parsing "a": invalid syntax',
        ),
    ],
)
def test_a_substituted_text_that_does_not_fit_is_refused(body: str, problem: str) -> None:
    error = refusal(service(body), environment={"A": "a"})
    assert error.problem.startswith(f"error while interpolating services.web.{error.key}: ")
    assert error.problem.endswith(f"failed to cast to expected type: {problem}")


def test_without_interpolation_dollars_stay() -> None:
    found = load([("f.yml", "services: {web: {image: '$A'}}")], {"A": "a"}, interpolate=False)
    assert found.model["services"]["web"].get("image") == "$A"


@given(strategies.text(alphabet="${}:-?+A1_ x", max_size=30))
def test_a_file_with_any_template_is_read_or_refused(template: str) -> None:
    quoted = template.replace("'", "''")
    with contextlib.suppress(ComposeError):
        loaded(f"services: {{web: {{image: x, hostname: '{quoted}'}}}}")


def test_an_unset_variable_is_an_empty_text() -> None:
    assert spec("hostname: a$NONE", "TaskTemplate", "ContainerSpec", "Hostname") == "a"
