"""How an application proves who it is: by a secret, a certificate, or another provider's token.

Belongs here: the checks of what a token request shows (DATAVERSE 1.1, 1.4), and Entra's refusals.
Does not belong here: what is issued in exchange (`identity`).
"""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["ApplicationUser", "Federation", "Refusal", "TokenRequest", "check_proof"]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_ALGORITHMS = ["RS256", "PS256"]


@dataclass(frozen=True, slots=True)
class Federation:
    """Another identity provider's tokens that prove an application (DATAVERSE 1.1).

    Attributes:
        issuer: of the tokens.
        subject: whom they speak of, such as a Kubernetes service account.
        public_key: PEM key of the provider; Entra fetches it from the provider itself.
        audience: for whom they are meant.

    """

    issuer: str
    subject: str
    public_key: bytes
    audience: str = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class ApplicationUser:
    """An application that is registered with Entra and is a user of the environment.

    Attributes:
        client_id: application id.
        user_id: id of its `systemuser` row.
        client_secret: proves it; None when it has none.
        certificate: PEM certificate that proves it; None when none is registered.
        federations: other identity providers whose tokens prove it.

    """

    client_id: str
    user_id: str
    client_secret: str | None = None
    certificate: bytes | None = None
    federations: tuple[Federation, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client sent to the token endpoint; "" for what it left out."""

    tenant: str
    grant_type: str
    scope: str
    client_id: str
    client_secret: str = ""
    client_assertion_type: str = ""
    client_assertion: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the token endpoint.

    Attributes:
        status: of the HTTP answer.
        error: OAuth's word for it.
        number: Entra's number for it, without AADSTS.
        text: Entra's sentence about it.

    """

    status: int
    error: str
    number: int
    text: str


def check_proof(
    request: TokenRequest, user: ApplicationUser, *, audiences: Collection[str], now: datetime
) -> Refusal | None:
    """None when the request proves the user; else why not.

    `audiences` are the addresses under which the token endpoint is known.
    """
    attempt = _Attempt(request, user, audiences, now)
    return _check_assertion(attempt) if request.client_assertion else _check_secret(attempt)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A request of a known application, at a moment."""

    request: TokenRequest
    user: ApplicationUser
    audiences: Collection[str]
    now: datetime


def _check_secret(attempt: _Attempt) -> Refusal | None:
    if not attempt.request.client_secret:
        text = (
            "The request body must contain the following parameter: "
            "'client_assertion' or 'client_secret'."
        )
        return Refusal(401, "invalid_client", 7000218, text)
    expected = attempt.user.client_secret or ""
    if expected and hmac.compare_digest(expected.encode(), attempt.request.client_secret.encode()):
        return None
    text = f"Invalid client secret provided for app '{attempt.user.client_id}'."
    return Refusal(401, "invalid_client", 7000215, text)


def _check_assertion(attempt: _Attempt) -> Refusal | None:
    if attempt.request.client_assertion_type != _ASSERTION_TYPE:
        text = f"The 'client_assertion_type' must be '{_ASSERTION_TYPE}'."
        return Refusal(400, "invalid_request", 50027, text)
    issuer = _unverified_issuer(attempt.request.client_assertion)
    if urlsplit(issuer).scheme == "https":  # of an identity provider, not of the application
        return _check_federated(attempt, issuer=issuer)
    return _check_certified(attempt)


def _check_certified(attempt: _Attempt) -> Refusal | None:
    if attempt.user.certificate is None:
        return _unregistered_certificate()
    try:
        claims = jwt.decode(
            attempt.request.client_assertion,
            _public_key(attempt.user.certificate),
            algorithms=_ASSERTION_ALGORITHMS,
            audience=[
                f"{url}/{attempt.request.tenant}/oauth2/v2.0/token" for url in attempt.audiences
            ],
            issuer=attempt.user.client_id,
            options={"verify_exp": False, "verify_nbf": False, "require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError:
        return _unregistered_certificate()
    return _check_time(attempt, claims)


def _check_federated(attempt: _Attempt, *, issuer: str) -> Refusal | None:
    federation = next((each for each in attempt.user.federations if each.issuer == issuer), None)
    if federation is None:
        text = f"No matching federated identity record found for presented issuer '{issuer}'."
        return Refusal(401, "invalid_client", 700211, text)
    try:
        claims = jwt.decode(
            attempt.request.client_assertion,
            federation.public_key,
            algorithms=_ASSERTION_ALGORITHMS,
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "require": ["exp", "sub", "aud"],
            },
        )
    except jwt.InvalidTokenError:
        text = "The signature of the client assertion is not valid."
        return Refusal(401, "invalid_client", 50013, text)
    return _check_federation(claims, federation) or _check_time(attempt, claims)


def _check_time(attempt: _Attempt, claims: Mapping[str, float]) -> Refusal | None:
    if claims["exp"] > attempt.now.timestamp():
        return None
    text = "Client assertion is not within its valid time range."
    return Refusal(401, "invalid_client", 700024, text)


def _unverified_issuer(assertion: str) -> str:
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return ""
    return str(claims.get("iss", ""))


def _check_federation(claims: Mapping[str, object], federation: Federation) -> Refusal | None:
    for claim, number, expected in (
        ("subject", 700213, federation.subject),
        ("audience", 700212, federation.audience),
    ):
        presented = claims[claim[:3]]
        if presented != expected:
            text = f"No matching federated identity record found for presented assertion {claim}"
            return Refusal(401, "invalid_client", number, f"{text} '{presented}'.")
    return None


def _unregistered_certificate() -> Refusal:
    text = "The certificate used to sign the client assertion is not registered on application."
    return Refusal(401, "invalid_client", 700027, text)


def _public_key(certificate: bytes) -> RSAPublicKey:
    key = x509.load_pem_x509_certificate(certificate).public_key()
    if not isinstance(key, RSAPublicKey):
        raise TypeError("a registered certificate must have an RSA key, as Entra demands")
    return key
