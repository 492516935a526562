from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network

import pytest
from pydantic import ValidationError

from sandbox.core.egress import (
    MOST_HOSTS,
    Contact,
    asked,
    check_host,
    check_hosts,
    contacts,
    local_addresses,
    proxy_environment,
    proxy_files,
    refused_networks,
)
from sandbox.core.errors import InvalidInput
from sandbox.core.settings import NetworkSettings


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("日本語.jp", "xn--wgv71a119e.jp"),
        ("ＡＰＩ．example.com", "api.example.com"),
        ("xn--wgv71a119e.jp", "xn--wgv71a119e.jp"),
        ("1e3.example.com", "1e3.example.com"),
        ("0x7f.example.com", "0x7f.example.com"),
        ("a-b.co.jp", "a-b.co.jp"),
    ],
)
def test_a_host_is_kept_in_one_form(text: str, host: str) -> None:
    assert check_host(text) == host
    assert check_host(host) == host


ADDRESS = "This is an address, not a host name."
NO_NAME = "This is no host name."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("127.0.0.1", ADDRESS),
        ("93.184.216.34", ADDRESS),
        ("0x7f000001", ADDRESS),
        ("0x7f.0.0.1", ADDRESS),
        ("0177.0.0.01", ADDRESS),
        ("2130706433", ADDRESS),
        ("127.1", ADDRESS),
        ("1.2.3.0x", ADDRESS),
        ("a.b.9", ADDRESS),
        ("１２７。０。０。１", ADDRESS),
        ("[::1]", ADDRESS),
        ("::ffff:10.0.0.1", ADDRESS),
        ("fe80::1%eth0", ADDRESS),
        ("*.example.com", "A pattern could be any host."),
        ("api?.example.com", "A pattern could be any host."),
        (".example.com", "A host is named whole, not its domain alone."),
        ("api.example.com.", "A host is named without a dot at its end."),
        ("api.example.com。", "A host is named without a dot at its end."),
        ("api.example.com:443", "A host is named without its port"),
        ("https://api.example.com", "This is the address of a page"),
        ("api.example.com/path", "This is the address of a page"),
        ("user@example.com", "This is the address of a page"),
        ("", "There is no name."),
        ("  ", "There is no name."),
        (" api.example.com", NO_NAME),
        ("api.example.com\n", NO_NAME),
        ("a..com", NO_NAME),
        ("a_b.example.com", NO_NAME),
        ("-a.example.com", NO_NAME),
        ("a" * 64 + ".com", NO_NAME),
        (".".join(["abcdefgh"] * 30), NO_NAME),
        ("℀.com", NO_NAME),
        ("a\u202eb.com", NO_NAME),
        ("xn--a.jp", NO_NAME),
        ("intranet", "This is a name without a domain."),
        ("localhost", "This is a name without a domain."),
        ("example", "This is a name without a domain."),
        ("spring.localhost", "Names under .localhost"),
        ("printer.local", "Names under .local"),
        ("db.internal", "Names under .internal"),
        ("1.0.0.10.in-addr.arpa", "Names under .arpa"),
        ("x.onion", "Names under .onion"),
        ("x.test", "Names under .test"),
    ],
)
def test_what_is_no_host_outside_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_host(text)
    assert refused.value.message.startswith(problem)
    assert "\n" not in refused.value.subject
    assert "api.example.com" in refused.value.hint


def test_hosts_are_sorted_and_named_once() -> None:
    assert check_hosts(["b.jp", "A.jp", "a.jp"], "localhost") == ("a.jp", "b.jp")


@pytest.mark.parametrize("own", ["sandbox.example.com", "x.sandbox.example.com"])
def test_the_gateways_own_names_are_not_outside(own: str) -> None:
    with pytest.raises(InvalidInput, match="gateway's own"):
        check_hosts([own], "sandbox.example.com")
    assert check_hosts(["xsandbox.example.com"], "sandbox.example.com")


def test_there_is_a_bound() -> None:
    many = [f"h{number}.example.com" for number in range(MOST_HOSTS + 1)]
    assert len(check_hosts(many[1:], "localhost")) == MOST_HOSTS
    with pytest.raises(InvalidInput, match=f"at most {MOST_HOSTS}"):
        check_hosts(many, "localhost")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "172.16.0.1", "172.31.255.254", "192.0.0.8", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "203.0.113.9", "11.231.0.1",
    ],
)  # fmt: skip
def test_special_and_own_addresses_are_refused(address: str) -> None:
    networks = refused_networks(["203.0.113.9", "11.231.0.0/16"])
    assert any(IPv4Address(address) in IPv4Network(network) for network in networks)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "172.15.0.1",
        "172.32.0.1", "192.0.1.1", "192.167.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
        "203.0.113.10",
    ],
)  # fmt: skip
def test_public_addresses_are_not(address: str) -> None:
    networks = refused_networks(["203.0.113.9"])
    assert not any(IPv4Address(address) in IPv4Network(network) for network in networks)


def test_no_refused_network_lies_within_another() -> None:
    found = [
        IPv4Network(n) for n in refused_networks(["10.231.0.0/16", "172.17.0.0/16", "1.2.3.4"])
    ]
    assert not any(a.overlaps(b) for a in found for b in found if a != b)


