"""Which tables an environment has.

Belongs here: the list, with what can be said of a table at a glance. Does not belong here: what one
of them looks like (`metadata`).
"""

from dataclasses import dataclass
from functools import partial

import msgspec

from dv_sync_pipeline.webapi.decoding import read_decoded
from dv_sync_pipeline.webapi.odata import address
from dv_sync_pipeline.webapi.transport import Transport

__all__ = ["TableSummary", "list_tables"]


@dataclass(frozen=True, slots=True)
class TableSummary:
    """One table at a glance.

    Attributes:
        name: logical name.
        description: what its makers say of it, on one line; often "".
        is_custom: it came with somebody's solution, and not with the platform.

    """

    name: str
    description: str
    is_custom: bool


async def list_tables(transport: Transport) -> list[TableSummary]:
    """Every table that holds rows of its own, by name; pairs of many-to-many relationships not."""
    options = "LogicalName,IsCustomEntity,IsIntersect,TableType,Description"
    definitions = await read_decoded(
        partial(transport.read, address("EntityDefinitions", select=options)),
        msgspec.json.Decoder(_Definitions).decode,
        where=f"{transport.name}: the list of tables",
    )
    tables = [each.summary for each in definitions.value if each.holds_rows]
    return sorted(tables, key=lambda table: table.name)


class _Wire(msgspec.Struct, rename="pascal"):
    """An object of the metadata as it comes; what we do not name is skipped."""


class _Text(_Wire):
    label: str = ""


class _Label(_Wire):
    user_localized_label: _Text | None = None


class _Definition(_Wire):
    logical_name: str
    is_custom_entity: bool = False
    is_intersect: bool = False
    table_type: str | None = None
    description: _Label | None = None

    @property
    def holds_rows(self) -> bool:
        """Virtual tables show rows of another system; elastic ones have no keys as we need them."""
        return not self.is_intersect and self.table_type in (None, "Standard")

    @property
    def summary(self) -> TableSummary:
        text = self.description.user_localized_label if self.description else None
        description = " ".join(text.label.split()) if text else ""
        return TableSummary(self.logical_name, description, self.is_custom_entity)


class _Definitions(msgspec.Struct):
    value: list[_Definition]
