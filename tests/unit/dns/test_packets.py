"""DNS messages against dnspython's own idea of them, and against noise."""

import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmd.dns.packets import (
    FORMERR,
    NOERROR,
    NOTHING,
    NOTIMP,
    REFUSED,
    Answer,
    Query,
    read,
    write,
)

MANY = [f"10.0.{i // 250}.{i % 250}" for i in range(100)]


def asked(name: str, kind: str = "A", *, edns: int = 0) -> Query:
    message = dns.message.make_query(name, kind, use_edns=0 if edns else False, payload=edns)
    query = read(message.to_wire())
    assert query is not None
    return query


def answered(query: Query, addresses: list[str], longest: int = 512) -> dns.message.Message:
    return dns.message.from_wire(
        write(query, NOERROR, Answer(tuple(addresses)), ttl_s=1, longest=longest)
    )


def test_a_question_is_read_in_lower_case_and_without_its_last_dot() -> None:
    query = asked("Shop_Web.", "A")
    assert (query.name, query.kind, query.rcode) == ("shop_web", 1, NOERROR)


def test_an_answer_repeats_the_question_and_holds_the_addresses() -> None:
    message = answered(asked("web"), ["10.0.1.200", "10.0.1.201"])
    assert message.question[0].to_text() == "web. IN A"
    assert [r.to_text() for r in message.answer[0]] == ["10.0.1.200", "10.0.1.201"]
    assert message.answer[0].ttl == 1
    assert message.flags & dns.flags.QR
    assert message.flags & dns.flags.RD


def test_a_known_name_has_no_address_of_the_other_family_and_that_is_no_error() -> None:
    """NXDOMAIN would make a client forget the IPv4 address, too."""
    message = answered(asked("web", "AAAA"), ["10.0.1.200"])
    assert message.rcode() == dns.rcode.NOERROR
    assert message.answer == []


def test_addresses_of_both_families_are_told_apart() -> None:
    message = answered(asked("web", "AAAA"), ["10.0.1.200", "fd00::5"])
    assert [r.to_text() for r in message.answer[0]] == ["fd00::5"]


def test_what_does_not_fit_is_left_out_and_said() -> None:
    message = answered(asked("web"), MANY)
    assert message.flags & dns.flags.TC
    assert 20 < len(message.answer[0]) < 40


def test_an_asker_that_takes_longer_answers_gets_them() -> None:
    query = asked("web", edns=4096)
    assert query.longest == 1232
    message = answered(query, MANY, query.longest)
    assert len(message.answer[0]) > 60
    assert message.edns == 0


def test_everything_fits_by_tcp() -> None:
    message = answered(asked("web"), MANY, 65535)
    assert len(message.answer[0]) == 100
    assert not message.flags & dns.flags.TC


@pytest.mark.parametrize(
    "packet",
    [b"", b"\0" * 11, dns.message.make_response(dns.message.make_query("web", "A")).to_wire()],
    ids=["nothing", "half a header", "an answer"],
)
def test_scraps_and_answers_are_not_answered(packet: bytes) -> None:
    assert read(packet) is None


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (struct.pack("!6H", 7, 0x0100, 0, 0, 0, 0), FORMERR),
        (struct.pack("!6H", 7, 0x0100, 2, 0, 0, 0) + b"\0" * 20, FORMERR),
        (struct.pack("!6H", 7, 0x2800, 1, 0, 0, 0) + b"\0" * 20, NOTIMP),
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0), FORMERR),
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", FORMERR),
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\x3fweb\0\0\1\0\1", FORMERR),
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\x01a" * 140 + b"\0\0\1\0\1", FORMERR),
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 1) + b"\3web\0\0\1\0\1\0\0\x29", FORMERR),
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 99) + b"\3web\0\0\1\0\1", FORMERR),
        (struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\3web\0\0\1\0\3", REFUSED),
    ],
    ids=[
        "no question",
        "two questions",
        "an update",
        "no name",
        "a name that points",
        "a label cut off",
        "a name too long",
        "a record cut off",
        "too many records",
        "class CHAOS",
    ],
)
def test_what_cannot_be_understood_is_answered_so(packet: bytes, rcode: int) -> None:
    """Silence would cost the container four seconds."""
    query = read(packet)
    assert query is not None
    assert query.rcode == rcode
    reply = write(query, query.rcode, NOTHING, ttl_s=1, longest=512)
    assert reply[:2] == packet[:2]
    assert reply[3] & 15 == rcode


def test_an_address_is_answered_with_its_name() -> None:
    query = asked("5.0.1.10.in-addr.arpa", "PTR")
    answer = Answer(pointer="web.1.x2y.shop_default")
    message = dns.message.from_wire(write(query, NOERROR, answer, ttl_s=1, longest=512))
    assert message.answer[0].to_text().endswith("IN PTR web.1.x2y.shop_default.")


@pytest.mark.parametrize("pointer", ["a" * 64, "a..b", ".".join(["a" * 60] * 5)])
def test_a_name_that_is_none_in_dns_is_left_out(pointer: str) -> None:
    """Networks may be called what no label can be."""
    query = asked("5.0.1.10.in-addr.arpa", "PTR")
    reply = write(query, NOERROR, Answer(pointer=pointer), ttl_s=1, longest=512)
    assert dns.message.from_wire(reply).answer == []


def test_a_dot_within_a_label_is_not_a_dot_between_labels() -> None:
    query = read(struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"\x09tasks.web\0\0\1\0\1")
    assert query is not None
    assert query.name == "tasks\\.web"


@given(st.binary(max_size=600))
def test_noise_raises_nothing(packet: bytes) -> None:
    query = read(packet)
    if query is not None:
        write(query, query.rcode, Answer(("10.0.0.1",), "web"), ttl_s=1, longest=512)


@given(st.binary(max_size=60), st.integers(0, 5), st.integers(0, 3))
def test_noise_behind_a_good_header_raises_nothing(body: bytes, records: int, answers: int) -> None:
    packet = struct.pack("!6H", 7, 0x0100, 1, answers, 0, records) + body
    query = read(packet)
    assert query is not None
    assert (
        len(write(query, query.rcode, Answer(tuple(MANY)), ttl_s=1, longest=query.longest)) <= 1232
    )
