"""The token endpoint and its tokens, without a network (DATAVERSE 1)."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dv_sync_pipeline.emulator.process.identity import (
    AnyToken,
    Challenge,
    IssuedTokens,
    TokenAnswer,
)
from dv_sync_pipeline.emulator.process.proofs import ApplicationUser, TokenRequest

URL = "https://localhost:8801"
TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
CERTIFIED_CLIENT = "33333333-3333-3333-3333-333333333333"
USER = "44444444-4444-4444-4444-444444444444"
TRACE = uuid.UUID(int=5)
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_ENDPOINT = f"{URL}/{TENANT}/oauth2/v2.0/token"

REQUEST = TokenRequest(
    tenant=TENANT,
    grant_type="client_credentials",
    scope=f"{URL}/.default",
    client_id=CLIENT,
    client_secret="right",
)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        """Noon of a day in June."""
        self.moment = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The present."""
        return self.moment


@pytest.fixture(scope="module")
def leaf() -> trustme.LeafCert:
    """A certificate with its private key, as an administrator would register it."""
    return trustme.CA().issue_cert(common_name=CERTIFIED_CLIENT, key_type=trustme.KeyType.RSA)


@pytest.fixture
def clock() -> Clock:
    """The time that the token endpoint believes in."""
    return Clock()


@pytest.fixture
def open_tokens(clock: Clock, leaf: trustme.LeafCert) -> Callable[..., IssuedTokens]:
    """Opens the token endpoint of an environment; every one with the same key."""
    users = (
        ApplicationUser(CLIENT, USER, client_secret="right"),
        ApplicationUser(CERTIFIED_CLIENT, USER, certificate=leaf.cert_chain_pems[0].bytes()),
    )

    def open_at(url: str = URL) -> IssuedTokens:
        return IssuedTokens(
            base_url=url,
            tenant_id=TENANT,
            users=users,
            signing_key=b"k" * 32,
            now=clock,
            new_id=lambda: TRACE,
        )

    return open_at


def _header(answer: TokenAnswer) -> str:
    assert answer.status == 200, answer.body
    return f"Bearer {answer.body['access_token']}"


def test_token_identifies_its_user(open_tokens):
    """A token that was issued for the right secret stands for the user of the application."""
    header = _header(open_tokens().issue(REQUEST))

    assert USER == open_tokens().identify(header)


def test_no_two_tokens_are_alike(clock):
    """Not even within a second, so that one can be refused while the next one is accepted."""
    tokens = IssuedTokens(
        base_url=URL,
        tenant_id=TENANT,
        users=[ApplicationUser(CLIENT, USER, client_secret="right")],
        signing_key=b"k" * 32,
        now=clock,
        new_id=uuid.uuid4,
    )

    assert _header(tokens.issue(REQUEST)) != _header(tokens.issue(REQUEST))


def test_answer_has_the_documented_members(open_tokens):
    """A client learns the type and the lifetime of its token (1.1)."""
    answer = open_tokens().issue(REQUEST)

    assert {"token_type", "expires_in", "ext_expires_in", "access_token"} == answer.body.keys()
    assert ("Bearer", 3599) == (answer.body["token_type"], answer.body["expires_in"])


@pytest.mark.parametrize(
    "scope",
    [
        f"{URL}/.default",
        f"{URL}//.default",
        "https://127.0.0.1:8801/.default",
        "https://LOCALHOST:8801/.default",
    ],
)
def test_scope_may_name_the_environment_in_several_ways(open_tokens, scope):
    """One slash or two, and any name of this machine (1.1)."""
    answer = open_tokens().issue(replace(REQUEST, scope=scope))

    assert 200 == answer.status


@pytest.mark.parametrize(
    ("change", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"client_id": USER}, 400, "unauthorized_client", 700016),
        ({"client_id": ""}, 400, "invalid_request", 900144),
        ({"tenant": "elsewhere"}, 400, "invalid_request", 90002),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"scope": URL}, 400, "invalid_scope", 70011),
        ({"scope": f"{URL}/.default openid"}, 400, "invalid_scope", 70011),
        ({"scope": f"{URL}/user_impersonation"}, 400, "invalid_scope", 70011),
        ({"scope": "https://localhost:8802/.default"}, 400, "invalid_resource", 500011),
    ],
)
def test_refusal_says_what_entra_says(open_tokens, change, status, error, number):
    """Every mistake of a client has Entra's status, word and number (1.1)."""
    answer = open_tokens().issue(replace(REQUEST, **change))

    assert (status, error, [number]) == (
        answer.status,
        answer.body["error"],
        answer.body["error_codes"],
    )
    assert str(answer.body["error_description"]).startswith(f"AADSTS{number}: ")


def test_refusal_can_be_traced(open_tokens):
    """A refusal bears the time and an id, in the form that Entra uses (1.1)."""
    answer = open_tokens().issue(replace(REQUEST, client_secret="wrong"))

    assert "2026-06-01 12:00:00Z" == answer.body["timestamp"]
    assert str(TRACE) == answer.body["trace_id"]


