"""The gateway's answer to whoever asks it for a name: there is none, at once."""

import struct
from typing import Any

import pytest

from tests.contract.programs import EXCHANGE, loaded

ASKED = b"\7example\3com\0" + struct.pack(">2H", 1, 1)
OPTIONS = b"\0\0\x29\x10\0\0\0\0\0\0\0"  # EDNS, as many resolvers add it


@pytest.fixture(scope="module")
def exchange() -> Any:
    return loaded(EXCHANGE)


@pytest.mark.parametrize("more", [b"", OPTIONS])
def test_every_name_is_unknown(exchange: Any, more: bytes) -> None:
    question = b"\x12\x34" + struct.pack(">5H", 0x0100, 1, 0, 0, bool(more)) + ASKED + more
    said = exchange.no_such_name(question)
    number, flags, *counts = struct.unpack(">6H", said[:12])
    assert (number, flags & 0x8000, flags & 15) == (0x1234, 0x8000, 3)
    assert counts == [1, 0, 0, 0]
    assert said[12:] == ASKED


@pytest.mark.parametrize("packet", [
    b"", b"\0" * 16, b"\0" * 40, b"\x12\x34\x81\x83\0\1" + bytes(6) + ASKED,
    b"\x12\x34\1\0\0\1" + bytes(6) + b"\x07example",
])  # fmt: skip
def test_what_is_no_question_gets_no_answer(exchange: Any, packet: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a question|subsection"):
        exchange.no_such_name(packet)
