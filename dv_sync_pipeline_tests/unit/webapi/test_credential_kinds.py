"""Every way in which an application user proves itself, against the emulator's token endpoint."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from dv_sync_pipeline.emulator.process.identity import IssuedTokens
from dv_sync_pipeline.emulator.process.proofs import ApplicationUser, Federation, TokenRequest
from dv_sync_pipeline.errors import AccessError, UnreachableError
from dv_sync_pipeline_tests.unit.webapi.conftest import ORIGIN

TENANT = "11111111-1111-1111-1111-111111111111"
ISSUER = "https://oidc.example/cluster"
SUBJECT = "system:serviceaccount:dv-sync:pipeline"
USERS = ("secret", "certificate", "federated", "managed")


@dataclass
class Provider:
    """Another identity provider, such as a Kubernetes cluster, and our certificate.

    Attributes:
        leaf: its key; it also serves as our own certificate.

    """

    leaf: trustme.LeafCert = field(
        default_factory=lambda: trustme.CA().issue_cert(
            common_name="dv-sync", key_type=trustme.KeyType.RSA
        )
    )

    @property
    def certificate(self):
        """Without the private key."""
        return self.leaf.cert_chain_pems[0].bytes()

    @property
    def public_key(self):
        """As PEM."""
        key = x509.load_pem_x509_certificate(self.certificate).public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, **claims):
        """What it would put into the file of a workload."""
        good = {
            "iss": ISSUER,
            "sub": SUBJECT,
            "aud": "api://AzureADTokenExchange",
            "exp": datetime.now(UTC) + timedelta(minutes=5),
        }
        key = load_pem_private_key(self.leaf.private_key_pem.bytes(), password=None)
        return jwt.encode({**good, **claims}, key, algorithm="RS256")


@dataclass
class Authority:
    """The emulator's token endpoint, and the address in Azure that serves managed identities.

    Attributes:
        users: the applications that it knows, by client id.
        lifetime_seconds: of its tokens; MSAL keeps none that lives less than 300 s.
        requests: what it was asked.

    """

    users: dict
    lifetime_seconds: int = 3599
    requests: list = field(default_factory=list)

    @property
    def tokens(self):
        """The emulator's endpoint, as things stand."""
        return IssuedTokens(
            base_url=ORIGIN,
            tenant_id=TENANT,
            users=self.users.values(),
            signing_key=b"k" * 32,
            now=lambda: datetime.now(UTC),
            lifetime_seconds=self.lifetime_seconds,
        )

    @property
    def forms(self):
        """What was posted."""
        posts = (request for request in self.requests if request.method == "POST")
        return [dict(httpx.QueryParams(request.content.decode())) for request in posts]

    def __call__(self, request):
        """Answer a request of MSAL."""
        self.requests.append(request)
        path = request.url.path
        if path == "/metadata/identity/oauth2/token":
            return self._serve_managed_identity(request)
        tenant = path.split("/")[1]
        if request.method == "GET":
            return httpx.Response(200, json=self.tokens.describe(tenant))
        names = TokenRequest.__dataclass_fields__.keys() & self.forms[-1].keys()
        values = {name: self.forms[-1][name] for name in names}
        answer = self.tokens.issue(TokenRequest(tenant=tenant, **values))
        return httpx.Response(answer.status, json=answer.body)

    def _serve_managed_identity(self, request):
        """Azure signs for the identity itself (DATAVERSE 1.4)."""
        assert request.headers["Metadata"] == "true"
        query = request.url.params
        if query.get("client_id", "managed") != "managed":
            error = {"error": "invalid_request", "error_description": "Identity not found"}
            return httpx.Response(400, json=error)
        secret = TokenRequest(
            TENANT, "client_credentials", f"{query['resource']}/.default", "managed", "azure's own"
        )
        body = self.tokens.issue(secret).body
        return httpx.Response(200, json={**body, "expires_in": str(body["expires_in"])})

    def admit(self, request):
        """The environment: says who bears the token, or refuses it."""
        user = self.tokens.identify(request.headers["Authorization"])
        if not isinstance(user, str):
            return httpx.Response(401)
        return httpx.Response(200, json={"OrganizationId": "organization", "UserId": user})


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch):
    """No machine in Azure with an address of its own for managed identities."""
    for name in ("IDENTITY_ENDPOINT", "IMDS_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def provider():
    """One key for all tests: to make one takes a while."""
    return Provider()


@pytest.fixture
def entra(provider):
    """The authority that `talk` speaks to: one application for each kind of credential."""
    federation = Federation(ISSUER, SUBJECT, provider.public_key)
    users = (
        ApplicationUser("secret", "user of secret", client_secret="old"),
        ApplicationUser("certificate", "user of certificate", certificate=provider.certificate),
        ApplicationUser("federated", "user of federated", federations=(federation,)),
        ApplicationUser("managed", "user of managed", client_secret="azure's own"),
    )
    return Authority({user.client_id: user for user in users})


@pytest.fixture
def credentials(tmp_path, provider):
    """By kind, as in sync.yaml; what they keep in files is there."""
    (tmp_path / "secret").write_text("old\n")
    (tmp_path / "token").write_text(provider.token())
    provider.leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    return {
        "client_secret": {
            "kind": "client_secret",
            "tenant_id": TENANT,
            "client_id": "secret",
            "client_secret_file": tmp_path / "secret",
        },
        "certificate": {
            "kind": "certificate",
            "tenant_id": TENANT,
            "client_id": "certificate",
            "certificate_file": tmp_path / "both.pem",
        },
        "workload_identity": {
            "kind": "workload_identity",
            "tenant_id": TENANT,
            "client_id": "federated",
            "token_file": tmp_path / "token",
        },
        "managed_identity": {"kind": "managed_identity"},
    }


async def user_id(client):
    """Who we are."""
    return (await client.identify()).user_id


@pytest.mark.parametrize(
    ("kind", "user"),
    [
        ("client_secret", "user of secret"),
        ("certificate", "user of certificate"),
        ("workload_identity", "user of federated"),
        ("managed_identity", "user of managed"),
    ],
)
def test_every_kind_is_admitted(talk, entra, credentials, kind, user):
    """As the application user that it stands for."""
    assert user == talk(entra.admit, user_id, credentials=[credentials[kind]])


def test_kinds_can_be_mixed(talk, entra, credentials):
    """Application users of one environment take turns, whatever their kinds."""

    async def identify_four_times(client):
        return [await user_id(client) for _ in range(4)]

    users = talk(entra.admit, identify_four_times, credentials=list(credentials.values()))

    assert [f"user of {name}" for name in USERS] == users


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, {}),
        ({"client_id": "managed"}, {"client_id": "managed"}),
        ({"object_id": "o"}, {"object_id": "o"}),
        ({"resource_id": "/subscriptions/r"}, {"msi_res_id": "/subscriptions/r"}),
    ],
)
def test_managed_identity_is_chosen_by_id(talk, entra, settings, sent):
    """Without an id the system-assigned one; the token is for this environment alone."""
    talk(entra.admit, user_id, credentials=[{"kind": "managed_identity", **settings}])

    expected = {"api-version": "2018-02-01", "resource": ORIGIN, **sent}
    assert [expected] == [dict(request.url.params) for request in entra.requests]


