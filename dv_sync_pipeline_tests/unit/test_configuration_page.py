"""`docs/configuration.md` says of each setting what the code says."""

from dv_sync_pipeline_tests.documents.configuration_page import FILE, page


def test_the_page_is_current():
    """After a change: python -m dv_sync_pipeline_tests.documents."""
    assert page() == FILE.read_text(encoding="utf-8")
