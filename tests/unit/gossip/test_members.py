"""Transcripts of one core: what it says to what it hears, and when."""

from collections.abc import Sequence

import pytest

from swarmd.gossip import wire
from swarmd.gossip.members import Changed, Membership, Output
from swarmd.gossip.messages import (
    Ack,
    Digest,
    Member,
    Message,
    Nack,
    News,
    Ping,
    PingRequest,
    Rows,
    Status,
)
from swarmd.gossip.outbox import Send
from swarmd.ports import Address
from tests.unit.gossip.swarm import SeededRandom, address_of

START = 100.0


def member(node_id: str, incarnation: int = 1, status: Status = Status.ALIVE) -> Member:
    return Member(node_id, address_of(node_id), incarnation, status)


class Bench:
    """A core with a few members, and what it said last."""

    def __init__(self, *others: str) -> None:
        self.core = Membership(member("me"), SeededRandom(7), START)
        self.now = START
        self.changed: list[Member] = []
        self.said: list[tuple[str, Message]] = []
        for other in others:
            self.hear(other, News(member(other), other))
        self.said.clear()
        self.changed.clear()

    def hear(self, sender: str, *messages: Message) -> list[tuple[str, Message]]:
        """What it answers to a packet."""
        packet = wire.pack(sender, [wire.encode(message) for message in messages])
        return self.take(self.core.handle(packet, address_of(sender), self.now))

    def wait(self, duration_s: float) -> list[tuple[str, Message]]:
        """What it says in that time, run when it wants to be."""
        end, said = self.now + duration_s, []
        while (timer := self.core.next_timer()) <= end:
            self.now = max(self.now, timer)
            said += self.take(self.core.tick(self.now))
        self.now = end
        return said

    def take(self, outputs: Sequence[Output]) -> list[tuple[str, Message]]:
        said = []
        for output in outputs:
            match output:
                case Changed(member=row):
                    self.changed.append(row)
                case Send(to=to, packet=packet):
                    sender, messages = wire.unpack(packet)
                    assert sender == "me"
                    said += [(to.partition(":")[0], message) for message in messages]
        self.core.check()
        self.said += said
        return said

    def probed(self) -> tuple[str, int]:
        """Waits for the next probe: (its target, its sequence number)."""
        for _ in range(100):
            self.now = self.core.next_timer()
            for to, message in self.take(self.core.tick(self.now)):
                if isinstance(message, Ping):
                    return to, message.sequence
        raise AssertionError("no probe")

    def status(self, node_id: str) -> Status:
        return {row.node_id: row.status for row in self.core.members()}[node_id]


def test_a_ping_is_answered_at_once_if_it_is_meant_for_this_node() -> None:
    bench = Bench("a")
    assert ("a", Ack(5)) in bench.hear("a", Ping(5, "me"))
    assert Ack(6) not in [message for _, message in bench.hear("a", Ping(6, "somebody else"))]


def test_a_stranger_that_pings_is_answered_and_not_taken_for_a_member() -> None:
    """Only a member's own word makes it one."""
    bench = Bench()
    assert bench.hear("x", Ping(5, "me")) == [("x", Ack(5))]
    assert bench.core.alive() == ("me",)


def test_news_is_taken_over_told_and_passed_on() -> None:
    bench = Bench("a", "b")
    bench.hear("a", News(member("c"), "c"))
    assert bench.core.alive() == ("a", "b", "c", "me")
    assert bench.changed == [member("c")]
    passed = [message for _, message in bench.wait(0.3) if isinstance(message, News)]
    assert News(member("c"), "c") in passed


def test_old_news_changes_nothing() -> None:
    bench = Bench("a")
    bench.hear("a", News(member("b", 5), "b"))
    for old in (member("b", 4), member("b", 4, Status.DEAD), member("b", 5)):
        bench.hear("a", News(old, "a"))
    assert bench.core.alive() == ("a", "b", "me")
    assert len(bench.changed) == 1


def test_an_unanswered_probe_goes_through_others_then_accuses_then_buries() -> None:
    """A node is killed: the whole course of it."""
    bench = Bench("a", "b", "c", "d")
    target, sequence = bench.probed()
    began = bench.now
    others = sorted({"a", "b", "c", "d"} - {target})

    asked = [(to, m) for to, m in bench.wait(0.11) if isinstance(m, PingRequest)]
    assert sorted(to for to, _ in asked) == others
    assert {m for _, m in asked} == {PingRequest(sequence, target, address_of(target))}

    for other in others:
        bench.hear(other, Nack(sequence))
    bench.wait(began + 0.31 - bench.now)
    assert bench.status(target) is Status.SUSPECT
    assert target in bench.core.alive()
    assert bench.changed == []

    for other in others[:2]:
        bench.hear(other, News(member(target, 1, Status.SUSPECT), other))
    bench.wait(0.61)
    assert target not in bench.core.alive()
    assert bench.changed == [member(target, 1, Status.DEAD)]