def test_client_without_a_secret_cannot_use_an_empty_one(open_tokens):
    """An application that proves itself by certificate has no secret that could be guessed."""
    answer = open_tokens().issue(
        replace(REQUEST, client_id=CERTIFIED_CLIENT, client_secret="anything")
    )

    assert 401 == answer.status


def _assertion(leaf: trustme.LeafCert, now: datetime, **changes: object) -> str:
    claims = {
        "aud": TOKEN_ENDPOINT,
        "iss": CERTIFIED_CLIENT,
        "sub": CERTIFIED_CLIENT,
        "exp": int(now.timestamp()) + 600,
    }
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    return jwt.encode(claims | changes, key, algorithm="PS256")


def _certified(assertion: str, **changes: str) -> TokenRequest:
    request = replace(REQUEST, client_id=CERTIFIED_CLIENT, client_secret="")
    return replace(
        request,
        **{"client_assertion": assertion, "client_assertion_type": JWT_BEARER} | changes,
    )


def test_registered_certificate_proves_the_client(open_tokens, leaf, clock):
    """An assertion signed with the registered certificate's key earns a token (1.4)."""
    answer = open_tokens().issue(_certified(_assertion(leaf, clock())))

    assert USER == open_tokens().identify(_header(answer))


def test_foreign_certificate_is_refused(open_tokens, clock):
    """A key that nobody registered proves nothing."""
    stranger = trustme.CA().issue_cert(common_name="x", key_type=trustme.KeyType.RSA)

    answer = open_tokens().issue(_certified(_assertion(stranger, clock())))

    assert (401, [700027]) == (answer.status, answer.body["error_codes"])


def test_client_without_certificate_cannot_use_one(open_tokens, leaf, clock):
    """A certificate of one application does not help another."""
    request = replace(_certified(_assertion(leaf, clock(), iss=CLIENT)), client_id=CLIENT)

    answer = open_tokens().issue(request)

    assert (401, [700027]) == (answer.status, answer.body["error_codes"])


@pytest.mark.parametrize(
    ("claims", "number"),
    [({"aud": "https://elsewhere/token"}, 700027), ({"iss": CLIENT}, 700027), ({"exp": 1}, 700024)],
)
def test_assertion_must_be_meant_for_us(open_tokens, leaf, clock, claims, number):
    """Audience, issuer and time of an assertion are checked."""
    answer = open_tokens().issue(_certified(_assertion(leaf, clock(), **claims)))

    assert (401, [number]) == (answer.status, answer.body["error_codes"])


def test_assertion_type_is_checked(open_tokens, leaf, clock):
    """Only signed assertions are understood."""
    request = _certified(_assertion(leaf, clock()), client_assertion_type="saml")

    assert 400 == open_tokens().issue(request).status


def test_token_expires(open_tokens, clock):
    """A token is good for its lifetime and not a second longer (1.3)."""
    header = _header(open_tokens().issue(REQUEST))
    clock.moment += timedelta(seconds=3598)
    assert USER == open_tokens().identify(header)

    clock.moment += timedelta(seconds=1)

    challenge = open_tokens().identify(header)
    assert isinstance(challenge, Challenge)
    assert "expired" in challenge.header


def test_missing_token_is_answered_with_the_address_of_the_authority(open_tokens):
    """A client learns where tokens come from, as Microsoft's own client reads it (1.3)."""
    expected = f"Bearer authorization_uri={URL}/{TENANT}/oauth2/authorize, resource_id={URL}/"

    assert Challenge(expected) == open_tokens().identify("")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic abc", "bearer a.b.c"])
def test_malformed_token_is_challenged(open_tokens, header):
    """What is no token of ours is answered like none at all."""
    assert isinstance(open_tokens().identify(header), Challenge)


def test_token_of_another_environment_is_challenged(open_tokens):
    """The audience of a token is one environment, even if both trust the same key (1.1)."""
    header = _header(
        open_tokens("https://localhost:8802").issue(
            replace(REQUEST, scope="https://localhost:8802/.default")
        )
    )

    challenge = open_tokens().identify(header)

    assert isinstance(challenge, Challenge)
    assert "another environment" in challenge.header


def test_token_signed_by_others_is_challenged(open_tokens):
    """A token with the right claims and the wrong signature is worthless."""
    claims = jwt.decode(
        open_tokens().issue(REQUEST).body["access_token"], options={"verify_signature": False}
    )
    forged = jwt.encode(claims, b"f" * 32, algorithm="HS256")

    assert isinstance(open_tokens().identify(f"Bearer {forged}"), Challenge)


@pytest.mark.parametrize("header", ["", "Bearer whatever", "Basic abc"])
def test_any_token_is_the_same_user(header):
    """With `--any-token` even a request without a token has a user."""
    assert USER == AnyToken(USER).identify(header)