def test_unknown_managed_identity(talk, entra):
    """The refusal tells where to look: there is no secret to be checked."""
    unknown = {"kind": "managed_identity", "client_id": "another"}

    with pytest.raises(AccessError) as raised:
        talk(entra.admit, user_id, credentials=[unknown])

    assert "Identity not found" == raised.value.why
    assert "Check that this machine has the managed identity, and the id if one is given" == (
        raised.value.mend
    )


def test_managed_identity_outside_azure(talk, entra, monkeypatch):
    """Where nobody serves managed identities, the message says so."""

    def refuse(*_arguments):
        raise httpx.ConnectError("no route to host")

    monkeypatch.setattr(Authority, "_serve_managed_identity", refuse)

    with pytest.raises(UnreachableError, match="only machines in Azure can have one"):
        talk(entra.admit, user_id, credentials=[{"kind": "managed_identity"}])


@pytest.mark.parametrize(
    ("claims", "number", "mend"),
    [
        ({"sub": "somebody else"}, 700213, "Give the application in Entra a federated credential"),
        ({"aud": "elsewhere"}, 700212, "Give the application in Entra a federated credential"),
        ({"iss": "https://other"}, 700211, "Give the application in Entra a federated credential"),
        ({"exp": 1}, 700024, "Check that token_file is kept fresh"),
    ],
)
def test_federated_token_that_entra_does_not_trust(
    talk, entra, credentials, provider, claims, number, mend
):
    """What to do about it depends on what is wrong with it."""
    credential = credentials["workload_identity"]
    credential["token_file"].write_text(provider.token(**claims))

    with pytest.raises(AccessError) as raised:
        talk(entra.admit, user_id, credentials=[credential])

    assert raised.value.why.startswith(f"AADSTS{number}")
    assert raised.value.mend.startswith(mend)


def test_secret_that_was_exchanged_is_read_again(talk, entra, credentials):
    """A new secret on disk is used without a restart, once Entra refuses the old one."""
    entra.lifetime_seconds = 60
    file = credentials["client_secret"]["client_secret_file"]

    async def exchange_meanwhile(client):
        await client.identify()
        file.write_text("new\n")
        entra.users["secret"] = ApplicationUser("secret", "user of secret", client_secret="new")
        await client.identify()

    talk(entra.admit, exchange_meanwhile, credentials=[credentials["client_secret"]])

    assert ["old", "old", "new"] == [form["client_secret"] for form in entra.forms]


def test_federated_token_is_read_for_each_request(talk, entra, credentials, provider):
    """The provider exchanges it every few minutes."""
    entra.lifetime_seconds = 60
    file = credentials["workload_identity"]["token_file"]
    tokens = [provider.token(), provider.token(jti="the next one")]

    async def exchange_meanwhile(client):
        for token in tokens:
            file.write_text(token)
            await client.identify()

    talk(entra.admit, exchange_meanwhile, credentials=[credentials["workload_identity"]])

    assert tokens == [form["client_assertion"] for form in entra.forms]


def test_sovereign_cloud(talk, entra, credentials):
    """Tokens are asked for where `authority` says, and MSAL asks no public directory about it."""
    talk(
        entra.admit,
        user_id,
        credentials=[credentials["client_secret"]],
        authority="https://login.microsoftonline.us",
    )

    assert "login.microsoftonline.us" == entra.requests[0].url.host
    assert "login.microsoftonline.com" not in {request.url.host for request in entra.requests}
