"""Writes what is made from the models: `python -m dv_sync_pipeline_tests.documents`."""

from pathlib import Path

from dv_sync_pipeline.config import json_schema
from dv_sync_pipeline_tests.documents import configuration_page

configuration_page.FILE.write_text(configuration_page.page(), encoding="utf-8")
Path(json_schema.__file__).with_name("sync.schema.json").write_text(
    json_schema.schema_text(), encoding="utf-8"
)
