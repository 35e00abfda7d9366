"""Where an application user's tokens come from: one function of MSAL for each kind of credential.

Belongs here: turning a credential into what MSAL wants (DATAVERSE 1.1, 1.4). Does not belong here:
when a token is asked for, and what a refusal means; that is `auth`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import httpx
import msal

from dv_sync_pipeline.config import (
    CertificateCredential,
    ClientSecretCredential,
    Credential,
    EnvironmentConfiguration,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

__all__ = ["MsalHttp", "TokenSource", "token_issuer", "token_source"]

TokenSource: TypeAlias = Callable[[], dict[str, Any]]
"""Answers with `access_token`, or with `error` and its description; remembers tokens meanwhile."""


def token_source(
    credential: Credential, *, configuration: EnvironmentConfiguration, http: "MsalHttp"
) -> TokenSource:
    """MSAL, ready to be asked for tokens of one environment; reads secrets from their files.

    Raises `ConfigurationError` for a file that cannot be read, and whatever MSAL makes of the rest.
    """
    if isinstance(credential, ManagedIdentityCredential):
        identity = msal.ManagedIdentityClient(_managed_identity(credential), http_client=http)
        return partial(identity.acquire_token_for_client, resource=configuration.url)
    application = msal.ConfidentialClientApplication(
        credential.client_id,
        client_credential=_proof(credential),
        authority=token_issuer(credential, configuration=configuration),
        # Sovereign clouds and the emulator are unknown to the public directory of clouds.
        instance_discovery=False,
        http_client=http,
    )
    return partial(application.acquire_token_for_client, [f"{configuration.url}/.default"])


def token_issuer(credential: Credential, *, configuration: EnvironmentConfiguration) -> str:
    """Who issues the tokens, for messages; for all but managed identities an https address."""
    if isinstance(credential, ManagedIdentityCredential):
        return "the managed identity of this machine"
    return f"{configuration.authority}/{credential.tenant_id}"


def _managed_identity(credential: ManagedIdentityCredential) -> Any:
    if credential.ids:
        return msal.UserAssignedManagedIdentity(**credential.ids)
    return msal.SystemAssignedManagedIdentity()


def _proof(
    credential: ClientSecretCredential | CertificateCredential | WorkloadIdentityCredential,
) -> str | Mapping[str, str | Callable[[], str]]:
    match credential:
        case ClientSecretCredential():
            return credential.read_secret()
        case CertificateCredential():
            pem = credential.read_pem()
            return {"private_key": pem, "public_certificate": pem}
        case WorkloadIdentityCredential():
            # Asked for again before each request, since such tokens live for minutes.
            return {"client_assertion": credential.read_token}


class MsalHttp:
    """MSAL's HTTP through httpx, so that one trust and one time-out hold for everything we send."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """As requests.get."""
        return self._client.get(url, params=params, headers=headers)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """As requests.post."""
        # MSAL gives a signed assertion as bytes, which httpx would write as "b'...'".
        form = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in (data or {}).items()
        }
        return self._client.post(url, params=params, data=form, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
