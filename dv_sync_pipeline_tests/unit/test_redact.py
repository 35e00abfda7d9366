"""What never leaves the process in a log line or an error text."""

import pytest

from dv_sync_pipeline.redact import redact


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer CANARY-secret.token~1",
        "authorization: basic CANARYCANARY==",
        "client_id=x&client_secret=CANARY%2F1&grant_type=client_credentials",
        '{"client_secret": "CANARY"}',
        "client_secret: ${NAME:-CANARY}",
        '{"access_token":"CANARY","expires_in":3599}',
        "client_assertion=CANARY.CANARY",
        "POST https://hook.example.com/dv?code=CANARY==",
        "postgresql://user:CANARY@db/ledger",
        "-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nCANARY",
        "token eyJ0eXAiOiJKV1QiCANARY.eyJhdWQiOiJodHRwczoCANARY.CANARY",
    ],
)
def test_a_secret_is_hidden(text):
    """Whatever looks like a secret is replaced."""
    assert "CANARY" not in redact(text)
    assert "[hidden]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        'the table contoso_hotel does not exist (code "0x80040217")',
        "error code: 0",
        "https://contoso.crm4.dynamics.com/api/data/v9.2/contoso_hotels(1d2e)",
        "Bearer of bad news",
        "Write client_secret: ${NAME} and set the variable",
    ],
)
def test_ordinary_text_stays(text):
    """A message without secrets is left alone."""
    assert redact(text) == text
