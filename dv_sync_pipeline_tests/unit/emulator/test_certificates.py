"""The emulator's own certificate authority, and files that only their owner may read."""

import ssl
import stat
from pathlib import Path

import pytest

from dv_sync_pipeline.emulator.process.certificates import prepare_certificates
from dv_sync_pipeline.emulator.process.private_files import write_private


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_keys_are_readable_by_their_owner_alone(tmp_path):
    """Neither the server's key nor the authority's may be read by other users."""
    certificates = prepare_certificates(tmp_path)

    assert 0o600 == _mode(certificates.server_file)
    assert 0o600 == _mode(tmp_path / "ca-key.pem")


def test_authority_survives_a_restart(tmp_path):
    """Clients that trust the authority need not be told again after a restart."""
    before = prepare_certificates(tmp_path).ca_file.read_bytes()

    assert before == prepare_certificates(tmp_path).ca_file.read_bytes()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_certificate_is_trusted_by_every_name_of_this_machine(tmp_path, host):
    """A client that trusts the authority can shake hands under any name of this machine."""
    certificates = prepare_certificates(tmp_path)
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(certificates.server_file)
    client_context = ssl.create_default_context(cafile=certificates.ca_file)

    assert _shake_hands(client_context, server_context, host)


def _shake_hands(client_context: ssl.SSLContext, server_context: ssl.SSLContext, host: str) -> bool:
    """Whether a handshake in memory succeeds; raises `ssl.SSLError` when it is refused."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        waiting = [side for side in waiting if not _is_done(side)]
    return not waiting


def _is_done(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def test_private_file_replaces_a_public_one(tmp_path):
    """A file that was readable by all is not after it is written as private."""
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)

    write_private(file, b"new")

    assert (b"new", 0o600) == (file.read_bytes(), _mode(file))
