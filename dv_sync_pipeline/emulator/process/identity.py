"""Who may speak to an environment: the token endpoint of Entra, and the check of its tokens.

Belongs here: what MSAL needs to run unmodified (DATAVERSE 1.1, 1.4, 1.5), signed tokens bound to
tenant, audience and user, and the challenge of a 401 (DATAVERSE 1.3). Does not belong here: what a
user may do once it is known.
"""

import base64
import binascii
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dv_sync_pipeline.emulator.process.proofs import (
    ApplicationUser,
    Refusal,
    TokenRequest,
    check_proof,
)

__all__ = [
    "AnyToken",
    "Challenge",
    "IssuedTokens",
    "TokenAnswer",
    "token_routes",
]

TOKEN_LIFETIME_SECONDS = 3599
_TOKEN_ALGORITHM = "HS256"  # noqa: S105 - the name of an algorithm
_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the token endpoint answers: an HTTP status and a JSON object."""

    status: int
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Challenge:
    """Why a request is answered 401, as its `WWW-Authenticate` header says it."""

    header: str


class IssuedTokens:
    """Issues tokens for one environment and recognizes them again.

    A token is a JSON web token signed with a key of the state folder, so that it outlives a
    restart of the server and needs no table of its own.
    """

    def __init__(
        self,
        *,
        base_url: str,
        tenant_id: str,
        users: Iterable[ApplicationUser],
        signing_key: bytes,
        now: Callable[[], datetime],
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
        lifetime_seconds: int = TOKEN_LIFETIME_SECONDS,
    ) -> None:
        self.base_url = base_url
        self.tenant_id = tenant_id
        self._users = {user.client_id.lower(): user for user in users}
        self._signing_key = signing_key
        self._now = now
        self._new_id = new_id
        self._lifetime_seconds = lifetime_seconds
        self._audiences = _same_origins(base_url)

    @property
    def token_endpoint(self) -> str:
        """Where tokens are asked for."""
        return f"{self.base_url}/{self.tenant_id}/oauth2/v2.0/token"

    def describe(self, tenant: str) -> dict[str, str]:
        """The openid-configuration; MSAL reads the first three (DATAVERSE 1.4)."""
        authority = f"{self.base_url}/{tenant}"
        return {
            "issuer": f"{authority}/v2.0",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
            "jwks_uri": f"{authority}/discovery/v2.0/keys",
        }

    def issue(self, request: TokenRequest) -> TokenAnswer:
        """A token, or the first reason against it in the order in which Entra looks."""
        checks = (self._check_tenant, _check_grant, self._check_client, self._check_scope)
        for check in checks:
            refusal = check(request)
            if refusal is not None:
                return _refused(refusal, now=self._now(), trace_id=str(self._new_id()))
        user = self._users[request.client_id.lower()]
        body = {
            "token_type": "Bearer",
            "expires_in": self._lifetime_seconds,
            "ext_expires_in": self._lifetime_seconds,
            "access_token": self._sign(user),
        }
        return TokenAnswer(200, body)

    def identify(self, authorization: str) -> str | Challenge:
        """The user id that an `Authorization` header proves, or the challenge to answer it with."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return self._challenge("")
        try:
            claims = jwt.decode(
                token.strip(),
                self._signing_key,
                algorithms=[_TOKEN_ALGORITHM],
                options={"verify_exp": False, "verify_aud": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return self._challenge("The token is malformed or its signature is not valid")
        return self._identify_by(claims)

    def _identify_by(self, claims: Mapping[str, object]) -> str | Challenge:
        user = self._users.get(str(claims.get("appid")))
        if claims.get("aud") != self.base_url or claims.get("tid") != self.tenant_id:
            return self._challenge("The token was issued for another environment")
        if user is None or claims.get("oid") != user.user_id:
            return self._challenge("The user of the token is not known")
        if float(str(claims["exp"])) <= self._now().timestamp():
            return self._challenge("The token has expired")
        return user.user_id

    def _sign(self, user: ApplicationUser) -> str:
        issued_at = int(self._now().timestamp())
        claims = {
            "aud": self.base_url,
            "iss": f"{self.base_url}/{self.tenant_id}/v2.0",
            "tid": self.tenant_id,
            "appid": user.client_id.lower(),
            "oid": user.user_id,
            "iat": issued_at,
            "exp": issued_at + self._lifetime_seconds,
            "uti": self._new_id().hex,  # no two tokens are alike, not even within a second
        }
        return jwt.encode(claims, self._signing_key, algorithm=_TOKEN_ALGORITHM)

    def _challenge(self, problem: str) -> Challenge:
        error = f'error="invalid_token", error_description="{problem}", ' if problem else ""
        authority = f"authorization_uri={self.base_url}/{self.tenant_id}/oauth2/authorize"
        return Challenge(f"Bearer {error}{authority}, resource_id={self.base_url}/")

    def _check_tenant(self, request: TokenRequest) -> Refusal | None:
        if request.tenant.lower() == self.tenant_id:
            return None
        return Refusal(400, "invalid_request", 90002, f"Tenant '{request.tenant}' not found.")

    def _check_client(self, request: TokenRequest) -> Refusal | None:
        user = self._users.get(request.client_id.lower())
        if user is None:
            text = (
                f"Application with identifier '{request.client_id}' was not found in the "
                f"directory '{request.tenant}'."
            )
            return Refusal(400, "unauthorized_client", 700016, text)
        return check_proof(request, user, audiences=self._audiences, now=self._now())

    def _check_scope(self, request: TokenRequest) -> Refusal | None:
        resource, _, permission = request.scope.rpartition("/")
        if permission != ".default" or " " in request.scope or not resource:
            text = f"The provided request must include a 'scope' ... {request.scope} is not valid."
            return Refusal(400, "invalid_scope", 70011, text)
        if resource.rstrip("/").lower() in self._audiences:
            return None
        text = f"The resource principal named {resource} was not found in the tenant."
        return Refusal(400, "invalid_resource", 500011, text)


def _check_grant(request: TokenRequest) -> Refusal | None:
    if not request.grant_type or not request.client_id:
        missing = "client_id" if request.grant_type else "grant_type"
        text = f"The request body must contain the following parameter: '{missing}'."
        return Refusal(400, "invalid_request", 900144, text)
    if request.grant_type != "client_credentials":
        text = f"The app requested an unsupported grant type '{request.grant_type}'."
        return Refusal(400, "unsupported_grant_type", 70003, text)
    return None


def _refused(refusal: Refusal, *, now: datetime, trace_id: str) -> TokenAnswer:
    body = {
        "error": refusal.error,
        "error_description": f"AADSTS{refusal.number}: {refusal.text} Trace ID: {trace_id}",
        "error_codes": [refusal.number],
        "timestamp": now.strftime("%Y-%m-%d %H:%M:%SZ"),
        "trace_id": trace_id,
        "correlation_id": trace_id,
    }
    return TokenAnswer(refusal.status, body)


def _same_origins(base_url: str) -> frozenset[str]:
    """The names under which a server on this machine is reached: all mean the same audience."""
    parts = urlsplit(base_url)
    if parts.hostname not in {host.strip("[]") for host in _HOSTS}:
        return frozenset((base_url.lower(),))
    return frozenset(f"{parts.scheme}://{host}:{parts.port}" for host in _HOSTS)


class AnyToken:
    """Takes every request as one user's, whatever token it bears; for `--any-token`."""

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id

    def identify(self, authorization: str) -> str | Challenge:  # noqa: ARG002 - the same for all
        """The user id, always."""
        return self._user_id


def token_routes(tokens: IssuedTokens) -> list[Route]:
    """The endpoints of Entra that clients call before they have a token."""

    async def describe(request: Request) -> Response:
        return JSONResponse(tokens.describe(request.path_params["tenant"]))

    async def issue(request: Request) -> Response:
        answer = tokens.issue(await _read(request))
        return JSONResponse(answer.body, answer.status, {"Cache-Control": "no-store"})

    return [
        Route("/{tenant}/v2.0/.well-known/openid-configuration", describe),
        Route("/{tenant}/oauth2/v2.0/token", issue, methods=["POST"]),
    ]


async def _read(request: Request) -> TokenRequest:
    """The form, with the client's name and secret from HTTP Basic where they are sent that way."""
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    form |= _basic_credentials(request.headers.get("authorization", ""))
    names = ("grant_type", "scope", "client_id", "client_secret")
    assertion = ("client_assertion_type", "client_assertion")
    values = {name: form.get(name, "") for name in (*names, *assertion)}
    return TokenRequest(tenant=request.path_params["tenant"], **values)


def _basic_credentials(authorization: str) -> dict[str, str]:
    """Both halves are form-encoded before they are joined (RFC 6749, 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}
