"""The emulator's own certificate authority: MSAL refuses anything but https (DATAVERSE 1.4).

Belongs here: making it once, keeping it in the state folder, and issuing certificates. Does not
belong here: what a client's certificate proves (`identity`).
"""

from dataclasses import dataclass
from pathlib import Path

import trustme

from dv_sync_pipeline.emulator.process.private_files import write_private

__all__ = ["ServerCertificates", "prepare_certificates", "prepare_client_certificate"]

_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ServerCertificates:
    """The files of a server that speaks TLS.

    Attributes:
        ca_file: PEM certificate of the authority, for clients to trust.
        server_file: PEM private key and certificate chain of the server, readable by the owner.

    """

    ca_file: Path
    server_file: Path


def prepare_certificates(folder: Path) -> ServerCertificates:
    """The authority kept in `folder`, made on the first start, and a fresh server certificate.

    The authority stays the same, so that clients need not be told again; the server's certificate
    is issued on every start, so that it never runs out. Raises `OSError` when the folder cannot be
    written.
    """
    certificates = ServerCertificates(folder / "ca.pem", folder / "server.pem")
    authority = _open_authority(certificates.ca_file, key_file=folder / "ca-key.pem")
    issued = authority.issue_cert(*_HOSTS)
    write_private(certificates.server_file, issued.private_key_and_cert_chain_pem.bytes())
    return certificates


def _open_authority(ca_file: Path, *, key_file: Path) -> trustme.CA:
    if ca_file.exists() and key_file.exists():
        return trustme.CA.from_pem(ca_file.read_bytes(), key_file.read_bytes())
    authority = trustme.CA(organization_name="dv-sync emulator")
    write_private(key_file, authority.private_key_pem.bytes())
    ca_file.write_bytes(authority.cert_pem.bytes())
    return authority


def prepare_client_certificate(file: Path, *, common_name: str) -> bytes:
    """The PEM certificate of an application; `file`, made on the first start, has its key as well.

    RSA, because Entra accepts no other (DATAVERSE 1.4). Raises `OSError`.
    """
    if not file.exists():
        issued = trustme.CA().issue_cert(common_name=common_name, key_type=trustme.KeyType.RSA)
        write_private(file, issued.private_key_and_cert_chain_pem.bytes())
    pem = file.read_bytes()
    return pem[pem.index(b"-----BEGIN CERTIFICATE-----") :]
