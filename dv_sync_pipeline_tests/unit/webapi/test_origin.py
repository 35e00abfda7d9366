"""No token leaves for an address that is not the environment's (RELIABILITY 4, 47)."""

import pytest

from dv_sync_pipeline.errors import ForeignOriginError
from dv_sync_pipeline.webapi.origin import request_target
from dv_sync_pipeline_tests.worlds.foreign_links import ENVIRONMENT, FOREIGN_LINKS


@pytest.mark.parametrize("link", FOREIGN_LINKS.values(), ids=FOREIGN_LINKS.keys())
def test_foreign_links_are_refused(link):
    """A link that differs in any part that matters has no request."""
    with pytest.raises(ForeignOriginError):
        request_target(link, environment_url=ENVIRONMENT)


@pytest.mark.parametrize(
    "origin", [ENVIRONMENT, f"{ENVIRONMENT}:443", "HTTPS://Contoso.CRM4.dynamics.com"]
)
def test_own_links_are_taken_verbatim(origin):
    """A link of the environment gives its path and query byte for byte."""
    target = "/api/data/v9.2/accounts?$skiptoken=%3Ccookie%20pagenumber=%222%22%2521"

    assert target == request_target(f"{origin}{target}", environment_url=ENVIRONMENT)


def test_dots_inside_names_are_no_climbing():
    """Dots are refused only as a whole segment of the path."""
    link = f"{ENVIRONMENT}/api/data/v9.2/rooms(number='1..2')"

    assert "/api/data/v9.2/rooms(number='1..2')" == request_target(
        link, environment_url=ENVIRONMENT
    )


def test_ports_belong_to_the_origin():
    """An environment on a port of its own accepts links to that port only."""
    with pytest.raises(ForeignOriginError):
        request_target(f"{ENVIRONMENT}/api/data/v9.2/a", environment_url=f"{ENVIRONMENT}:8801")
