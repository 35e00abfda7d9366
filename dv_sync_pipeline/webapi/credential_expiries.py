"""When credentials end, so that somebody is told before synchronization stops.

Belongs here: what certificates and `sync.yaml` say of it. Does not belong here: whom to tell
(`defs/`). Managed identities have no end that we must know, federated tokens are renewed by their
provider every few minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from urllib.parse import quote

from cryptography import x509

from dv_sync_pipeline.config import (
    CertificateCredential,
    ClientSecretCredential,
    Configuration,
    Credential,
)
from dv_sync_pipeline.errors import ConfigurationError

__all__ = ["CredentialExpiry", "credential_expiries"]


_ENTRA = "https://login.microsoftonline.com"
_PAGE_IN_ENTRA = (
    "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps"
    "/ApplicationMenuBlade/~/Credentials/appId/{client_id}"
)
"""Certificates and secrets of one application: the address that Entra's own pages show."""


@dataclass(frozen=True, slots=True)
class CredentialExpiry:
    """When one application user can no longer prove who it is.

    Attributes:
        environment: primary or secondary.
        client_id: of the application.
        kind: `client_secret` or `certificate`.
        expires: the moment; in UTC.
        link: the page on which a new one is made; "" in sovereign clouds, whose pages are not known
            here.

    """

    environment: str
    client_id: str
    kind: str
    expires: datetime
    link: str = ""


def credential_expiries(configuration: Configuration) -> tuple[CredentialExpiry, ...]:
    """Every end that can be known, the earliest first.

    A secret does not tell: its end is known where `client_secret_expires` is set. Raises
    `ConfigurationError` when a certificate cannot be read.
    """
    return tuple(sorted(_expiries(configuration), key=lambda expiry: expiry.expires))


def _expiries(configuration: Configuration) -> Iterator[CredentialExpiry]:
    for environment in ("primary", "secondary"):
        settings = getattr(configuration.environments, environment)
        for credential in settings.credentials:
            expires, client_id = _end_of(credential), credential.client_id
            if expires is not None:
                link = _link(client_id) if settings.authority == _ENTRA else ""
                yield CredentialExpiry(environment, client_id, credential.kind, expires, link)


def _link(client_id: str) -> str:
    return _PAGE_IN_ENTRA.format(client_id=quote(client_id, safe=""))


def _end_of(credential: Credential) -> datetime | None:
    match credential:
        case CertificateCredential():
            return _end_of_certificate(credential)
        case ClientSecretCredential(client_secret_expires=day) if day is not None:
            return datetime.combine(day, time(), tzinfo=UTC)
        case _:
            return None


def _end_of_certificate(credential: CertificateCredential) -> datetime:
    """That of the first certificate in the file: it is the one that Entra checks."""
    try:
        certificates = x509.load_pem_x509_certificates(credential.read_pem().encode())
    except ValueError as error:
        raise ConfigurationError(
            f"the certificate file {credential.certificate_file} holds no certificate",
            why=str(error),
            mend="Give a PEM file with the private key and the certificate",
        ) from None
    return certificates[0].not_valid_after_utc
