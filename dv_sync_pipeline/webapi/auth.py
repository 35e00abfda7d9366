"""Tokens: MSAL's client credentials as an authentication flow of httpx.

Belongs here: getting a token for one environment, renewing it once after a 401, taking turns among
application users, and Entra's refusals in words that a person can act on (DATAVERSE 1). Does not
belong here: how each kind of credential asks MSAL (`token_sources`), and where a token may be sent;
that is checked in `origin` before a request exists.
"""

import asyncio
import itertools
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
import msal

from dv_sync_pipeline.config import (
    Credential,
    EnvironmentConfiguration,
    ManagedIdentityCredential,
    Model,
    WorkloadIdentityCredential,
)
from dv_sync_pipeline.errors import AccessError, ConfigurationError, UnreachableError
from dv_sync_pipeline.redact import redact
from dv_sync_pipeline.webapi.token_sources import (
    MsalHttp,
    TokenSource,
    token_issuer,
    token_source,
)

__all__ = ["ApplicationUser", "TakingTurns", "application_users"]

_log = logging.getLogger(__name__)

_ATTEMPTS_MAX = 3
_PAUSE_SECONDS = 6.0
"""MSAL repeats an error answer of the authority for 5 s without asking (DATAVERSE 1.4)."""

_NO_ANSWER = (httpx.HTTPError, msal.exceptions.MsalServiceError)
"""The network failed, or the authority answered with a 5xx."""

_CHECK_ALL = "Check tenant_id, client_id and the secret or certificate"
_CHECK_NETWORK = "Check authority, the network, and ca_file if the certificate is not trusted"
_CHECK_IDENTITY = "Check that this machine has the managed identity"
_TRUST_PROVIDER = (
    "Give the application in Entra a federated credential with the issuer, subject and audience of"
    " the token in token_file"
)

_CHECKS: Mapping[type[Model], str] = {
    ManagedIdentityCredential: f"{_CHECK_IDENTITY}, and the id if one is given",
    WorkloadIdentityCredential: "Check tenant_id, client_id and the token in token_file",
}
"""What to look at when nothing better is known; `_CHECK_ALL` for the others."""

_UNREACHABLE_MENDS: Mapping[type[Model], str] = {
    ManagedIdentityCredential: f"{_CHECK_IDENTITY}: only machines in Azure can have one",
}

_MENDS: Mapping[str, str] = {
    "7000215": "Check the client secret: Entra says it is wrong or expired",
    "7000222": "Check the client secret: Entra says it is wrong or expired",
    "700016": "Check client_id and tenant_id: Entra does not know the application in this tenant",
    "90002": "Check tenant_id: Entra does not know this tenant",
    "900023": "Check tenant_id: Entra does not know this tenant",
    "500011": "Check url: Entra knows no environment of this address in the tenant",
    "70011": "Check url: Entra knows no environment of this address in the tenant",
    "700027": "Upload the certificate to the application registration in Entra",
    "70021": _TRUST_PROVIDER,
    "700211": _TRUST_PROVIDER,
    "700212": _TRUST_PROVIDER,
    "700213": _TRUST_PROVIDER,
    "700024": "Check that token_file is kept fresh, and the clock of this machine",
    "7000229": "Give the application a service principal in the tenant",
}
"""AADSTS number → what to do about it."""

_AADSTS_NUMBER = re.compile(r"AADSTS(\d+)")
_AADSTS_TAIL = re.compile(r"\.?\s*Trace ID:.*", re.DOTALL)


