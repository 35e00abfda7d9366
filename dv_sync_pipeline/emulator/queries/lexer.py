"""Words of the OData language: literals, names and signs, for filters and for keys in URLs.

Belongs here: cutting text into tokens with values. Does not belong here: what a sequence of tokens
means (`filters.py`, `addresses.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from dv_sync_pipeline.emulator.rows import replies

__all__ = ["Token", "TokenKind", "Tokens", "tokenize"]


class TokenKind(Enum):
    """What a token is; its value is the pattern that recognizes it."""

    ENUM = r"Microsoft\.Dynamics\.CRM\.\w+'(?:[^']|'')*'"
    STRING = r"'(?:[^']|'')*'"
    GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])"
    MOMENT = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)?"
    DAY = r"\d{4}-\d\d-\d\d(?!\w)"
    DECIMAL = r"-?\d+\.\d+(?:[eE][+-]?\d+)?"
    INTEGER = r"-?\d+(?![\w.])"
    NAME = r"[@$]?[A-Za-z_][\w]*(?:[.][A-Za-z_]\w*)*(?:@odata\.bind)?"
    SIGN = r"[()\[\],/:=;*]"


@dataclass(frozen=True, slots=True)
class Token:
    """One word.

    Attributes:
        kind: what it is.
        text: as it stands in the input.
        value: of a literal: str, int, Decimal; a GUID in lower case; else the text.
        start: where it begins.

    """

    kind: TokenKind
    text: str
    value: Any
    start: int


_PATTERN = re.compile(
    r"\s*(?:" + "|".join(f"(?P<{kind.name}>{kind.value})" for kind in TokenKind) + ")"
)
_SPACE = re.compile(r"\s*")


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _enum_member(text: str) -> str:
    return _unquoted(text[text.index("'") :])


_VALUES: Mapping[TokenKind, Callable[[str], Any]] = {
    TokenKind.ENUM: _enum_member,
    TokenKind.STRING: _unquoted,
    TokenKind.GUID: str.lower,
    TokenKind.MOMENT: str.upper,
    TokenKind.DECIMAL: Decimal,
    TokenKind.INTEGER: int,
}


def tokenize(text: str) -> list[Token]:
    """The words of the text; raises `DataverseError` where it is none."""
    tokens: list[Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _PATTERN.match(text, position)
        if match is None or match.lastgroup is None:
            raise replies.bad_query(f"Syntax error at position {position} in '{text}'.")
        kind = TokenKind[match.lastgroup]
        word = match[match.lastgroup]
        value = _VALUES.get(kind, str)(word)
        tokens.append(Token(kind, word, value, match.start(match.lastgroup)))
        position = match.end()
    return tokens


class Tokens:
    """The words of a text, taken one after another."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = tokenize(text)
        self._position = 0

    @property
    def is_done(self) -> bool:
        """Whether every word was taken."""
        return self._position == len(self._tokens)

    def peek(self, ahead: int = 0) -> Token | None:
        """A coming word, without taking it."""
        position = self._position + ahead
        return self._tokens[position] if position < len(self._tokens) else None

    def peek_text(self, ahead: int = 0) -> str:
        """The text of a coming word, "" at the end."""
        token = self.peek(ahead)
        return token.text if token else ""

    def take(self) -> Token:
        """The next word; raises `DataverseError` at the end."""
        token = self.peek()
        if token is None:
            raise self.error()
        self._position += 1
        return token

    def take_if(self, *texts: str) -> str:
        """Take the next word if it is one of these; "" otherwise."""
        text = self.peek_text()
        if text not in texts or self.is_done:
            return ""
        self._position += 1
        return text

    def expect(self, text: str) -> None:
        """Take this very word; raises `DataverseError` if it is another."""
        if not self.take_if(text):
            raise self.error()

    def error(self) -> replies.DataverseError:
        """The text makes no sense at the present position."""
        token = self.peek()
        position = token.start if token else len(self.text)
        return replies.bad_query(f"Syntax error at position {position} in '{self.text}'.")
