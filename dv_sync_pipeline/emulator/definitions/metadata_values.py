"""What objects of metadata have in common: their type, labels, managed properties.

Belongs here: the shape that all of them share. Does not belong here: tables (`metadata.py`) and
columns (`metadata_columns.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.tables.schema import metadata_id

__all__ = ["TYPE_PREFIX", "Json", "MetadataObject", "label", "managed"]

_LANGUAGE = 1033
TYPE_PREFIX = "#Microsoft.Dynamics.CRM."


@dataclass(frozen=True, slots=True)
class MetadataObject:
    """One object of metadata.

    Attributes:
        type_name: such as `StringAttributeMetadata`.
        properties: plain and complex ones, by name.
        base_names: those that its base class has; all of them if it has no base class.
        navigation: what `$expand` may ask for, computed when asked.

    """

    type_name: str
    properties: Mapping[str, Any]
    base_names: frozenset[str] = frozenset()
    navigation: Mapping[str, Callable[[], "MetadataObject | Sequence[MetadataObject] | None"]] = (
        field(default_factory=dict)
    )

    @property
    def is_typed(self) -> bool:
        """Whether lists hold several types, so that each object names its own."""
        return bool(self.base_names) or self.type_name.endswith("RelationshipMetadata")

    @property
    def odata_type(self) -> str:
        """The value of `@odata.type`."""
        return f"{TYPE_PREFIX}{self.type_name}"


Json: TypeAlias = dict[str, Any]


def label(text: str, *path: str) -> Json:
    """A Label with one language; empty if there is no text."""
    if not text:
        return {"LocalizedLabels": [], "UserLocalizedLabel": None}
    localized = {
        "Label": text,
        "LanguageCode": _LANGUAGE,
        "IsManaged": False,
        "MetadataId": metadata_id("label", *path, text),
        "HasChanged": None,
    }
    return {"LocalizedLabels": [localized], "UserLocalizedLabel": localized}


def managed(name: str, *, value: bool) -> Json:
    """A managed property, which filters through `/Value`."""
    return {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": name}