def test_the_proxy_finds_plain_lists_for_itself_alone() -> None:
    files = proxy_files(
        ["a.jp", "b.jp"],
        address="10.231.0.8",
        subnet="10.231.0.0/28",
        refused=["10.0.0.0/8"],
        resolvers=[],
    )
    assert {file.path: file.content for file in files} == {
        "proxy.conf": b"http_port 10.231.0.8:3128\n",
        "proxy.own": b"10.231.0.0/28\n",
        "proxy.hosts": b"a.jp\nb.jp\n",
        "proxy.refused": b"10.0.0.0/8\n",
        "proxy.resolvers": b"",
    }
    assert {(file.mode, file.uid) for file in files} == {(0o400, 10004)}


def test_programs_are_told_in_both_spellings() -> None:
    said = proxy_environment("10.231.0.8", ["lab", "10.231.0.6"])
    assert said["http_proxy"] == said["HTTPS_PROXY"] == "http://10.231.0.8:3128"
    assert said["no_proxy"] == said["NO_PROXY"] == "localhost,127.0.0.1,lab,10.231.0.6"


LOG = """\
2026/11/23 15:52:45| Starting Squid Cache version 5.7
access 1795449185.814 NONE_NONE/000 - - - 0 0
access 1795449187.643 TCP_TUNNEL/200 CONNECT api.example.com 443 49 3394
access 1795449188.643 TCP_TUNNEL/200 CONNECT API.example.com 443 51 6
access 1795449188.644 TCP_DENIED/403 CONNECT api.example.com 22 40 10
access 1795449189.644 TCP_DENIED/403 GET x%0Ay<b> 80 54 3398
resolver 1795449190.100 refused bad.example.com 10.0.0.1
access 1795449190.644 TCP_DENIED/403 CONNECT bad.example.com 443 1 2
access 1795449190.645 TCP_DENIED/403 CONNECT bad.example.com 22 1 2
resolver 1795449190.700 unknown gone.example.com
access 1795449190.744 TCP_DENIED/403 GET gone.example.com 80 1 2
access not a line
access 1795449191.000 NONE_NONE/501 GET forged.example.net 5683 60 3400
said by somebody: access 1795449191.100 TCP_TUNNEL/200 CONNECT faked.example.net 443 1 1
"""


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def summed(since: float, *spans: tuple[float, float]) -> tuple[Contact, ...]:
    return contacts(asked(LOG, at(since), [(at(first), at(last)) for first, last in spans]))


def test_a_refusal_tells_why() -> None:
    found = {(c.host, c.port): (c.why, c.leads_to) for c in summed(0)}
    assert found["api.example.com", 443] == ("", "")
    assert found["api.example.com", 22] == ("rule", "")
    assert found["bad.example.com", 443] == ("address", "10.0.0.1")
    assert found["bad.example.com", 22] == ("rule", "")
    assert found["gone.example.com", 80] == ("name", "")


def test_what_was_refused_while_verify_ran_is_told_apart_and_nothing_else() -> None:
    found = summed(1795449186, (1795449188.0, 1795449188.7), (1795449190.7, 1795449190.8))
    apart = {(c.host, c.port) for c in found if c.verifying}
    assert apart == {("api.example.com", 22), ("gone.example.com", 80)}
    used = next(c for c in found if (c.host, c.port) == ("api.example.com", 443))
    assert (used.times, used.verifying) == (2, False)


def test_a_log_becomes_hosts_ports_and_sums() -> None:
    found = {(c.host, c.port): c for c in summed(1795449186)}
    assert set(found) == {
        ("api.example.com", 443),
        ("api.example.com", 22),
        ("x\ufffdy<b>", 80),
        ("bad.example.com", 443),
        ("bad.example.com", 22),
        ("gone.example.com", 80),
        ("forged.example.net", 5683),
    }
    used = found["api.example.com", 443]
    assert (used.refused, used.times, used.sent, used.received) == (False, 2, 100, 3400)
    assert used.last == datetime.fromtimestamp(1795449188.643, UTC)
    assert found["api.example.com", 22].refused
    assert found["forged.example.net", 5683].refused
    assert found["bad.example.com", 443].leads_to == "10.0.0.1"
    late = summed(1795449188.643)
    assert [c.times for c in late if (c.host, c.port) == ("api.example.com", 443)] == [1]


def test_own_addresses_are_those_that_the_kernel_calls_local() -> None:
    text = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.252.78.0/28 2 0 2
        |-- 10.252.78.0
           /28 link UNICAST
        |-- 10.252.78.1
           /32 host LOCAL
        |-- 10.252.78.15
           /32 link BROADCAST
Local:
        |-- 10.252.78.1
           /32 host LOCAL
        |-- 203.0.113.7
           /32 host LOCAL
"""
    assert local_addresses(text) == ("10.252.78.1", "203.0.113.7")


@pytest.mark.parametrize(
    ("outside", "problem"),
    [
        ("10.231.128.0/17", "must not overlap"),
        ("10.224.0.0/12", "must not overlap"),
        ("10.232.0.0/17", "at least as wide as range"),
    ],
)
def test_the_networks_outside_lie_apart_and_are_as_many(outside: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        NetworkSettings(outside=IPv4Network(outside))
    assert NetworkSettings(outside=IPv4Network("10.232.0.0/15"))
