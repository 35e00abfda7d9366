"""What really goes over a TLS connection, seen by a server of raw bytes on this machine."""

import asyncio
import json
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest
import trustme

from dv_sync_pipeline.errors import UnreachableError
from dv_sync_pipeline.webapi.client import connect
from dv_sync_pipeline.webapi.transport import Patience

LINK_TAIL = "rooms?$select=a&$skiptoken=%3Ccookie%20p=%222%22%2521'(x)$|%22/%3E"


class RawServer:
    """Answers every request with an empty page; the first page links to a second one."""

    def __init__(self, authority):
        self.requests = []
        self.connections = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)

    @asynccontextmanager
    async def serve(self):
        """Listen on a free port while the block runs; gives the address."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self.context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            self.url = f"https://127.0.0.1:{port}"
            yield self.url

    async def _talk(self, reader, writer):
        self.connections += 1
        while head := await self._read_head(reader):
            self.requests.append(head.decode().split("\r\n"))
            body = self._page()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async def _read_head(self, reader):
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def _page(self):
        link = {"@odata.nextLink": f"{self.url}/api/data/v9.2/{LINK_TAIL}"}
        return json.dumps({"value": [], **(link if len(self.requests) == 1 else {})}).encode()


@pytest.fixture
def authority(tmp_path):
    """A certificate authority, with its certificate in `ca.pem`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


@pytest.fixture
def server(authority):
    """A raw server whose certificate the authority signed."""
    return RawServer(authority)


@pytest.fixture
def read_all(server, entra, rooms, environment):
    """Reads all pages from the raw server with the settings given."""

    async def conversation(settings):
        async with (
            server.serve() as url,
            connect(
                "primary",
                environment(url=url, **settings),
                authority_transport=httpx.MockTransport(entra),
                patience=Patience(connect_seconds=5.0, silence_seconds=5.0),
            ) as client,
        ):
            return [page async for page in client.read_pages(rooms, [])]

    return lambda **settings: asyncio.run(conversation(settings))


def test_links_go_over_the_wire_verbatim(server, read_all, tmp_path):
    """Not one byte of a link changes on its way (DATAVERSE 15.13)."""
    read_all(ca_file=str(tmp_path / "ca.pem"))

    assert f"GET /api/data/v9.2/{LINK_TAIL} HTTP/1.1" == server.requests[1][0]


def test_connection_is_kept(server, read_all, tmp_path):
    """The pages of a read share one connection."""
    read_all(ca_file=str(tmp_path / "ca.pem"))

    assert (2, 1) == (len(server.requests), server.connections)


def test_unknown_authority_is_not_trusted(server, read_all):
    """Without its authority a server gets no request, so no token."""
    with pytest.raises(UnreachableError, match="Set ca_file"):
        read_all()

    assert [] == server.requests


def test_ca_file_is_the_only_trust(server, read_all, tmp_path):
    """A certificate of another authority than that of ca_file is not trusted."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")

    with pytest.raises(UnreachableError, match="Set ca_file"):
        read_all(ca_file=str(tmp_path / "other.pem"))

    assert [] == server.requests
