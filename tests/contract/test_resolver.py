"""The proxy's resolver: the real program's rules, with a name server of the test's own."""

import socket
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from types import ModuleType
from typing import Any

import pytest

from sandbox.core.egress import asked as read_requests
from sandbox.core.egress import contacts
from tests.contract.programs import RESOLVER, loaded

HOSTS = {"api.example.com"}
REFUSED = [IPv4Network("10.0.0.0/8"), IPv4Network("169.254.0.0/16")]


@pytest.fixture
def resolver() -> ModuleType:
    return loaded(RESOLVER)


def asked(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    return labels + b"\0" + struct.pack(">2H", kind, 1)


def query(name: str, kind: int = 1) -> bytes:
    return b"\x12\x34" + struct.pack(">5H", 0x0100, 1, 0, 0, 0) + asked(name, kind)


def address(text: str, ttl: int = 0) -> bytes:
    return b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, ttl, 4) + IPv4Address(text).packed


def reply(question: bytes, records: list[bytes], code: int = 0) -> bytes:
    head = question[:2] + struct.pack(">5H", 0x8180 | code, 1, len(records), 0, 0)
    return head + question[12:] + b"".join(records)


class Server:
    """A name server at 127.0.0.1 whose answers a test chooses; `heard` are the questions."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.answers: list[bytes] = []
        self.code = 0
        self.forged = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def serve(self) -> None:
        while True:
            question, asker = self.socket.recvfrom(512)
            if question == b"end":
                return
            self.heard.append(question)
            if self.forged:  # an answer to another question comes first
                self.socket.sendto(reply(b"\0\0" + question[2:], [address("10.9.9.9")]), asker)
                self.socket.sendto(reply(query("x.example.com"), [address("10.9.9.9")]), asker)
            self.socket.sendto(reply(question, self.answers, self.code), asker)


@pytest.fixture
def server(resolver: Any) -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve)
    thread.start()
    usual, resolver.DNS_PORT = resolver.DNS_PORT, made.port  # no test may listen on port 53
    yield made
    resolver.DNS_PORT = usual
    made.socket.sendto(b"end", ("127.0.0.1", made.port))
    thread.join(5)
    made.socket.close()


def test_an_approved_name_has_its_addresses(resolver: Any, server: Server) -> None:
    server.answers = [address("198.51.100.7", 9999), address("198.51.100.8")]
    said: bytes = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("API.example.com"))
    assert said[:2] == b"\x12\x34"
    assert resolver.addresses(said, len(query("api.example.com"))) == [
        ("198.51.100.7", 300),
        ("198.51.100.8", 1),
    ]


@pytest.mark.parametrize("records", [
    ["10.0.0.1"], ["198.51.100.7", "10.0.0.1"], ["10.0.0.1", "198.51.100.7"], ["169.254.169.254"],
])  # fmt: skip
def test_one_refused_address_refuses_the_name(
    resolver: Any, server: Server, records: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [address(one) for one in records]
    said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com"))
    assert said[3] & 15 == resolver.NO_NAME
    assert said[6:8] == b"\0\0"
    bad = next(one for one in records if one != "198.51.100.7")
    assert f"refused api.example.com {bad}" in capsys.readouterr().out


@pytest.mark.parametrize("servers", [["127.0.0.1"], []], ids=["nothing", "nobody"])
def test_a_name_without_an_address_is_told(
    resolver: Any, server: Server, servers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = []
    resolver.Answers(HOSTS, REFUSED, servers).to(query("api.example.com"))
    assert capsys.readouterr().out.endswith(" unknown api.example.com\n")


def test_a_name_that_changes_is_judged_each_time(resolver: Any, server: Server) -> None:
    for text, code in (("198.51.100.7", 0), ("10.0.0.1", 3), ("198.51.100.7", 0)):
        server.answers = [address(text)]
        said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com"))
        assert said[3] & 15 == code


def test_other_names_are_never_asked_for(resolver: Any, server: Server) -> None:
    for name in ("secret.attacker.example.net", "x.api.example.com", "example.com"):
        said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query(name))
        assert said[3] & 15 == resolver.NOT_ASKED
    assert server.heard == []


def test_there_is_no_ipv6_to_tell(resolver: Any, server: Server) -> None:
    said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com", 28))
    assert (said[3] & 15, said[6:8]) == (0, b"\0\0")
    assert server.heard == []


def test_an_alias_is_followed_to_what_it_leads_to(resolver: Any, server: Server) -> None:
    alias = b"\xc0\x0c" + struct.pack(">2HIH", 5, 1, 0, 7) + b"\5inner\0"
    led = b"\5inner\0" + address("10.0.0.1")[2:]
    server.answers = [alias, led]
    said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com"))
    assert said[3] & 15 == resolver.NO_NAME
    server.answers = [alias, b"\5inner\0" + address("198.51.100.7")[2:]]
    said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com"))
    assert said.endswith(IPv4Address("198.51.100.7").packed)


def test_answers_to_other_questions_are_passed_over(resolver: Any, server: Server) -> None:
    server.forged, server.answers = True, [address("198.51.100.7")]
    said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com"))
    assert said.endswith(IPv4Address("198.51.100.7").packed)


@pytest.mark.parametrize(("code", "told_code"), [(3, 3), (2, 2), (5, 2)])
def test_a_name_server_that_says_no(
    resolver: Any, server: Server, code: int, told_code: int
) -> None:
    server.code = code
    said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com"))
    assert said[3] & 15 == told_code


def test_records_that_were_not_asked_for_spoil_the_answer(resolver: Any, server: Server) -> None:
    text = b"\xc0\x0c" + struct.pack(">2HIH", 16, 1, 0, 2) + b"\1x"
    server.answers = [text, address("198.51.100.7")]
    said = resolver.Answers(HOSTS, REFUSED, ["127.0.0.1"]).to(query("api.example.com"))
    assert said[3] & 15 == resolver.FAILED


@pytest.mark.parametrize("packet", [
    b"", b"x" * 11, b"\0" * 40, query("api.example.com")[:-3],
    b"\0\1\1\0\0\2\0\0\0\0\0\0" + asked("api.example.com") * 2,  # two questions
    b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",  # a name that points at itself
    query("api.example.com")[:-2] + b"\0\3",  # another kind of network
])  # fmt: skip
def test_what_is_no_question_is_refused(resolver: Any, packet: bytes) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        resolver.Answers(HOSTS, REFUSED, []).to(packet)


def line(host: str, verdict: str = "TCP_TUNNEL/200", sent: int = 10, port: int = 443) -> str:
    return f"access 1700000000.000 {verdict} CONNECT {host} {port} {sent} 20\n"


def test_few_requests_are_told_one_by_one(resolver: Any) -> None:
    requests = resolver.Requests(HOSTS)
    for given in (line("api.example.com"), line("other.example.com", "TCP_DENIED/403")):
        assert requests.tell(given) == given.strip()
    assert requests.rest() == []


def test_what_was_asked_before_is_not_pushed_out_by_what_is_asked_often(resolver: Any) -> None:
    requests = resolver.Requests(HOSTS)
    said = [requests.tell(line("api.example.com", sent=1))]
    tried = 200_000
    said += [requests.tell(line(f"x{n}.example.net", "TCP_DENIED/403")) for n in range(tried)]
    said += [requests.tell(line("API.example.com", sent=7)) for _ in range(30)]
    said += requests.rest()
    log = "\n".join(filter(None, said))
    assert len(log) < 1_000_000
    found = contacts(read_requests(log, datetime(2000, 1, 1, tzinfo=UTC)))
    reached = [c for c in found if not c.refused]
    assert [(c.host, c.times, c.sent) for c in reached] == [("api.example.com", 31, 1 + 7 * 30)]
    assert sum(c.times for c in found if c.refused) == tried
    assert sum(c.sent for c in found if c.refused) == tried * 10


@pytest.mark.parametrize("given", ["", "access", "access 1 TCP 2 3 4 5 x", "2026/11/23 kid: hello"])
def test_what_is_no_request_is_not_told_as_one(resolver: Any, given: str) -> None:
    assert resolver.Requests(HOSTS).tell(given) == ""


def test_a_name_is_written_again_only_if_it_leads_elsewhere(
    resolver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = resolver.Answers(HOSTS, REFUSED, [])
    for addresses in (["10.0.0.1"], ["10.0.0.1"], ["10.0.0.2"]):
        answers.tell("api.example.com", "refused", *addresses)
    assert [said.split()[-1] for said in capsys.readouterr().out.splitlines()] == [
        "10.0.0.1",
        "10.0.0.2",
    ]
