r"""Paths of the Web API, cut into segments with their keys.

Belongs here: the grammar of DATAVERSE 4.6. Does not belong here: whether a segment names anything
(`routes.py`) or a row (`references.py`).

The platform decodes a path before it reads it. So a key value with one of `/ < > * % & : \ ? +`
cannot be addressed, encoded or not (DATAVERSE 4.6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from dv_sync_pipeline.emulator.queries.lexer import TokenKind, Tokens
from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.values import guid

__all__ = ["Segment", "parse_list", "parse_path", "parse_segment"]

_FORBIDDEN_IN_KEYS = frozenset("/<>*%&:\\?+")
_SEGMENTS_MAX = 10


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a path between slashes.

    Attributes:
        name: before the parenthesis.
        has_key: whether there is a parenthesis.
        row_id: the GUID in it, in lower case, or "".
        key: names and values in it.

    """

    name: str
    has_key: bool = False
    row_id: str = ""
    key: Mapping[str, Any] = field(default_factory=dict)


def parse_path(path: str) -> tuple[Segment, ...]:
    """The segments of a path below `/api/data/v9.2/`, percent-encoded or not."""
    text = unquote(path).strip("/")
    if not text:
        return ()
    return tuple(parse_segment(part) for part in _split(text))


def _split(text: str) -> list[str]:
    """The parts between slashes that stand neither in quotes nor in parentheses."""
    parts: list[str] = []
    start = depth = 0
    is_quoted = False
    for position, character in enumerate(text):
        if character == "'":
            is_quoted = not is_quoted
        elif is_quoted:
            continue
        elif character == "/" and depth == 0:
            parts.append(text[start:position])
            start = position + 1
        else:
            depth += (character == "(") - (character == ")")
    parts.append(text[start:])
    if len(parts) > _SEGMENTS_MAX:
        raise replies.segment_not_found(text)
    return parts


def parse_segment(text: str) -> Segment:
    """One segment such as `accounts`, `accounts(<guid>)` or `accounts(a='x',b=1)`."""
    name, parenthesis, rest = text.partition("(")
    if not parenthesis:
        return Segment(name)
    if not rest.endswith(")"):
        raise replies.key_syntax()
    inside = rest[:-1].strip()
    row_id = guid(inside)
    if row_id:
        return Segment(name, has_key=True, row_id=row_id)
    return Segment(name, has_key=True, key=_parse_key(inside))


def _parse_key(text: str) -> dict[str, Any]:
    tokens = Tokens(text)
    key: dict[str, Any] = {}
    while not tokens.is_done:
        name = tokens.take().text
        tokens.expect("=")
        key[name] = _key_value(tokens)
        if not tokens.take_if(","):
            break
    if not tokens.is_done:
        raise replies.key_syntax()
    return key


def _key_value(tokens: Tokens) -> Any:
    token = tokens.take()
    if token.kind is TokenKind.SIGN and token.text == "[":
        return _key_list(tokens)
    if token.kind is TokenKind.STRING and _FORBIDDEN_IN_KEYS.intersection(token.value):
        raise replies.key_syntax()
    return {"null": None, "true": True, "false": False}.get(token.text, token.value)


def parse_list(text: str) -> list[Any]:
    """A list such as `['a','b']`, as parameter aliases have them; quotes may be double."""
    tokens = Tokens(text.replace('"', "'"))
    tokens.expect("[")
    return _key_list(tokens)


def _key_list(tokens: Tokens) -> list[Any]:
    values: list[Any] = []
    while not tokens.take_if("]"):
        values.append(tokens.take().value)
        tokens.take_if(",")
    return values