class ApplicationUser:
    """One application user of one environment, with its token.

    MSAL is synchronous and keeps the token in memory; one lock lets only one of our tasks ask.
    """

    def __init__(
        self,
        credential: Credential,
        *,
        environment: str,
        configuration: EnvironmentConfiguration,
        http: httpx.Client,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._credential = credential
        self._configuration = configuration
        self._environment = environment
        self._issuer = token_issuer(credential, configuration=configuration)
        self._http = MsalHttp(http)
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._source: TokenSource | None = None
        self._latest_token = ""

    async def token(self) -> str:
        """A token with at least five minutes left, from memory where possible.

        Raises `AccessError` when Entra refuses, `UnreachableError` when it does not answer.
        """
        async with self._lock:
            return await self._acquire()

    async def renewed_token(self, *, refused: str) -> str:
        """Another token than the refused one; asked for only once by tasks that fail together."""
        async with self._lock:
            if self._latest_token == refused:
                # MSAL cannot be told to forget one token (DATAVERSE 1.4), so it forgets all.
                self._source = None
            return await self._acquire()

    async def _acquire(self) -> str:
        is_read_before = self._source is not None
        answer = await self._ask_patiently()
        if "access_token" not in answer and is_read_before:
            # Its secret or certificate may have been exchanged on disk since it was read; MSAL
            # would repeat this answer for 60 s (DATAVERSE 1.4).
            self._source = None
            answer = await self._ask_patiently()
        if "access_token" not in answer:
            self._source = None
            raise self._refusal(answer)
        self._latest_token = str(answer["access_token"])
        return self._latest_token

    async def _ask_patiently(self) -> dict[str, Any]:
        """A first failure is told at once, so that a mistake shows; a later one is waited out."""
        attempts_max = _ATTEMPTS_MAX if self._latest_token else 1
        for attempt in range(1, attempts_max + 1):
            try:
                return await asyncio.to_thread(self._ask)
            except _NO_ANSWER as failure:
                self._source = None
                if attempt == attempts_max:
                    raise self._unreachable(failure) from None
            _log.warning("%s: no token from %s yet", self._environment, self._issuer)
            await self._sleep(_PAUSE_SECONDS)
        raise AssertionError

    def _ask(self) -> dict[str, Any]:
        """One call of MSAL, in a thread of its own."""
        try:
            self._source = self._source or token_source(
                self._credential, configuration=self._configuration, http=self._http
            )
            return self._source()
        except (ConfigurationError, *_NO_ANSWER):
            raise
        except Exception as failure:  # noqa: BLE001 - MSAL lets through what its libraries raise
            # An unknown tenant, a certificate that is none or not RSA, a garbled answer.
            self._source = None
            raise AccessError(
                "no token for the application user",
                where=f"environments.{self._environment}.credentials",
                why=redact(str(failure)),
                mend=self._check_all,
            ) from None

    @property
    def _check_all(self) -> str:
        return _CHECKS.get(type(self._credential), _CHECK_ALL)

    def _refusal(self, answer: Mapping[str, Any]) -> AccessError:
        description = str(answer.get("error_description") or answer.get("error") or "")
        number = _AADSTS_NUMBER.search(description)
        return AccessError(
            "Entra refuses the application user",
            where=f"environments.{self._environment}.credentials",
            why=redact(_AADSTS_TAIL.sub("", description).rstrip(".")),
            mend=_MENDS.get(number[1] if number else "", self._check_all),
        )

    def _unreachable(self, failure: Exception) -> UnreachableError:
        return UnreachableError(
            f"no token from {self._issuer}",
            where=f"environments.{self._environment}",
            why=redact(f"{type(failure).__name__}: {failure}"),
            mend=_UNREACHABLE_MENDS.get(type(self._credential), _CHECK_NETWORK),
        )


class TakingTurns(httpx.Auth):
    """Signs each request for the next application user, so that each has its own limits.

    A 401 is answered with one renewed token and one repeat: a refused request was not carried out
    (RELIABILITY 4, 10).
    """

    def __init__(self, users: Sequence[ApplicationUser]) -> None:
        self._turns = itertools.cycle(users)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Yield the request signed, and once more if the token was refused."""
        user = next(self._turns)
        token = await user.token()
        answer = yield _signed(request, token)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            yield _signed(request, await user.renewed_token(refused=token))


def application_users(
    configuration: EnvironmentConfiguration,
    *,
    environment: str,
    http: httpx.Client,
    sleep: Callable[[float], Awaitable[None]],
) -> list[ApplicationUser]:
    """The application users of an environment, in the order of the configuration."""
    return [
        ApplicationUser(
            credential,
            environment=environment,
            configuration=configuration,
            http=http,
            sleep=sleep,
        )
        for credential in configuration.credentials
    ]


def _signed(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
