"""An answer is used whole or not at all."""

import asyncio
import json

import msgspec
import pytest

from dv_sync_pipeline.errors import IncompleteReadError
from dv_sync_pipeline.webapi.decoding import ATTEMPTS_MAX, read_decoded


class Server:
    """Gives one body after the other, the last one again and again."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = list(bodies)
        self.asked = 0

    async def __call__(self) -> bytes:
        """The next body."""
        self.asked += 1
        return self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]


def read(server: Server) -> object:
    """What is read from the server in the end."""
    return asyncio.run(read_decoded(server, msgspec.json.decode, where="primary: contoso_hotel"))


def test_half_an_answer_is_asked_for_again():
    """A body that was cut off is fetched again as a whole, and nothing of it is used."""
    server = Server(b'{"value": [1, 2', json.dumps({"value": [1, 2, 3]}).encode())

    assert {"value": [1, 2, 3]} == read(server)
    assert 2 == server.asked


def test_an_answer_that_is_never_whole_is_an_error():
    """After a few attempts the read gives up, and says where and why."""
    server = Server(b"<html>Bad Gateway</html>")

    with pytest.raises(IncompleteReadError, match=r"primary: contoso_hotel.*malformed"):
        read(server)
    assert ATTEMPTS_MAX == server.asked


def test_text_that_is_not_unicode_is_asked_for_again():
    """Broken bytes are no different from a broken structure."""
    server = Server(b'"\xff"', b'"whole"')

    assert "whole" == read(server)
