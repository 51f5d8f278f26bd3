"""Who has a published port, as `ss` says it."""

import pytest

from swarmd.ingress.reserve import user_of

OWN = ["10.0.0.1", "10.0.1.1"]


@pytest.mark.parametrize(
    ("listed", "user"),
    [
        ("", ""),
        (
            'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=812,fd=6),("nginx",pid=9,fd=6))',
            "nginx (pid 812) on 0.0.0.0",
        ),
        # Dual-stack sockets show no address.
        ('LISTEN 0 9 *:80 *:* users:(("caddy",pid=7,fd=4))', "caddy (pid 7) on *"),
        (
            'UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=3,fd=13))',
            "systemd-resolve (pid 3) on 127.0.0.53",
        ),
        # The kernel's own, and programs that may not be named.
        ("UNCONN 0 0 0.0.0.0:4789 0.0.0.0:*", "a program on 0.0.0.0"),
        # The node's resolver, and a program of IPv6 alone.
        ('LISTEN 0 100 10.0.0.1:53 0.0.0.0:* users:(("python",pid=1,fd=37))', ""),
        ('LISTEN 0 9 [::1]:8080 [::]:* users:(("node",pid=1,fd=3))', ""),
    ],
)
def test_a_program_that_listens_is_named(listed: str, user: str) -> None:
    assert user_of(listed + "\n", OWN) == user
