"""Tokens: MSAL's client credentials as an authentication flow of httpx.

Belongs here: getting a token for one environment, renewing it once after a 401, taking turns among
application users, and Entra's refusals in words that a person can act on (DATAVERSE 1). Does not
belong here: where a token may be sent; that is checked in `origin` before a request exists.
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
    CertificateCredential,
    Credential,
    EnvironmentConfiguration,
)
from dv_sync_pipeline.errors import AccessError, ConfigurationError, UnreachableError
from dv_sync_pipeline.redact import redact

__all__ = ["ApplicationUser", "TakingTurns", "application_users"]

_log = logging.getLogger(__name__)

_ATTEMPTS_MAX = 3
_PAUSE_SECONDS = 6.0
"""MSAL repeats an error answer of the authority for 5 s without asking (DATAVERSE 1.4)."""

_NO_ANSWER = (httpx.HTTPError, msal.exceptions.MsalServiceError)
"""The network failed, or the authority answered with a 5xx."""

_CHECK_ALL = "Check tenant_id, client_id and the secret or certificate"

_MENDS: Mapping[str, str] = {
    "7000215": "Check the client secret: Entra says it is wrong or expired",
    "7000222": "Check the client secret: Entra says it is wrong or expired",
    "700016": "Check client_id and tenant_id: Entra does not know the application in this tenant",
    "90002": "Check tenant_id: Entra does not know this tenant",
    "900023": "Check tenant_id: Entra does not know this tenant",
    "500011": "Check url: Entra knows no environment of this address in the tenant",
    "70011": "Check url: Entra knows no environment of this address in the tenant",
    "700027": "Upload the certificate to the application registration in Entra",
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
        self._environment = environment
        self._authority = f"{configuration.authority}/{credential.tenant_id}"
        self._scope = f"{configuration.url}/.default"
        self._http = _MsalHttp(http)
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._application: msal.ConfidentialClientApplication | None = None
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
                self._application = None
            return await self._acquire()

    async def _acquire(self) -> str:
        answer = await self._ask_patiently()
        if "access_token" not in answer:
            self._application = None
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
                self._application = None
                if attempt == attempts_max:
                    raise self._unreachable(failure) from None
            _log.warning("%s: no token from %s yet", self._environment, self._authority)
            await self._sleep(_PAUSE_SECONDS)
        raise AssertionError

    def _ask(self) -> dict[str, Any]:
        """One call of MSAL, in a thread of its own."""
        try:
            self._application = self._application or self._new_application()
            answer: dict[str, Any] = self._application.acquire_token_for_client([self._scope])
        except (ConfigurationError, *_NO_ANSWER):
            raise
        except Exception as failure:  # noqa: BLE001 - MSAL lets through what its libraries raise
            # An unknown tenant, a certificate that is none or not RSA, a garbled answer.
            self._application = None
            raise AccessError(
                "no token for the application user",
                where=f"environments.{self._environment}.credentials",
                why=redact(str(failure)),
                mend=_CHECK_ALL,
            ) from None
        return answer

    def _new_application(self) -> msal.ConfidentialClientApplication:
        return msal.ConfidentialClientApplication(
            self._credential.client_id,
            client_credential=_client_credential(self._credential),
            authority=self._authority,
            # Sovereign clouds and the emulator are unknown to the public directory of clouds.
            instance_discovery=False,
            http_client=self._http,
        )

    def _refusal(self, answer: Mapping[str, Any]) -> AccessError:
        description = str(answer.get("error_description") or answer.get("error") or "")
        number = _AADSTS_NUMBER.search(description)
        return AccessError(
            "Entra refuses the application user",
            where=f"environments.{self._environment}.credentials",
            why=redact(_AADSTS_TAIL.sub("", description).rstrip(".")),
            mend=_MENDS.get(number[1] if number else "", _CHECK_ALL),
        )

    def _unreachable(self, failure: Exception) -> UnreachableError:
        return UnreachableError(
            f"no token from {self._authority}",
            where=f"environments.{self._environment}",
            why=redact(f"{type(failure).__name__}: {failure}"),
            mend="Check authority, the network, and ca_file if the certificate is not trusted",
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


def _client_credential(credential: Credential) -> str | dict[str, str]:
    """The secret or certificate in the form that MSAL wants (DATAVERSE 1.4)."""
    if isinstance(credential, CertificateCredential):
        pem = credential.read_pem()
        return {"private_key": pem, "public_certificate": pem}
    return credential.read_secret()


class _MsalHttp:
    """MSAL's HTTP through httpx, so that one trust and one time-out hold for everything we send."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return self._client.get(url, params=params, headers=headers)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        # MSAL gives a signed assertion as bytes, which httpx would write as "b'...'".
        form = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in (data or {}).items()
        }
        return self._client.post(url, params=params, data=form, headers=headers)

    def close(self) -> None:
        self._client.close()
