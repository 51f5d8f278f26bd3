import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.ca.tokens import check_root, join_token, new_secret, parse_token
from swarmd.errors import InvalidArgumentError

ROOT = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def test_a_token_has_dockers_form() -> None:
    token = join_token(ROOT, new_secret(bytes(16)))
    prefix, version, root, secret = token.split("-")
    assert (prefix, version, len(root), secret) == ("SWMTKN", "1", 50, "0" * 25)
    assert int(root, 36) == int(hashlib.sha256(ROOT.encode()).hexdigest(), 16)


@given(st.text(max_size=100), st.binary(min_size=16, max_size=16))
def test_a_token_gives_back_what_it_was_made_of(root: str, token: bytes) -> None:
    parsed = parse_token(join_token(root, new_secret(token)))
    assert parsed.fingerprint == hashlib.sha256(root.encode()).hexdigest()
    assert parsed.secret == new_secret(token)
    check_root(parsed, root)


def test_a_token_pasted_with_its_newline_is_taken() -> None:
    token = join_token(ROOT, new_secret(bytes(16)))
    assert parse_token(f" {token}\n") == parse_token(token)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SWMTKN-1-",
        "SWMTKN-2-" + "0" * 50 + "-" + "0" * 25,
        "SWMTKN-1-" + "0" * 49 + "-" + "0" * 25,
        "SWMTKN-1-" + "0" * 50 + "-" + "0" * 24,
        "SWMTKN-1-" + "A" * 50 + "-" + "0" * 25,
        "SWMTKN-1-" + "z" * 50 + "-" + "0" * 25,
        "SWMTKN-1-" + "0" * 50 + "-" + "0" * 25 + "-x",
    ],
)
def test_what_is_no_token_is_refused_in_dockers_words(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^invalid join token$"):
        parse_token(text)


def test_another_root_is_refused_with_the_expected_fingerprint() -> None:
    """The address belongs to another cluster, or somebody sits in between."""
    token = parse_token(join_token(ROOT, new_secret(bytes(16))))
    with pytest.raises(
        InvalidArgumentError,
        match=f"^remote CA does not match fingerprint. Expected: {token.fingerprint}$",
    ):
        check_root(token, ROOT + "\n")
