"""Bodies, filters and versions as Docker's front end reads them."""

import msgspec
import pytest

from swarmd.api.message import Request
from swarmd.api.read import (
    filters_text,
    parse_filters,
    read_filters,
    read_json,
    read_object_version,
)
from swarmd.engine.version import ApiVersion
from swarmd.errors import BadRequestError


def request(body: bytes = b"", content_type: str = "", **query: str) -> Request:
    headers = {"content-type": content_type} if content_type else {}
    return Request(
        method="POST",
        target="/x",
        version=ApiVersion(1, 51),
        query=query,
        headers=headers,
        body=body,
    )


def decode(body: bytes) -> int:
    return msgspec.json.decode(body, type=int)


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_no_body_stands_for_zeros(body: bytes) -> None:
    assert read_json(request(body), decode, 0) == 0


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_a_json_body_is_read(content_type: str) -> None:
    assert read_json(request(b"7\n", content_type), decode, 0) == 7


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"7", "", "unsupported Content-Type header (): must be 'application/json'"),
        (
            b"7",
            "text/plain",
            "unsupported Content-Type header (text/plain): must be 'application/json'",
        ),
        (b"7", "text/", "malformed Content-Type header (text/)"),
        (b"7 8", "application/json", "unexpected content after JSON"),
    ],
)
def test_other_bodies_are_refused_in_dockers_words(
    body: bytes, content_type: str, message: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_json(request(body, content_type), decode, 0)
    assert str(caught.value) == message


@pytest.mark.parametrize("body", [b"{", b'"text"', b'"\xff"'])
def test_what_is_no_such_json_says_what_is_wrong(body: bytes) -> None:
    with pytest.raises(BadRequestError, match=r"^invalid JSON: "):
        read_json(request(body, "application/json"), decode, 0)


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("", {}),
        ("{}", {}),
        ('{"name":["a","b","a"]}', {"name": ("a", "b")}),
        ('{"name":{"a":true,"b":true}}', {"name": ("a", "b")}),
        ('{"name":null}', {"name": ()}),
    ],
)
def test_filters_come_as_lists_or_in_the_older_form(
    text: str, filters: dict[str, tuple[str, ...]]
) -> None:
    assert parse_filters(text) == filters
    assert parse_filters(filters_text(filters)) == filters


@pytest.mark.parametrize("text", ["x", "[]", '{"name":"a"}', '{"name":[1]}'])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="invalid filter"):
        parse_filters(text)


def test_an_unknown_filter_is_named() -> None:
    with pytest.raises(BadRequestError, match=r"^invalid filter 'bogus'$"):
        read_filters(request(filters='{"bogus":["1"]}'), {"name"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid syntax"),
        ("-1", "invalid syntax"),
        ("18446744073709551616", "value out of range"),
        ("9" * 5000, "value out of range"),
    ],
)
def test_an_update_has_to_name_the_version_that_it_is_of(text: str, reason: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_object_version(request(version=text), "service")
    expected = f"invalid service version '{text}': strconv.ParseUint: parsing \"{text}\": {reason}"
    assert str(caught.value) == expected


def test_a_version_is_an_index() -> None:
    assert read_object_version(request(version="18446744073709551615"), "node") == 2**64 - 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), ("yes", True), ("0", False), ("False", False), ("none", False)],
)
def test_flags_are_read_as_go_reads_them(text: str, value: bool) -> None:
    assert request(force=text).flag("force") is value
    assert not request().flag("force")
