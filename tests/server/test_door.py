"""The service's door: real HTTP over a real socket; what it answers is the test's."""

import json
import os
import pwd
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, SandboxError, Unavailable
from sandbox.core.ports import Progress
from sandbox.core.progress import Silent
from sandbox.core.values import Request, Result
from sandbox.core.wire import MOST, STREAM
from sandbox.drivers.service import ask_service, is_service
from sandbox.server.answering import Answer
from sandbox.usecases.importing import ImportRequest
from sandbox.usecases.sandboxes import ListRequest, ListResult
from tests.fakes import Said
from tests.server.conftest import said_to

Start = Callable[[Answer], Path]
NOTHING = ListResult(sandboxes=(), pooled={}, line=None)
ME = pwd.getpwuid(os.getuid()).pw_name


def lists(request: Request[Any], progress: Progress, user: str) -> Result:
    return NOTHING


def test_a_request_arrives_and_its_result_comes_back(at: Start) -> None:
    asked: list[tuple[Request[Any], str]] = []

    def answer(request: Request[Any], progress: Progress, user: str) -> Result:
        asked.append((request, user))
        progress.say("up", "顧客", 1, 2)
        progress.output("stdout", b"\xff\n")
        return NOTHING

    place, said = at(answer), Said()
    assert is_service(place)
    wanted = ImportRequest(name="a", file="x.csv", content=b"\xff\x00")
    with pytest.raises(Unavailable, match="does not understand"):
        ask_service(place, wanted, said)  # it is answered with the result of another kind
    assert ask_service(place, ListRequest(), said) == NOTHING
    assert asked == [(wanted, ME), (ListRequest(), ME)]
    assert (said.steps, said.passed) == (["顧客"] * 2, [("stdout", b"\xff\n")] * 2)
    assert said_to(place, "/v1/list").body == NOTHING.model_dump_json().encode()


@pytest.mark.parametrize(
    ("kind", "status"),
    [(InvalidInput, 400), (Denied, 403), (NotFound, 404), (Conflict, 409), (Unavailable, 503)],
)
def test_an_error_has_its_status_and_arrives_as_it_was_raised(
    at: Start, kind: type[SandboxError], status: int
) -> None:
    def answer(request: Request[Any], progress: Progress, user: str) -> Result:
        raise kind("What failed.", subject="it", hint="Do this.", details={"why": "so"})

    place = at(answer)
    reply = said_to(place, "/v1/list")
    assert reply.status == status
    assert reply.error["details"] == {"why": "so"}
    with pytest.raises(kind, match=r"What failed\.") as raised:
        ask_service(place, ListRequest(), Silent())
    assert (raised.value.subject, raised.value.hint) == ("it", "Do this.")


def test_a_fault_tells_nothing_of_what_it_held(at: Start) -> None:
    def answer(request: Request[Any], progress: Progress, user: str) -> Result:
        raise RuntimeError("the password is swordfish")

    place = at(answer)
    reply = said_to(place, "/v1/list")
    assert reply.status == 500
    assert b"swordfish" not in reply.body
    with pytest.raises(Unavailable, match="did not expect this: RuntimeError"):
        ask_service(place, ListRequest(), Silent())


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/list", b"", 400, "invalid"),
        ("/v1/list", b"{", 400, "invalid"),
        ("/v1/list", b'{"no": 1}', 400, "invalid"),
        ("/v1/import", b'{"name": "a", "file": "f", "content": "#"}', 400, "invalid"),
        ("/v1/init", b"{}", 404, "not_found"),
        ("/v1/../list", b"{}", 404, "not_found"),
        ("/v1/list/", b"{}", 404, "not_found"),
        ("/", b"{}", 404, "not_found"),
        ("/openapi.json", b"{}", 405, "invalid"),
    ],
)
def test_what_is_no_request_is_refused(
    at: Start, path: str, body: bytes, status: int, code: str
) -> None:
    reply = said_to(at(lists), path, body)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert reply.error["hint"]


def test_no_header_says_who_somebody_is(at: Start) -> None:
    users = []

    def answer(request: Request[Any], progress: Progress, user: str) -> Result:
        users.append(user)
        return NOTHING

    forged = dict.fromkeys(
        ("X-Forwarded-For", "X-Forwarded-User", "X-Remote-User", "Forwarded", "Authorization"),
        "for=ken; user=ken",
    )
    assert said_to(at(answer), "/v1/list", headers=forged).status == 200
    assert users == [ME]


def test_a_request_that_is_too_large_is_not_held(at: Start) -> None:
    place = at(lists)
    reply = said_to(place, "/v1/list", b" " * (MOST + 1))
    assert (reply.status, reply.error["code"]) == (413, "invalid")
    assert said_to(place, "/v1/list").status == 200


def test_who_leaves_interrupts_what_they_asked_for(at: Start) -> None:
    ended: list[type[BaseException]] = []
    over = threading.Event()

    def answer(request: Request[Any], progress: Progress, user: str) -> Result:
        try:
            for _ in range(2000):
                progress.say("up", "on")
                time.sleep(0.005)
        except BaseException as error:
            ended.append(type(error))
            raise
        finally:
            over.set()
        return NOTHING

    place = at(answer)
    with socket.socket(socket.AF_UNIX) as leaving:
        leaving.connect(str(place))
        head = f"POST /v1/list HTTP/1.1\r\nHost: x\r\nAccept: {STREAM}\r\nContent-Length: 2\r\n\r\n"
        leaving.sendall(head.encode() + b"{}")
        assert b"200 OK" in leaving.recv(4096)
    assert over.wait(10)
    assert ended == [KeyboardInterrupt]


def test_slow_ones_hold_nobody_up(at: Start) -> None:
    place = at(lists)
    slow = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    for number, each in enumerate(slow):
        each.connect(str(place))
        each.sendall(b"POST /v1/list HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"P")
    with ThreadPoolExecutor(50) as many:
        replies = list(many.map(lambda _: said_to(place, "/v1/list").status, range(50)))
    for each in slow:
        each.close()
    assert replies == [200] * 50


def test_an_answer_that_breaks_off_is_no_result(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()

        def break_off() -> None:
            got, _ = listening.accept()
            while not got.recv(4096).endswith(b"}"):
                pass
            got.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"kind":"step","step":"a","text":"b"}\n')
            got.close()

        threading.Thread(target=break_off).start()
        with pytest.raises(Unavailable, match="ended before it was whole"):
            ask_service(place, ListRequest(), Silent())
    with pytest.raises(Unavailable, match="does not answer: Connection refused"):
        ask_service(place, ListRequest(), Silent())


def test_the_document_tells_every_path(at: Start) -> None:
    place = at(lists)
    document = json.loads(said_to(place, "/openapi.json", method="GET").body)
    assert set(document["paths"]) == {"/v1/list", "/v1/import"}
    text = json.dumps(document)
    referred = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred <= set(document["components"]["schemas"])
