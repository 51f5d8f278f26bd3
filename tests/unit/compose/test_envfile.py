import pytest

from swarmd.compose import parse_env_file
from swarmd.errors import InvalidArgumentError
from tests.unit.compose.files import loaded, refusal, service


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# c\n\n  A=1\n  # end", {"A": "1"}),
        ("export A = two words # c\n", {"A": "two words"}),
        ("A=\nB='x $A'\n", {"A": "", "B": "x $A"}),
        ("A='two\nlines'\nB=1", {"A": "two\nlines", "B": "1"}),
        ('A="x\\ny \\"z\\" \\$A"', {"A": 'x\ny "z" $A'}),
        ("A=1\nB=${A}${C:-d}$HOME", {"A": "1", "B": "1d/root"}),
        ('A=1\nB="<$A>"', {"A": "1", "B": "<1>"}),
        ("A=b#c", {"A": "b#c"}),
        ("HOME\nNONE\nA=1", {"HOME": "/root", "A": "1"}),
        ("A=a=b", {"A": "a=b"}),
    ],
)
def test_a_dot_env_file_is_read(text: str, found: dict[str, str]) -> None:
    assert parse_env_file(text, {"HOME": "/root"}) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\n=2", ".env:2: no variable name on line '=2'"),
        ("A='x' y", ".env:1: unexpected text behind variable 'A'"),
        ("A=$", ".env:1: invalid interpolation format: $"),
        ("\n\nA B", ".env:3: unexpected text behind variable 'A'"),
    ],
)
def test_a_broken_dot_env_file_is_refused_with_the_line(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_env_file(text)
    assert str(caught.value) == problem


FILES = {"a.env": "# c\nA=a\nB='quoted'\nC\nD\nE=\n", "b.env": "A=b\n"}


def _read(path: str) -> str:
    if path not in FILES:
        raise FileNotFoundError(path)
    return FILES[path]


def test_later_env_files_and_then_the_environment_win_and_the_client_fills_gaps() -> None:
    body = """
    env_file: [a.env, b.env]
    environment: {F: own, G: , H: , I: ''}
    """
    found = loaded(
        service(body), environment={"C": "client", "E": "e", "H": "h", "I": "i"}, read_file=_read
    )
    assert found.model["services"]["web"].get("environment") == {
        "A": "b",
        "B": "'quoted'",
        "C": "client",
        "E": "e",
        "F": "own",
        "G": None,
        "H": "h",
        "I": "i",
    }
    assert "env_file" not in found.model["services"]["web"]


def test_an_env_file_that_is_not_required_may_be_missing() -> None:
    found = loaded(service("env_file: [{path: no.env, required: false}, b.env]"), read_file=_read)
    assert found.model["services"]["web"].get("environment") == {"A": "b"}


def test_a_missing_env_file_is_refused_with_its_place() -> None:
    error = refusal(service("env_file: no.env"))
    assert str(error) == "one.yml:4: service web: env_file: no.env cannot be read from here"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A B=1", "invalid env file: x.env:1: variable 'A B' contains whitespaces"),
        ("\n=1", "invalid env file: x.env:2: no variable name on line '=1'"),
    ],
)
def test_a_broken_env_file_is_refused_with_both_places(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        loaded(service("env_file: x.env"), read_file={"x.env": text}.__getitem__)
    assert str(caught.value) == f"one.yml:4: service web: env_file: {problem}"


def _absent(path: str) -> str:
    raise FileNotFoundError(path)


def _forbidden(path: str) -> str:
    raise PermissionError(13, "Permission denied", path)


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"one\.yml:4: service web: .*x\.env not found"):
        loaded(service("env_file: x.env"), read_file=_absent)
    with pytest.raises(InvalidArgumentError, match=r"cannot read x\.env: .*Permission denied"):
        loaded(service("env_file: x.env"), read_file=_forbidden)
