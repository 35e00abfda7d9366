"""Header names on the wire."""

import asyncio

import pytest

from dv_sync_pipeline.emulator.process.spelling import spelled


class Wire:
    """What an ASGI server gives to an application; remembers what it is told."""

    transport = "the socket's"

    def __init__(self):
        self.headers = []
        self.transport_of_sender = None

    async def send(self, message):
        """Take note of header names as uvicorn does: in lower case."""
        self.headers = [name.lower() for name, _ in message["headers"]]

    def answer(self, *names):
        """Have an application answer with these headers; their names on the wire."""

        async def application(_scope, _receive, send):
            self.transport_of_sender = send.__self__.transport
            headers = [(name, b"x") for name in names]
            await send({"type": "http.response.start", "status": 200, "headers": headers})

        asyncio.run(spelled(application)({"type": "http"}, None, self.send))
        return self.headers


@pytest.mark.parametrize("name", [b"odata-entityid", b"OData-EntityId", b"ODATA-ENTITYID"])
def test_names_are_spelled_as_dataverse_does(name):
    """However the application writes a name, the wire has Dataverse's spelling."""
    assert [b"OData-EntityId"] == Wire().answer(name)


def test_other_names_are_left_to_the_server():
    """What the server has to read itself stays in lower case."""
    assert [b"content-length", b"x-ms-dop-hint"] == Wire().answer(
        b"Content-Length", b"x-ms-dop-hint"
    )


def test_connection_can_still_be_broken():
    """The transport beneath the server's send is within reach."""
    wire = Wire()

    wire.answer(b"etag")

    assert "the socket's" == wire.transport_of_sender
