"""Tokens: how they are asked for, renewed, and what is said when Entra refuses."""

import asyncio

import httpx
import pytest
import trustme

from dv_sync_pipeline.errors import AccessError, ConfigurationError, UnreachableError

WHO = {"OrganizationId": "11111111-1111-1111-1111-111111111111", "UserId": "user"}


def _greet(_request):
    return httpx.Response(200, json=WHO)


def _identify(client):
    return client.identify()


def _application(client_id, **settings):
    secret = {"kind": "client_secret", "tenant_id": "tenant", "client_secret": "another-secret"}
    return {**secret, "client_id": client_id, **settings}


def _issue_certificate(pem, *, key_type):
    certificate = trustme.CA().issue_cert("application.example", key_type=key_type)
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)


def test_token_request(talk, entra):
    """The token is asked for by client credentials, for this environment alone."""
    talk(_greet, _identify)

    assert {
        "client_id": "client",
        "client_secret": "a-secret-nobody-may-see",
        "grant_type": "client_credentials",
        "scope": "https://contoso.crm4.dynamics.com/.default",
    }.items() <= entra.forms[0].items()


def test_token_is_sent(talk):
    """Requests carry the token that Entra issued."""
    seen = []

    def server(request):
        seen.append(request.headers["Authorization"])
        return _greet(request)

    talk(server, _identify)

    assert ["Bearer token-1"] == seen


def test_token_is_kept(talk, entra):
    """A token with some life left serves later requests."""

    async def identify_twice(client):
        await client.identify()
        await client.identify()

    talk(_greet, identify_twice)

    assert 1 == entra.issued


def test_short_lived_tokens_are_not_kept(talk, entra):
    """A token with less than five minutes left is not used again (DATAVERSE 1.4)."""
    entra.answer = lambda _: httpx.Response(
        200, json={"access_token": "brief", "expires_in": 60, "token_type": "Bearer"}
    )

    async def identify_twice(client):
        await client.identify()
        await client.identify()

    talk(_greet, identify_twice)

    assert 2 == len(entra.forms)


def test_certificate(talk, entra, tmp_path):
    """With a certificate, a signed assertion takes the place of the secret."""
    pem = tmp_path / "application.pem"
    _issue_certificate(pem, key_type=trustme.KeyType.RSA)
    certificate = {"kind": "certificate", "tenant_id": "tenant", "client_id": "client"}

    talk(_greet, _identify, credentials=[{**certificate, "certificate_file": str(pem)}])

    assert "client_secret" not in entra.forms[0]
    assert entra.forms[0]["client_assertion"].startswith("eyJ")


def test_garbled_certificate(talk, tmp_path):
    """A file that holds no certificate is a mistake with a name."""
    pem = tmp_path / "application.pem"
    pem.write_text("no certificate at all")
    certificate = {"kind": "certificate", "tenant_id": "tenant", "client_id": "client"}

    with pytest.raises(AccessError, match=r"environments\.primary\.credentials"):
        talk(_greet, _identify, credentials=[{**certificate, "certificate_file": str(pem)}])


def test_certificate_of_the_wrong_kind(talk, tmp_path):
    """Entra takes RSA keys only; another is a mistake with a name, not a traceback."""
    pem = tmp_path / "application.pem"
    _issue_certificate(pem, key_type=trustme.KeyType.ECDSA)
    certificate = {"kind": "certificate", "tenant_id": "tenant", "client_id": "client"}

    with pytest.raises(AccessError, match="ECPrivateKey"):
        talk(_greet, _identify, credentials=[{**certificate, "certificate_file": str(pem)}])


def test_missing_secret_file(talk, tmp_path):
    """A secret file that is not there is a mistake in the configuration."""
    user = _application("client", client_secret=None, client_secret_file=str(tmp_path / "none"))

    with pytest.raises(ConfigurationError, match="cannot be read"):
        talk(_greet, _identify, credentials=[user])


def test_application_users_take_turns(talk):
    """Two application users share the requests evenly."""
    seen = []

    def server(request):
        seen.append(request.headers["Authorization"])
        return _greet(request)

    async def identify_four_times(client):
        for _ in range(4):
            await client.identify()

    talk(server, identify_four_times, credentials=[_application("one"), _application("two")])

    assert ["Bearer token-1", "Bearer token-2"] * 2 == seen


