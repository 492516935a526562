"""What a client and a service say to each other."""

import pytest
from pydantic import ValidationError

from sandbox.core.errors import Conflict, Denied, InvalidInput, NotFound, SandboxError, Unavailable
from sandbox.core.wire import (
    Answered,
    Failure,
    Message,
    Output,
    Step,
    answer_of,
    failure,
    line,
    name_of,
    raised,
    read_line,
    twice_named,
)
from sandbox.usecases.desk import every_kind
from sandbox.usecases.sandboxes import ListRequest, ListResult


def test_every_request_has_a_path_of_its_own_and_says_its_answer() -> None:
    kinds = every_kind()
    assert len(kinds) > 60
    assert not twice_named(kinds)
    assert all(name_of(kind).replace("-", "").isalpha() for kind in kinds)
    assert all(answer_of(kind).__name__.endswith("Result") for kind in kinds)
    assert (name_of(ListRequest), answer_of(ListRequest)) == ("list", ListResult)


def test_two_of_one_name_are_told() -> None:
    assert twice_named([ListRequest, ListRequest]) == ["list"]


@pytest.mark.parametrize(
    "message",
    [
        Step(step="up", text="顧客 \n 2", done=1, total=3),
        Output(stream="stdout", chunk=b"\xff\x00\n"),
        Failure(code="denied", message="No.", details={"n": [1, None]}),
        Answered(),
    ],
)
def test_a_line_says_what_was_said(message: Message) -> None:
    text = line(message)
    assert text.count(b"\n") == 1
    assert read_line(text) == message


@pytest.mark.parametrize("text", [b"", b"{}", b'{"kind":"else"}', b"<html>", b"\xff"])
def test_anything_else_is_no_line(text: bytes) -> None:
    with pytest.raises(ValidationError):
        read_line(text)


@pytest.mark.parametrize("kind", [InvalidInput, Denied, NotFound, Conflict, Unavailable])
def test_an_error_arrives_as_it_was_raised(kind: type[SandboxError]) -> None:
    error = kind("What failed.", subject="it", hint="Do this.", details={"n": 1})
    got = raised(failure(error))
    assert type(got) is kind
    assert (got.message, got.subject, got.hint, got.details) == (
        "What failed.", "it", "Do this.", {"n": 1},
    )  # fmt: skip


def test_a_fault_of_the_service_is_unavailable_to_its_client() -> None:
    assert isinstance(raised(Failure(code="internal", message="Oh.")), Unavailable)