def test_an_answer_through_another_counts() -> None:
    """The path between two nodes is cut, not the node."""
    bench = Bench("a", "b")
    target, sequence = bench.probed()
    bench.wait(0.15)
    bench.hear("a" if target == "b" else "b", Ack(sequence))
    bench.wait(0.2)
    assert bench.status(target) is Status.ALIVE


def test_a_probe_for_another_is_passed_both_ways_or_denied() -> None:
    bench = Bench("a", "b")
    [(to, ping)] = [
        (to, message)
        for to, message in bench.hear("a", PingRequest(77, "b", address_of("b")))
        if isinstance(message, Ping)
    ]
    assert (to, ping.target) == ("b", "b")
    assert ("a", Ack(77)) in bench.hear("b", Ack(ping.sequence))

    bench.hear("a", PingRequest(78, "b", address_of("b")))
    said = bench.wait(0.15)
    assert ("a", Nack(78)) in said
    assert ("a", Ack(77)) not in said


def test_an_answer_to_nobodys_question_is_ignored() -> None:
    bench = Bench("a", "b")
    target, _ = bench.probed()
    bench.hear("a", Ack(999), Nack(999))
    bench.wait(0.31)
    assert bench.status(target) is Status.SUSPECT


@pytest.mark.parametrize("status", [Status.SUSPECT, Status.DEAD, Status.LEFT])
def test_a_node_refutes_what_is_said_of_it_in_a_new_incarnation(status: Status) -> None:
    bench = Bench("a")
    bench.hear("a", News(member("me", 4, status), "a"))
    assert bench.core.me == member("me", 5)
    spread = [message for _, message in bench.wait(0.2) if isinstance(message, News)]
    assert News(member("me", 5), "me") in spread


def test_what_was_said_of_an_earlier_incarnation_needs_no_answer() -> None:
    bench = Bench("a")
    bench.hear("a", News(member("me", 4, Status.DEAD), "a"))
    bench.hear("a", News(member("me", 4, Status.DEAD), "a"), News(member("me", 5), "a"))
    assert bench.core.me.incarnation == 5


def test_a_suspect_that_refutes_is_not_buried() -> None:
    bench = Bench("a", "b")
    bench.hear("a", News(member("b", 1, Status.SUSPECT), "a"))
    bench.hear("b", News(member("b", 2), "b"))
    target, sequence = bench.probed()
    bench.hear(target, Ack(sequence))
    bench.wait(0.2)
    assert bench.status("b") is Status.ALIVE
    assert bench.changed == []


def test_a_suspect_hears_of_the_suspicion_with_its_ping() -> None:
    """It may refute before anybody else believes it."""
    bench = Bench("b")
    suspect = member("b", 1, Status.SUSPECT)
    bench.hear("b", News(suspect, "a"))
    bench.probed()
    assert ("b", News(suspect, "me")) in bench.said or ("b", News(suspect, "a")) in bench.said


def test_a_death_in_anothers_table_is_hearsay() -> None:
    """After a partition the other side holds everybody here dead: nobody dies of that."""
    bench = Bench("a", "b")
    bench.hear("b", Rows((member("a", 1, Status.DEAD), member("me", 1, Status.DEAD))))
    assert bench.status("a") is Status.SUSPECT
    assert bench.core.me.incarnation == 2
    assert bench.changed == []


def test_the_dead_of_before_ones_time_are_no_news() -> None:
    bench = Bench("a")
    gone = (member("x", 1, Status.DEAD), member("y", 1, Status.LEFT))
    bench.hear("a", Rows(gone), *(News(row, "a") for row in gone))
    assert [row.node_id for row in bench.core.members()] == ["a", "me"]


def test_who_speaks_from_the_dead_is_told() -> None:
    """A frozen node comes back and does not know that it was given up."""
    bench = Bench("a")
    dead = member("a", 1, Status.DEAD)
    bench.hear("b", News(dead, "b"))
    assert ("a", News(dead, "me")) in bench.hear("a", Ping(1, "me"))
    bench.hear("a", News(member("a", 2), "a"))
    assert bench.core.alive() == ("a", "me")


