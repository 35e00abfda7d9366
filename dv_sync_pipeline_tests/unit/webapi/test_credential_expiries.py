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


def configuration(folder: Path):
    """As sync.yaml in that folder would say."""
    return parse(SYNC_YAML, {"SECRET": "x"}, file=folder / "sync.yaml")


def test_what_can_be_known_is_told_in_order(tmp_path):
    """A certificate says it itself; of a secret, somebody must have written it down."""
    ends = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    certificate = trustme.CA().issue_cert(common_name="three", not_after=ends)
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "certificate.pem")

    assert credential_expiries(configuration(tmp_path)) == (
        CredentialExpiry("secondary", "three", "certificate", ends),
        CredentialExpiry("primary", "one", "client_secret", datetime(2027, 3, 31, tzinfo=UTC)),
    )


def test_a_file_without_certificate_is_named(tmp_path):
    """It is a mistake in the configuration, not one of ours."""
    (tmp_path / "certificate.pem").write_text("no certificate at all")

    with pytest.raises(ConfigurationError, match=r"certificate\.pem holds no certificate"):
        credential_expiries(configuration(tmp_path))
