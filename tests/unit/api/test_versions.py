"""Which API versions are offered, in Docker's words."""

import pytest

from swarmd.api.versions import EngineFacts, agreed, split_version
from swarmd.engine.version import ApiVersion
from swarmd.errors import BadRequestError

MODERN = EngineFacts(newest=ApiVersion(1, 52), oldest=ApiVersion(1, 44), server="Docker/29.0")
OLD = EngineFacts(newest=ApiVersion(1, 41), oldest=ApiVersion(1, 12), server="Docker/20.10")


@pytest.mark.parametrize(
    ("path", "version", "rest"),
    [
        ("/v1.43/nodes", ApiVersion(1, 43), "/nodes"),
        ("/v1.43", ApiVersion(1, 43), ""),
        ("/nodes", None, "/nodes"),
        ("/volumes/v1.43", None, "/volumes/v1.43"),
        ("/v1/nodes", None, "/v1/nodes"),
        ("/version", None, "/version"),
    ],
)
def test_a_path_names_its_version_first(path: str, version: ApiVersion | None, rest: str) -> None:
    assert split_version(path) == (version, rest)


@pytest.mark.parametrize(
    ("asked", "facts", "answered"),
    [
        (None, MODERN, ApiVersion(1, 51)),
        (None, OLD, ApiVersion(1, 41)),
        (ApiVersion(1, 44), MODERN, ApiVersion(1, 44)),
        (ApiVersion(1, 9), EngineFacts(oldest=ApiVersion(1, 5)), ApiVersion(1, 9)),
    ],
)
def test_what_both_sides_know_is_offered(
    asked: ApiVersion | None, facts: EngineFacts, answered: ApiVersion
) -> None:
    assert agreed(asked, facts) == answered


@pytest.mark.parametrize(
    ("asked", "facts", "message"),
    [
        (
            ApiVersion(1, 52),
            MODERN,
            "client version 1.52 is too new. Maximum supported API version is 1.51",
        ),
        (
            ApiVersion(1, 43),
            OLD,
            "client version 1.43 is too new. Maximum supported API version is 1.41",
        ),
        (
            ApiVersion(1, 43),
            MODERN,
            (
                "client version 1.43 is too old. Minimum supported API version is 1.44, "
                "please upgrade your client to a newer version"
            ),
        ),
    ],
)
def test_other_versions_are_refused_in_dockers_words(
    asked: ApiVersion, facts: EngineFacts, message: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        agreed(asked, facts)
    assert str(caught.value) == message
