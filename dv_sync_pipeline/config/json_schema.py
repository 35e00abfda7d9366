"""The JSON Schema of `sync.yaml`, by which editors complete and check it.

Belongs here: what a YAML author may write beyond what the models hold: variables anywhere, and the
short forms. Does not belong here: the meaning of settings; it stands in the models.
"""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from dv_sync_pipeline.config.models import Configuration

__all__ = ["json_schema", "schema_text"]

DIALECT = GenerateJsonSchema.schema_dialect


def schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> JsonSchemaValue:
    """The schema of a whole `sync.yaml`."""
    schema = Configuration.model_json_schema()
    return {"$schema": DIALECT, "title": "sync.yaml of dv-sync", **_with_variables(schema)}


def _with_variables(schema: Any) -> Any:
    return schema
