"""The one function through which log lines and error texts pass before anyone sees them.

Knows the shapes of secrets (tokens, secrets in forms and headers, keys in query strings), not
their values. Decides nothing else: what is logged at all is decided where it is logged.
"""

import re

__all__ = ["redact"]

_HIDDEN = "[hidden]"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Authorization: Bearer eyJ...
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), rf"\1 {_HIDDEN}"),
    # client_secret=..., "client_secret": "...", client_assertion, access_token, code, authvalue;
    # but not the name of a variable, which our own advice shows: client_secret: ${NAME}
    (
        re.compile(
            r"(?i)(client_secret|client_assertion|access_token|refresh_token|authvalue|passphrase"
            r"|password|\bcode)"
            r"(\"?\s*[:=]\s*\"?)(?!\$\{\w+\})[^\s\"'&,}]{4,}"
        ),
        rf"\1\2{_HIDDEN}",
    ),
    # user:password@host in database addresses and links
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+@"), rf"\1{_HIDDEN}@"),
    # JSON web tokens wherever they stand
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"), _HIDDEN),
    # PEM blocks
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END[^\n]*|$)"), _HIDDEN),
)


def redact(text: str) -> str:
    """Return the text with everything that looks like a secret replaced by `[hidden]`."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