def test_equal_tables_need_one_datagram_and_different_ones_are_exchanged() -> None:
    bench, twin = Bench("a", "b"), Bench("a", "b")
    digests = [m for _, m in bench.wait(8.0) if isinstance(m, Digest)]
    assert digests
    bench = Bench("a")
    said = bench.hear("a", Digest(twin.core._table.digest()))
    [rows] = [message for _, message in said if isinstance(message, Rows)]
    assert (rows.members, rows.wants_reply) == ((member("a"), member("me")), True)
    said = bench.hear("a", Digest(bench.core._table.digest()))
    assert not [message for _, message in said if isinstance(message, Rows)]


def test_a_large_table_goes_out_in_parts_and_the_last_asks_for_the_other() -> None:
    bench = Bench(*(f"node-{index:03d}" for index in range(200)))
    parts = [m for _, m in bench.hear("node-000", Digest(0)) if isinstance(m, Rows)]
    assert len(parts) > 1
    assert sum(len(part.members) for part in parts) == 201
    assert [part.wants_reply for part in parts] == [False] * (len(parts) - 1) + [True]


def test_a_lonely_node_asks_its_seeds_until_one_answers() -> None:
    bench = Bench()
    seeds = [address_of(node_id) for node_id in ("s1", "s2", "me")]
    said = bench.take(bench.core.join(seeds, bench.now))
    assert sorted(to for to, message in said if isinstance(message, Digest)) == ["s1", "s2"]
    again = [to for to, message in bench.wait(1.05) if isinstance(message, Digest)]
    assert sorted(again) == ["s1", "s2"]
    bench.hear("s1", Rows((member("s1"), member("s2")), wants_reply=True))
    assert bench.core.alive() == ("me", "s1", "s2")


def test_the_dead_are_tried_again_until_they_are_forgotten() -> None:
    bench = Bench("b")
    dead = member("b", 1, Status.DEAD)
    bench.hear("a", News(dead, "a"))
    tried = [message for to, message in bench.wait(3.0) if to == "b"]
    assert News(dead, "me") in tried
    assert [message.target for message in tried if isinstance(message, Ping)] == ["b"] * 3
    bench.core._bury(bench.now + 24 * 3600.0)
    assert "b" not in [row.node_id for row in bench.core.members()]


def test_who_leaves_says_so_to_everybody_and_is_not_brought_back() -> None:
    bench = Bench("a", "b", "c")
    said = bench.take(bench.core.leave(bench.now))
    goodbye = News(member("me", 1, Status.LEFT), "me")
    assert {to for to, message in said if message == goodbye} == {"a", "b", "c"}
    assert bench.core.alive() == ("a", "b", "c")
    bench.hear("a", News(member("me", 1, Status.LEFT), "a"))
    assert bench.core.me.status is Status.LEFT
    later = bench.wait(5.0)
    assert {type(message) for _, message in later} <= {News}
    assert bench.core.next_timer() == float("inf")
    assert bench.take(bench.core.leave(bench.now)) == []
    assert bench.take(bench.core.describe(b"x", bench.now)) == []


def test_who_has_left_is_gone_at_once_and_not_tried_again() -> None:
    bench = Bench("a", "b")
    bench.hear("b", News(member("b", 1, Status.LEFT), "b"))
    assert bench.core.alive() == ("a", "me")
    assert [row.status for row in bench.changed] == [Status.LEFT]
    assert not [message for to, message in bench.wait(3.0) if to == "b"]


def test_a_node_can_say_something_else_about_itself() -> None:
    bench = Bench("a")
    bench.take(bench.core.describe(b"zone=2", bench.now))
    assert (bench.core.me.meta, bench.core.me.incarnation) == (b"zone=2", 2)
    bench.take(bench.core.describe(b"zone=2", bench.now))
    assert bench.core.me.incarnation == 2
    news = Member("a", Address("elsewhere:1"), 2, Status.ALIVE, b"zone=3")
    bench.hear("a", News(news, "a"))
    assert bench.changed == [news]


def test_a_process_that_was_stopped_accuses_nobody_before_it_has_read() -> None:
    """SIGSTOP in the middle of a probe and of a suspicion; the answers lie in the socket."""
    bench = Bench("a", "b", "c")
    target, sequence = bench.probed()
    suspect = "a" if target != "a" else "b"
    bench.hear("c", News(member(suspect, 1, Status.SUSPECT), "c"))
    bench.now += 60.0
    bench.take(bench.core.tick(bench.now))
    assert bench.core.alive() == ("a", "b", "c", "me")
    bench.hear(target, Ack(sequence))
    bench.hear(suspect, News(member(suspect, 2), suspect))
    bench.wait(0.12)
    assert bench.status(target) is Status.ALIVE
    assert bench.status(suspect) is Status.ALIVE
