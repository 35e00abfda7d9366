"""What `dv-sync doctor` is told beside `sync.yaml`."""

from types import SimpleNamespace

import pytest

from dv_sync_pipeline.cli import consultation
from dv_sync_pipeline_tests.worlds.scripted_engine import hotels_configuration


@pytest.mark.parametrize(
    ("told", "asked"), [("https://other.example", "https://other.example"), (None, "")]
)
def test_the_gateway_is_looked_for_where_provision_was_told(monkeypatch, tmp_path, told, asked):
    """The same option for both, for those who keep the address out of `sync.yaml`."""
    urls = []

    async def examine(configuration, **_others):
        urls.append(configuration.gateway.url)
        return ()

    monkeypatch.setattr(consultation, "examine", examine)
    surroundings = SimpleNamespace(
        configuration=lambda: hotels_configuration(tmp_path), connector=lambda: None
    )
    consultation.consult(surroundings, gateway_url=told)

    assert [asked] == urls
