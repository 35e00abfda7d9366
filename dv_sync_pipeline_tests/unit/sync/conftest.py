"""A ledger for whoever asks: each such test runs on both kinds of database."""

import pytest

from dv_sync_pipeline.config import Configuration
from dv_sync_pipeline.sync.ledger import Ledger


@pytest.fixture
def ledger_url(ledger_address, tmp_path) -> str:
    """Where the ledger will be."""
    return ledger_address(tmp_path / "state")


@pytest.fixture
def ledger(ledger_url):
    """A new ledger."""
    ledger = Ledger.open(ledger_url)
    yield ledger
    ledger.close()


@pytest.fixture
def both_databases(ledger_address, monkeypatch):
    """Worlds keep their ledgers in either; `pytestmark = usefixtures(...)` for a whole file."""
    address = property(lambda configuration: ledger_address(configuration.state))
    monkeypatch.setattr(Configuration, "ledger_url", address)
