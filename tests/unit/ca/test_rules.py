"""Who may call what, who gets which certificate, and when it is renewed."""

import pytest

from swarmd.ca.authorize import (
    Access,
    Authority,
    authority,
    authorize,
    authorize_server,
    has_ended,
)
from swarmd.ca.issue import facts_of_node, role_of_token
from swarmd.ca.renew import has_expired, renew_at
from swarmd.ca.tokens import join_token, new_secret
from swarmd.errors import InvalidArgumentError, NotPermittedError
from swarmd.model.cluster import HOUR, CAConfig, Cluster, ClusterSpec, JoinSecrets, Removed
from swarmd.model.ids import ClusterID, NodeID
from swarmd.model.node import Role
from swarmd.ports import Peer, Timestamp

NOW: Timestamp = 1_764_000_000 * 1_000_000_000
RULES = {"ca.root": Access.ANYBODY, "session": Access.NODES, "raft.step": Access.MANAGERS}
MANAGER_SECRET, WORKER_SECRET = new_secret(b"m" * 16), new_secret(b"w" * 16)
CLUSTER = Cluster(
    id=ClusterID("c1"),
    spec=ClusterSpec(name="default", labels={}),
    root_certificate="ROOT",
    root_key="KEY",
    join_secrets=JoinSecrets(worker=WORKER_SECRET, manager=MANAGER_SECRET),
    removed=(Removed(node_id=NodeID("gone"), until=NOW + HOUR),),
)
AUTHORITY = authority(RULES, CLUSTER)


def peer(
    node_id: str, role: str, *, cluster_id: str = "c1", expires_at: Timestamp = NOW + HOUR
) -> Peer:
    return Peer(
        node_id=node_id, role=role, cluster_id=cluster_id, expires_at=expires_at, host="10.0.0.9"
    )


NOBODY = Peer(host="10.0.0.9")


@pytest.mark.parametrize(
    ("method", "who"),
    [
        ("ca.root", NOBODY),
        ("ca.root", peer("gone", "worker")),
        ("session", peer("w", "worker")),
        ("session", peer("m", "manager")),
        ("session", peer("w", "worker", expires_at=0)),
        ("raft.step", peer("m", "manager")),
    ],
)
def test_these_may(method: str, who: Peer) -> None:
    authorize(method, who, AUTHORITY, NOW)


@pytest.mark.parametrize(
    ("method", "who", "words"),
    [
        ("session", NOBODY, "10.0.0.9 shows no certificate"),
        ("raft.step", peer("w", "worker"), "a worker may not call raft.step: only managers may"),
        ("session", peer("x", ""), "a node without a role may not call session"),
        ("session", peer("w", "worker", cluster_id="c2"), "w belongs to another swarm"),
        ("session", peer("gone", "worker"), "gone was removed"),
        ("session", peer("w", "worker", expires_at=NOW), "certificate of node w has expired"),
        ("no.rule", peer("m", "manager"), "nobody may call no.rule"),
    ],
)
def test_these_may_not_and_are_told_why(method: str, who: Peer, words: str) -> None:
    with pytest.raises(NotPermittedError, match=words):
        authorize(method, who, AUTHORITY, NOW)


def test_a_manager_that_was_demoted_is_one_no_more_though_its_certificate_says_so() -> None:
    """It keeps the old certificate if it likes, and would forward requests in anybody's name."""
    with pytest.raises(NotPermittedError, match="node m is a worker now: it may not call raft"):
        authorize("raft.step", peer("m", "manager"), AUTHORITY, NOW, granted="worker")
    authorize("raft.step", peer("m", "manager"), AUTHORITY, NOW, granted="manager")
    authorize("session", peer("m", "manager"), AUTHORITY, NOW, granted="worker")


def test_a_worker_cannot_pose_as_a_manager() -> None:
    """Every node has a certificate of the root; a server's has to say manager."""
    authorize_server(peer("m", "manager"), AUTHORITY, NOW)
    authorize_server(peer("m", "manager"), AUTHORITY, NOW, node_id="m")
    with pytest.raises(NotPermittedError, match=r"10\.0\.0\.9 shows the certificate of a worker"):
        authorize_server(peer("w", "worker"), AUTHORITY, NOW)
    with pytest.raises(NotPermittedError, match="is node m, not n"):
        authorize_server(peer("m", "manager"), AUTHORITY, NOW, node_id="n")
    with pytest.raises(NotPermittedError, match="no certificate"):
        authorize_server(NOBODY, AUTHORITY, NOW)


def test_live_connections_end_with_the_membership_or_the_certificate() -> None:
    assert not has_ended(peer("w", "worker"), AUTHORITY, NOW)
    assert not has_ended(NOBODY, AUTHORITY, NOW)
    assert has_ended(peer("gone", "worker"), AUTHORITY, NOW)
    assert has_ended(peer("w", "worker"), AUTHORITY, NOW + HOUR)


def test_an_authority_knows_nobody_removed_unless_told() -> None:
    assert not has_ended(peer("gone", "worker"), Authority(rules={}, cluster_id="c1"), NOW)


@pytest.mark.parametrize(
    ("secret", "role"), [(MANAGER_SECRET, Role.MANAGER), (WORKER_SECRET, Role.WORKER)]
)
def test_a_joiner_gets_the_role_whose_secret_it_shows(secret: str, role: Role) -> None:
    token = join_token("ROOT", secret)
    assert role_of_token(token, CLUSTER) is role
    facts = facts_of_node(NodeID("n1"), role, CLUSTER, NOW)
    assert (facts.node_id, facts.cluster_id) == ("n1", "c1")
    assert facts.organizational_unit == f"swarm-{role}"
    assert (facts.not_before, facts.not_after) == (NOW - HOUR, NOW + 2160 * HOUR)


@pytest.mark.parametrize(
    "token",
    [
        "",
        join_token("ROOT", new_secret(b"x" * 16)),
        join_token("OLD ROOT", MANAGER_SECRET),
        "ümlaut",
    ],
)
def test_a_wrong_token_is_refused_in_dockers_words(token: str) -> None:
    """It was rotated, mistyped, or is another cluster's."""
    with pytest.raises(
        InvalidArgumentError, match=r"^A valid join token is necessary to join this cluster$"
    ):
        role_of_token(token, CLUSTER)


def test_a_certificate_lives_an_hour_at_least() -> None:
    ca_config = CAConfig(node_cert_expiry=1)
    spec = ClusterSpec(name="default", labels={}, ca_config=ca_config)
    cluster = Cluster(
        id=CLUSTER.id,
        spec=spec,
        root_certificate="",
        root_key="",
        join_secrets=CLUSTER.join_secrets,
    )
    facts = facts_of_node(NodeID("n1"), Role.WORKER, cluster, NOW)
    assert facts.not_after == NOW + HOUR


def test_renewal_falls_between_half_and_four_fifths_of_the_life() -> None:
    facts = facts_of_node(NodeID("n1"), Role.WORKER, CLUSTER, NOW)
    life = facts.not_after - facts.not_before
    earliest = renew_at(facts, lambda low, _: low)
    latest = renew_at(facts, lambda _, high: high)
    assert earliest == facts.not_before + life // 2
    assert latest == pytest.approx(facts.not_before + life * 0.8)
    assert not has_expired(facts, facts.not_after - 1)
    assert has_expired(facts, facts.not_after)