def test_refused_token_is_renewed_once(talk, entra):
    """A 401 leads to one new token and one repeat, even of a write (RELIABILITY 4, 10)."""

    def server(request):
        is_renewed = request.headers["Authorization"] == "Bearer token-2"
        return _greet(request) if is_renewed else httpx.Response(401)

    talk(server, _identify)

    assert 2 == entra.issued


def test_repeats_after_401_are_counted(talk):
    """The refused request counts as one of the requests sent."""

    def server(request):
        is_renewed = request.headers["Authorization"] == "Bearer token-2"
        return _greet(request) if is_renewed else httpx.Response(401)

    async def identify_and_count(client):
        await client.identify()
        return client.traffic.requests

    assert 2 == talk(server, identify_and_count)


def test_requests_that_fail_together_renew_once(talk, entra):
    """Tasks whose common token is refused ask for one new token among them."""
    four_came = asyncio.Barrier(4)

    async def server(request):
        if request.headers["Authorization"] == "Bearer token-2":
            return _greet(request)
        await four_came.wait()
        return httpx.Response(401)

    async def identify_at_once(client):
        await asyncio.gather(*(client.identify() for _ in range(4)))

    talk(server, identify_at_once)

    assert 2 == entra.issued


def test_environment_that_never_admits(talk):
    """A second 401 is final and says what to do in the environment."""
    with pytest.raises(AccessError, match="application user of this environment"):
        talk(lambda _: httpx.Response(401), _identify)


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (7000215, "Check the client secret: Entra says it is wrong or expired"),
        (7000222, "Check the client secret: Entra says it is wrong or expired"),
        (700016, "Check client_id and tenant_id"),
        (90002, "Check tenant_id"),
        (500011, "Check url"),
        (700027, "Upload the certificate"),
        (1, "Check tenant_id, client_id and the secret or certificate"),
    ],
)
def test_refusals_of_entra(talk, entra, number, mend):
    """Entra's refusal becomes something that a person can do."""
    entra.answer = lambda _: httpx.Response(
        401,
        json={
            "error": "invalid_client",
            "error_description": f"AADSTS{number}: No. Trace ID: 1 Correlation ID: 2",
        },
    )

    with pytest.raises(AccessError) as raised:
        talk(_greet, _identify)

    assert raised.value.mend.startswith(mend)
    assert f"AADSTS{number}: No" == raised.value.why


def test_unknown_tenant(talk, entra, monkeypatch):
    """A tenant without a document of endpoints is told apart from a broken network."""
    monkeypatch.setattr(type(entra), "__call__", lambda *_: httpx.Response(400))

    with pytest.raises(AccessError, match="Check tenant_id"):
        talk(_greet, _identify)


def test_unreachable_authority(talk, entra):
    """An authority that does not answer is named, with the reason."""

    def refuse(_request):
        raise httpx.ConnectError("connection refused")

    entra.answer = refuse

    with pytest.raises(UnreachableError, match=r"login\.microsoftonline\.com.*refused"):
        talk(_greet, _identify)


def test_authority_out_of_order(talk, entra):
    """A server error of the authority is no refusal of the user."""
    entra.answer = lambda _: httpx.Response(503)

    with pytest.raises(UnreachableError, match="no token from"):
        talk(_greet, _identify)


def test_authority_that_stumbles_later(talk, entra, time):
    """Once a token was issued, a failing authority is waited for beyond MSAL's 5 s memory."""

    def server(request):
        is_renewed = request.headers["Authorization"] == "Bearer token-2"
        return _greet(request) if is_renewed else httpx.Response(401)

    answers = iter(["token-1", None, "token-2"])

    def stumble(_request):
        token = next(answers)
        if token is None:
            return httpx.Response(503)
        return httpx.Response(200, json={"access_token": token, "expires_in": 3600})

    entra.answer = stumble
    talk(server, _identify)

    assert [6.0] == time.waits


def test_garbled_answer_of_authority(talk, entra):
    """An answer that is no JSON ends in an error of ours."""
    entra.answer = lambda _: httpx.Response(200, text="<html>")

    with pytest.raises(AccessError, match="no token"):
        talk(_greet, _identify)


def test_secret_is_not_in_refusals(talk, entra):
    """An authority that repeats the secret does not get it into our error."""
    entra.answer = lambda request: httpx.Response(
        400, json={"error": "x", "error_description": f"bad form {request.content.decode()}"}
    )

    with pytest.raises(AccessError) as raised:
        talk(_greet, _identify)

    assert "a-secret-nobody-may-see" not in f"{raised.value}{raised.value!r}"
