import pytest

from swarmd.errors import InvalidArgumentError
from swarmd.net.addresses import join_address, split_address
from swarmd.net.clock import SystemClock, SystemRandom
from swarmd.ports import Address


def test_chance_keeps_its_bounds() -> None:
    random = SystemRandom()
    assert all(2.0 <= random.uniform(2.0, 3.0) < 3.0 for _ in range(100))
    assert {random.below(3) for _ in range(200)} == {0, 1, 2}
    assert sorted(random.shuffled(range(10))) == list(range(10))
    assert len(random.token(12)) == 12
    assert not random.rarely("anything")


def test_the_clocks_go_forward() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.wall() > 1_700_000_000 * 1_000_000_000


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("10.0.0.1:2377", "10.0.0.1", 2377), ("[fd00::1]:0", "fd00::1", 0), (":80", "", 80)],
)
def test_an_address_is_a_host_and_a_port(address: str, host: str, port: int) -> None:
    assert split_address(Address(address)) == (host, port)
    assert join_address(host, port) == address


@pytest.mark.parametrize("address", ["", "10.0.0.1", "h:", "h:-1", "h:65536", "fd00::1:80", "h:x"])
def test_what_is_no_address_is_refused_by_name(address: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f'"{address}" is no address'):
        split_address(Address(address))
