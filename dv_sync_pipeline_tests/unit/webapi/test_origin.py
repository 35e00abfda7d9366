"""No token leaves for an address that is not the environment's (RELIABILITY 4, 47)."""

import pytest

from dv_sync_pipeline.errors import ForeignOriginError
from dv_sync_pipeline.webapi.origin import request_target

ENVIRONMENT = "https://contoso.crm4.dynamics.com"

TRICKS = {
    "another host": "https://evil.example/api/data/v9.2/accounts",
    "a host that begins like ours": f"{ENVIRONMENT}.evil.example/api/data/v9.2/accounts",
    "a host that ends like ours": "https://evilcontoso.crm4.dynamics.com/api/data/v9.2/accounts",
    "a sister host": "https://other.crm4.dynamics.com/api/data/v9.2/accounts",
    "no encryption": "http://contoso.crm4.dynamics.com/api/data/v9.2/accounts",
    "another scheme": "ftp://contoso.crm4.dynamics.com/api/data/v9.2/accounts",
    "another port": f"{ENVIRONMENT}:8443/api/data/v9.2/accounts",
    "the port of another scheme": f"{ENVIRONMENT}:80/api/data/v9.2/accounts",
    "our host as a user name": f"{ENVIRONMENT}@evil.example/api/data/v9.2/accounts",
    "a user name before our host": "https://me@contoso.crm4.dynamics.com/api/data/v9.2/accounts",
    "our host as a password": "https://a:contoso.crm4.dynamics.com@evil.example/api/data/v9.2/a",
    "a backslash before a host": f"{ENVIRONMENT}\\@evil.example/api/data/v9.2/accounts",
    "an address without a scheme": "//contoso.crm4.dynamics.com/api/data/v9.2/accounts",
    "a relative address": "accounts?$skiptoken=1",
    "an absolute path": "/api/data/v9.2/accounts",
    "nothing": "",
    "no path": ENVIRONMENT,
    "a path outside the API": f"{ENVIRONMENT}/main.aspx",
    "a path that begins like the API": f"{ENVIRONMENT}/api/database/accounts",
    "climbing out": f"{ENVIRONMENT}/api/data/../../evil",
    "climbing out at the end": f"{ENVIRONMENT}/api/data/..",
    "climbing out, encoded": f"{ENVIRONMENT}/api/data/%2e%2e/%2E%2E/evil",
    "climbing out, encoded twice": f"{ENVIRONMENT}/api/data/%252e%252e/evil",
    "climbing out, encoded slash": f"{ENVIRONMENT}/api/data/..%2f..%2fevil",
    "climbing out, backslash": f"{ENVIRONMENT}/api/data/..\\..\\evil",
    "climbing out, encoded backslash": f"{ENVIRONMENT}/api/data/..%5C..%5Cevil",
    "a single dot": f"{ENVIRONMENT}/api/data/./v9.2/accounts",
    "an encoded root": f"{ENVIRONMENT}/api%2Fdata/v9.2/accounts",
    "a letter that looks like ours": "https://c\u03bfntoso.crm4.dynamics.com/api/data/v9.2/accounts",
    "a full-width dot": "https://contoso。crm4.dynamics.com/api/data/v9.2/accounts",
    "punycode": "https://xn--cntoso-45e.crm4.dynamics.com/api/data/v9.2/accounts",
    "a link-local address": "https://169.254.169.254/api/data/v9.2/accounts",
    "loopback": "https://[::1]/api/data/v9.2/accounts",
    "a line break": f"{ENVIRONMENT}/api/data/v9.2/accounts\r\nHost: evil.example",
    "a tab in the host": "https://contoso.crm4.dynamics.com\t.evil.example/api/data/v9.2/accounts",
    "a blank": f"{ENVIRONMENT}/api/data/v9.2/accounts ?a",
    "a blank in front": f" {ENVIRONMENT}/api/data/v9.2/accounts",
    "a fragment": f"{ENVIRONMENT}/api/data/v9.2/accounts#@evil.example",
    "a question mark in the host": "https://evil.example?contoso.crm4.dynamics.com/api/data/v9.2/a",
}


@pytest.mark.parametrize("link", TRICKS.values(), ids=TRICKS.keys())
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
