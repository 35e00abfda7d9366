"""How application users prove who they are.

Belongs here: the kinds of credentials, and reading what they keep in files. Secrets come from
variables or files, never from the text of `sync.yaml`. Does not belong here: asking for tokens;
that is `webapi/auth.py`.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, SecretStr, model_validator

from dv_sync_pipeline.config.base import Model, listed, read_text

__all__ = [
    "CREDENTIAL_KINDS",
    "CertificateCredential",
    "ClientSecretCredential",
    "Credential",
    "ManagedIdentityCredential",
    "WorkloadIdentityCredential",
]


class _Application(Model):
    """An application that is registered with Entra.

    Attributes:
        tenant_id: Entra tenant, as GUID or domain.
        client_id: application (client) id.

    """

    tenant_id: str = Field(min_length=1, examples=["contoso.onmicrosoft.com"])
    client_id: str = Field(min_length=1, examples=["${DV_PRIMARY_CLIENT}"])


class ClientSecretCredential(_Application):
    """An application user that proves itself with a secret.

    The secret comes from a variable (`client_secret: ${NAME}`) or from a file, never from the text
    of `sync.yaml` itself.

    Attributes:
        kind: how the application user proves itself.
        client_secret: the secret, as the name of a variable.
        client_secret_file: file with the secret; read again when Entra refuses the one in use.
        client_secret_expires: the day on which the secret ends, as Entra shows it. A secret does
            not tell by itself, so a warning before that day needs this.

    """

    kind: Literal["client_secret"]
    client_secret: SecretStr | None = Field(default=None, examples=["${DV_PRIMARY_SECRET}"])
    client_secret_file: Path | None = Field(default=None, examples=["secrets/primary"])
    client_secret_expires: date | None = Field(default=None, examples=["2027-03-31"])

    @model_validator(mode="after")
    def _has_one_secret(self) -> Self:
        if (self.client_secret is None) == (self.client_secret_file is None):
            msg = "give either client_secret or client_secret_file"
            raise ValueError(msg)
        if self.client_secret is not None and not self.client_secret.get_secret_value():
            msg = "client_secret is empty: set the variable that it names"
            raise ValueError(msg)
        return self

    def read_secret(self) -> str:
        """The secret itself; raises `ConfigurationError` when its file cannot be read."""
        if self.client_secret_file is not None:
            return read_text(self.client_secret_file, purpose="client secret").strip()
        return self.client_secret.get_secret_value() if self.client_secret else ""


class CertificateCredential(_Application):
    """An application user that proves itself with a certificate (DATAVERSE 1.4).

    Attributes:
        kind: how the application user proves itself.
        certificate_file: PEM file with the private key and the certificate; read again when Entra
            refuses the one in use.

    """

    kind: Literal["certificate"]
    certificate_file: Path = Field(examples=["secrets/primary.pem"])

    def read_pem(self) -> str:
        """Private key and certificate; raises `ConfigurationError` when they cannot be read."""
        return read_text(self.certificate_file, purpose="certificate")


class WorkloadIdentityCredential(_Application):
    """An application user that proves itself with a token of another identity provider.

    Entra must trust that provider: the application needs a federated credential (DATAVERSE 1.1).

    Attributes:
        kind: how the application user proves itself.
        token_file: file with the other provider's token, which keeps it fresh; read for each new
            token. Azure Kubernetes Service names it in `AZURE_FEDERATED_TOKEN_FILE`; on GitHub a
            step of the workflow writes it.

    """

    kind: Literal["workload_identity"]
    token_file: Path = Field(examples=["${AZURE_FEDERATED_TOKEN_FILE}"])

    def read_token(self) -> str:
        """The token as it is now; raises `ConfigurationError` when it cannot be read."""
        return read_text(self.token_file, purpose="federated token").strip()


class ManagedIdentityCredential(Model):
    """The identity that Azure gives to this machine; there is no secret at all (DATAVERSE 1.4).

    Without further settings it is the system-assigned identity; one of the three ids chooses a
    user-assigned one.

    Attributes:
        kind: how the application user proves itself.
        client_id: client id of a user-assigned identity.
        object_id: object (principal) id of a user-assigned identity.
        resource_id: Azure resource id of a user-assigned identity.

    """

    kind: Literal["managed_identity"]
    client_id: str | None = Field(default=None, min_length=1, examples=["${AZURE_CLIENT_ID}"])
    object_id: str | None = Field(
        default=None, min_length=1, examples=["0a1b2c3d-0000-4000-8000-000000000000"]
    )
    resource_id: str | None = Field(
        default=None,
        min_length=1,
        examples=["/subscriptions/…/userAssignedIdentities/dv-sync"],
    )

    @property
    def ids(self) -> dict[str, str]:
        """What chooses a user-assigned identity, name → value; empty for the system-assigned."""
        ids = {name: getattr(self, name) for name in ("client_id", "object_id", "resource_id")}
        return {name: value for name, value in ids.items() if value is not None}

    @model_validator(mode="after")
    def _is_one_identity(self) -> Self:
        if len(self.ids) > 1:
            msg = f"give only one of {listed(self.ids)}: each names the identity alone"
            raise ValueError(msg)
        return self


_AnyCredential = (
    ClientSecretCredential
    | CertificateCredential
    | ManagedIdentityCredential
    | WorkloadIdentityCredential
)

Credential = Annotated[_AnyCredential, Field(discriminator="kind")]

CREDENTIAL_KINDS: tuple[str, ...] = tuple(
    get_args(model.model_fields["kind"].annotation)[0] for model in get_args(_AnyCredential)
)
"""What `kind` may say."""
