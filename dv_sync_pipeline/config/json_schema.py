"""The JSON Schema of `sync.yaml`, by which editors complete and check it.

Belongs here: what a person may write beyond what the models hold: a variable in place of any value.
The short forms of settings stand beside their validators, the meaning of settings in the models.
The schema is published as `sync.schema.json` beside this module.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from dv_sync_pipeline.config.models import Configuration

__all__ = ["json_schema", "schema_text"]

_VARIABLE = {
    "title": "variable",
    "description": "Taken from the process environment: ${NAME}, or ${NAME:-default}.",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
}
_VARIABLE_REFERENCE = {"$ref": "#/$defs/Variable"}

_NARROW = frozenset({"enum", "pattern"})
"""What makes a text refuse a variable; and a date."""

_NOT_TEXT = frozenset({"integer", "number", "boolean"})

_ABOUT = ("title", "description", "default", "examples")
"""What is said about a value, not demanded of it."""


def schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """The schema of a whole `sync.yaml`."""
    schema: dict[str, Any] = _with_variables(Configuration.model_json_schema())
    schema["$defs"]["Variable"] = _VARIABLE
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "sync.yaml of dv-sync"}


def _with_variables(schema: Any) -> Any:
    """The same, with a variable allowed wherever a value of a narrower kind is expected."""
    match schema:
        case dict() if _takes_no_variable(schema):
            about = {name: schema[name] for name in _ABOUT if name in schema}
            value = {name: demand for name, demand in schema.items() if name not in about}
            return {**about, "anyOf": [value, _VARIABLE_REFERENCE]}
        case dict():
            # The names of settings and columns are no values: nobody writes a variable there.
            return {
                name: part if name in ("propertyNames", *_ABOUT) else _with_variables(part)
                for name, part in schema.items()
            }
        case list():
            return [_with_variables(part) for part in schema]
        case _:
            return schema


def _takes_no_variable(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if kind == "string":
        return bool(_NARROW & schema.keys()) or schema.get("format") == "date"
    return isinstance(kind, str) and kind in _NOT_TEXT
