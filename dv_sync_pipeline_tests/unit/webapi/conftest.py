"""A conversation between our client and a little server that a test writes in a few lines.

No network and no waiting: httpx's mock transport carries the requests, and time is a number that
sleeping moves forward.
"""

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest
import trustme

from dv_sync_pipeline.config import EnvironmentConfiguration
from dv_sync_pipeline.webapi.client import connect
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, Key, Lookup, TableSchema

ORIGIN = "https://contoso.crm4.dynamics.com"
ROOT = f"{ORIGIN}/api/data/v9.2/"
AUTHORITY = "https://login.microsoftonline.com"
_TURNS = 20
SECRET = "a-secret-nobody-may-see"


def _openid_configuration(tenant):
    return {
        "issuer": f"{AUTHORITY}/{tenant}/v2.0",
        "authorization_endpoint": f"{AUTHORITY}/{tenant}/oauth2/v2.0/authorize",
        "token_endpoint": f"{AUTHORITY}/{tenant}/oauth2/v2.0/token",
    }


@dataclass
class Entra:
    """A token endpoint that hands out `token-1`, `token-2`, ... unless told otherwise."""

    issued: int = 0
    forms: list = field(default_factory=list)
    answer: object = None

    def __call__(self, request):
        """Answer a request of MSAL."""
        if request.url.path.endswith("openid-configuration"):
            tenant = request.url.path.split("/")[1]
            return httpx.Response(200, json=_openid_configuration(tenant))
        self.forms.append(dict(httpx.QueryParams(request.content.decode())))
        if self.answer is not None:
            return self.answer(request)
        self.issued += 1
        token = {"access_token": f"token-{self.issued}", "expires_in": 3600, "token_type": "Bearer"}
        return httpx.Response(200, json=token)


@dataclass
class Time:
    """A clock that moves only when somebody sleeps."""

    now: float = 1000.0
    waits: list = field(default_factory=list)

    async def sleep(self, seconds):
        """Let everybody else go as far as they can, then let time pass at once."""
        self.waits.append(seconds)
        until = self.now + seconds
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self.now = max(self.now, until)

    def clock(self):
        """Tell the time."""
        return self.now


def _configure(**settings):
    credential = {"kind": "client_secret", "tenant_id": "tenant", "client_id": "client"}
    defaults = {"url": ORIGIN, "credentials": [{**credential, "client_secret": SECRET}]}
    return EnvironmentConfiguration.model_validate({**defaults, **settings})


@pytest.fixture
def environment():
    """`environment(**settings)` is the configuration of one environment."""
    return _configure


@pytest.fixture
def entra():
    """The authority of this test."""
    return Entra()


@pytest.fixture
def time():
    """The clock of this test."""
    return Time()


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory):
    """A small file of trust: reading the system's would take most of the time of a test."""
    file = tmp_path_factory.mktemp("trust") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file


@pytest.fixture
def talk(entra, time, ca_file):
    """`talk(server, action)` connects to `server`, a function from request to response, and acts.

    Further arguments are settings of the environment; `patience` is handed to `connect`.
    """

    def talk(server, action, *, patience=None, **settings):
        async def conversation():
            async with connect(
                "primary",
                _configure(**{"ca_file": ca_file, **settings}),
                transport=httpx.MockTransport(server),
                authority_transport=httpx.MockTransport(entra),
                sleep=time.sleep,
                clock=time.clock,
                random=lambda: 0.0,
                **({"patience": patience} if patience else {}),
            ) as client:
                return await action(client)

        return asyncio.run(conversation())

    return talk


@pytest.fixture
def rooms():
    """The schema of a table with a lookup to hotels and one of each simple column."""
    kinds = {
        "contoso_roomid": ColumnKind.UNIQUE_IDENTIFIER,
        "contoso_number": ColumnKind.STRING,
        "contoso_price": ColumnKind.DECIMAL,
        "contoso_hotelid": ColumnKind.LOOKUP,
        "statecode": ColumnKind.STATE,
    }
    return TableSchema(
        name="contoso_room",
        entity_set="contoso_rooms",
        primary_id="contoso_roomid",
        primary_name="contoso_number",
        columns={name: Column(name, kind) for name, kind in kinds.items()},
        keys=(Key("contoso_key", ("contoso_hotelid", "contoso_number"), "Active"),),
        lookups=(Lookup("contoso_hotelid", "contoso_hotel", "contoso_HotelId"),),
    )
