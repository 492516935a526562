from ipaddress import IPv4Address, IPv4Network

import pytest

from sandbox.core.addressing import addresses, first_free, gateway_beside, how_many, subnet
from sandbox.core.errors import Conflict, InvalidInput

WIDE = IPv4Network("10.231.0.0/16")
FOUR = IPv4Network("192.168.7.64/26")


@pytest.mark.parametrize(
    ("network_range", "count"),
    [("10.231.0.0/16", 4096), ("192.168.7.64/26", 4), ("10.0.0.16/28", 1), ("10.0.0.0/8", 2**20)],
)
def test_how_many(network_range: str, count: int) -> None:
    assert how_many(IPv4Network(network_range)) == count


@pytest.mark.parametrize(
    ("network_range", "index", "expected"),
    [
        (WIDE, 0, "10.231.0.0/28"),
        (WIDE, 1, "10.231.0.16/28"),
        (WIDE, 16, "10.231.1.0/28"),
        (WIDE, 4095, "10.231.255.240/28"),
        (FOUR, 3, "192.168.7.112/28"),
        (IPv4Network("10.0.0.16/28"), 0, "10.0.0.16/28"),
    ],
)
def test_subnet(network_range: IPv4Network, index: int, expected: str) -> None:
    assert subnet(network_range, index) == IPv4Network(expected)


@pytest.mark.parametrize("index", [-1, 4, 4096])
def test_a_number_outside_the_range_is_refused(index: int) -> None:
    with pytest.raises(InvalidInput, match=f"no subnet number {index}") as caught:
        subnet(FOUR, index)
    assert caught.value.subject == "192.168.7.64/26"
    assert "network.range" in caught.value.hint


def test_a_range_smaller_than_one_sandbox_is_refused() -> None:
    tiny = IPv4Network("10.0.0.0/29")
    for attempt in (lambda: subnet(tiny, 0), lambda: first_free(tiny, []), lambda: how_many(tiny)):
        with pytest.raises(InvalidInput, match="too small") as caught:
            attempt()
        assert "/28" in caught.value.hint


def test_subnets_lie_in_the_range_and_never_touch() -> None:
    all_of_them = [subnet(WIDE, index) for index in range(how_many(WIDE))]
    assert all(each.subnet_of(WIDE) for each in all_of_them)
    assert len({each.network_address for each in all_of_them}) == 4096
    assert sum(each.num_addresses for each in all_of_them) == WIDE.num_addresses


def test_the_plan_of_a_subnet() -> None:
    plan = addresses(WIDE, 17)
    assert plan.subnet == IPv4Network("10.231.1.16/28")
    assert plan.services == ("10.231.1.18", "10.231.1.19", "10.231.1.20", "10.231.1.21")
    assert plan.lab == "10.231.1.22"
    assert plan.gateway == "10.231.1.23"
    assert gateway_beside(plan.services[0]) == gateway_beside(plan.lab) == plan.gateway


def test_no_two_parts_share_an_address_and_none_is_the_bridges() -> None:
    plan = addresses(FOUR, 2)
    given = [IPv4Address(text) for text in (*plan.services, plan.lab, plan.gateway)]
    assert len(set(given)) == 6
    assert all(address in list(plan.subnet.hosts())[1:] for address in given)


@pytest.mark.parametrize(
    ("taken", "start", "expected"),
    [
        ([], 0, 0),
        ([0, 1], 0, 2),
        ([0, 2], 0, 1),
        ([], 2, 2),  # round-robin: what was just given back (0, 1) rests
        ([2], 2, 3),
        ([2, 3], 2, 0),  # and round
        ([0, 2, 3], 3, 1),
        ([], 4, 0),  # the last one given was the highest
        ([], 9, 1),
        ([7, 99, -1], 0, 0),  # numbers of an earlier, wider range hinder nobody
    ],
)
def test_first_free(taken: list[int], start: int, expected: int) -> None:
    assert first_free(FOUR, taken, start) == expected


@pytest.mark.parametrize("start", [0, 3, 4])
def test_when_all_are_taken(start: int) -> None:
    with pytest.raises(Conflict, match="All 4 subnets") as caught:
        first_free(FOUR, iter([3, 1, 0, 2]), start)
    assert caught.value.subject == "192.168.7.64/26"
    assert "widen network.range" in caught.value.hint
