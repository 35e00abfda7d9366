"""Values that a customer's own plug-in refuses.

Belongs here: the check. Does not belong here: what a rule is (`schema.py`). A real plug-in can do
anything; this one says no, which is what a client must be able to live with.
"""

from collections.abc import Mapping
from typing import Any

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["check_business_rules"]


def check_business_rules(table: Table, values: Mapping[str, Any]) -> None:
    """Raise the plug-in's error when a value is refused (DATAVERSE 4.7: 0x80040265)."""
    for rule in table.definition.business_rules:
        if values.get(rule.column) == rule.refused:
            raise replies.plugin_refusal(rule.message)
