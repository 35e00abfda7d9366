"""What all models of `sync.yaml` have in common.

Belongs here: strictness, logical names, and where the meaning of a setting is written down: in the
`Attributes:` of its model's docstring and nowhere else. Does not belong here: any setting.
"""

import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from dv_sync_pipeline.errors import ConfigurationError

__all__ = [
    "LOGICAL_NAME",
    "LogicalName",
    "Model",
    "check_logical_name",
    "listed",
    "read_text",
    "settings_explained",
    "summary",
]

LOGICAL_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SOURCE = re.compile(r" \((?:DATAVERSE|RELIABILITY) [^)]*\)")
_ENTRY = re.compile(r" {4}(?P<names>\w[\w, ]*): (?P<text>.*)")


class Model(BaseModel):
    """Frozen, and strict about unknown settings: a misspelt setting must not pass silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """As pydantic makes it, with the meaning of each setting."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        schema["description"] = summary(cls)
        for name, text in settings_explained(cls).items():
            schema["properties"][name]["description"] = text
        return reference


def summary(model: type[Model]) -> str:
    """What the model is: the first paragraph of its docstring, on one line."""
    paragraph = (inspect.getdoc(model) or "").partition("\n\n")[0]
    return _for_users(" ".join(paragraph.split()))


def _for_users(text: str) -> str:
    """Without the sources of facts, which are for those who read the code."""
    return _SOURCE.sub("", text)


def settings_explained(model: type[Model]) -> dict[str, str]:
    """Setting → its meaning, as the docstrings of the model and of its bases have it."""
    explained: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if issubclass(ancestor, Model):
            explained |= _attributes(ancestor.__doc__ or "")
    return {name: _for_users(text) for name, text in explained.items()}


def _attributes(docstring: str) -> dict[str, str]:
    """The entries below `Attributes:`; a line that is indented further continues its entry."""
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    explained: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry:
            names = entry["names"].split(", ")
        text = entry["text"] if entry else line.strip()
        for name in names:
            explained[name] = f"{explained.get(name, '')} {text}".strip()
    return explained


def check_logical_name(name: Any) -> Any:
    """Refuse what cannot be the logical name of a table or column."""
    if isinstance(name, str) and not LOGICAL_NAME.fullmatch(name):
        msg = f"{name!r} is not a logical name: lower-case letters, digits and _ only"
        raise ValueError(msg)
    return name


LogicalName = Annotated[
    str,
    BeforeValidator(
        check_logical_name,
        json_schema_input_type=Annotated[str, Field(pattern=f"^{LOGICAL_NAME.pattern}$")],
    ),
]
"""A table's or column's logical name (DATAVERSE 3.3: always lower case)."""


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, in alphabetical order."""
    return ", ".join(sorted(names))


def read_text(file: Path, *, purpose: str, mend: str = "Check the path and its permissions") -> str:
    """The text of a file; raises `ConfigurationError` when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the {purpose} file {file} cannot be read",
            why=getattr(error, "strerror", None) or str(error),
            mend=mend,
        ) from None
