"""When credentials end."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from dv_sync_pipeline.config import parse
from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.webapi.credential_expiries import CredentialExpiry, credential_expiries

SYNC_YAML = """\
environments:
  primary:
    url: https://primary.example.com
    credentials:
      - kind: client_secret
        tenant_id: t
        client_id: one
        client_secret: ${SECRET}
        client_secret_expires: 2027-03-31
      - {kind: client_secret, tenant_id: t, client_id: two, client_secret_file: secret}
      - {kind: managed_identity}
  secondary:
    url: https://secondary.example.com
    credentials:
      - {kind: certificate, tenant_id: t, client_id: three, certificate_file: certificate.pem}
      - {kind: workload_identity, tenant_id: t, client_id: four, token_file: token}
tables:
  - {table: contoso_hotel, key: id}
"""


PAGE = (
    "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade"
    "/~/Credentials/appId/"
)
ENDS = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def configuration(folder: Path, text: str = SYNC_YAML):
    """As sync.yaml in that folder would say."""
    return parse(text, {"SECRET": "x"}, file=folder / "sync.yaml")


@pytest.fixture
def folder(tmp_path):
    """Holds the certificate."""
    certificate = trustme.CA().issue_cert(common_name="three", not_after=ENDS)
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "certificate.pem")
    return tmp_path


def test_what_can_be_known_is_told_in_order(folder):
    """A certificate says it itself; of a secret, somebody must have written it down."""
    end_of_secret = datetime(2027, 3, 31, tzinfo=UTC)

    assert credential_expiries(configuration(folder)) == (
        CredentialExpiry("secondary", "three", "certificate", ENDS, f"{PAGE}three"),
        CredentialExpiry("primary", "one", "client_secret", end_of_secret, f"{PAGE}one"),
    )


def test_in_a_sovereign_cloud_no_page_of_another_one_is_named(folder):
    """Its applications are not known there."""
    text = SYNC_YAML.replace("    url:", "    authority: https://login.example.us\n    url:")

    assert [each.link for each in credential_expiries(configuration(folder, text))] == ["", ""]


def test_a_file_without_certificate_is_named(tmp_path):
    """It is a mistake in the configuration, not one of ours."""
    (tmp_path / "certificate.pem").write_text("no certificate at all")

    with pytest.raises(ConfigurationError, match=r"certificate\.pem holds no certificate"):
        credential_expiries(configuration(tmp_path))
