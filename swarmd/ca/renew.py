"""When a node renews its certificate: early, and not all nodes at once."""

from collections.abc import Callable

from swarmd.ports import CertificateFacts, Timestamp

#: The part of its life after which a certificate is renewed, at the earliest and at the latest
#: (swarmkit ca/config.go: CertLowerRotationRange, CertUpperRotationRange).
EARLIEST, LATEST = 0.5, 0.8


def renew_at(facts: CertificateFacts, uniform: Callable[[float, float], float]) -> Timestamp:
    """A random moment between 50 and 80 % of the certificate's life; past = renew now.

    Counted over the whole life: a daemon that is restarted often still renews in time.  Draw once
    for a certificate and keep the moment; `uniform` is `Random.uniform`.
    """
    life = facts.not_after - facts.not_before
    return facts.not_before + int(life * uniform(EARLIEST, LATEST))


def has_expired(facts: CertificateFacts, now: Timestamp) -> bool:
    """Nobody accepts it any more: its node has to join again."""
    return now >= facts.not_after
