"""Sample data by name.

Belongs here: the registry, and what a sample is. Does not belong here: any sample itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dv_sync_pipeline.emulator.samples import (
    hotels_rows,
    hotels_tables,
    torture_rows,
    torture_story,
    torture_tables,
)
from dv_sync_pipeline.emulator.samples.acts import Act
from dv_sync_pipeline.emulator.samples.hotels_rows import Rows
from dv_sync_pipeline.emulator.samples.hotels_sync import HOTELS_SYNC_TABLES
from dv_sync_pipeline.emulator.samples.torture_sync import TORTURE_SYNC_TABLES
from dv_sync_pipeline.emulator.tables.schema import ManyToManyDefinition, TableDefinition

__all__ = ["SAMPLES", "Sample", "SampleSide"]


@dataclass(frozen=True, slots=True)
class SampleSide:
    """What one environment holds at first.

    Attributes:
        tables: definitions, parents before children.
        rows: from a seed and a size, table name → rows in the order of `tables`; the size is that
            of the sample's largest table.
        readers: ids of the sample's users that may read every table.
        relationships: many-to-many relationships; their pairs are rows of the intersect table.

    """

    tables: tuple[TableDefinition, ...]
    rows: Callable[[int, int], Rows]
    readers: tuple[str, ...] = ()
    relationships: tuple[ManyToManyDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Data for a primary and a secondary environment.

    Attributes:
        primary: the master data.
        secondary: what the other department has before the first run.
        sync_tables: the `tables` part of a `sync.yaml` that keeps both equal.
        rows_default: the size when nobody asks for another; 0 if the size is fixed.
        acts: what somebody does in the environments afterwards, by name.

    """

    primary: SampleSide
    secondary: SampleSide
    sync_tables: str
    rows_default: int
    acts: Mapping[str, Act] = field(default_factory=dict)

    def side(self, environment: str) -> SampleSide:
        """The side of the environment of that name; all but `secondary` are primaries."""
        return self.secondary if environment == "secondary" else self.primary


_HOTELS = Sample(
    primary=SampleSide(
        hotels_tables.PRIMARY_TABLES,
        lambda seed, rooms: hotels_rows.primary_rows(seed=seed, rooms=rooms),
    ),
    secondary=SampleSide(
        hotels_tables.SECONDARY_TABLES, lambda seed, _: hotels_rows.secondary_rows(seed=seed)
    ),
    sync_tables=HOTELS_SYNC_TABLES,
    rows_default=15_000,
)

_TORTURE = Sample(
    primary=SampleSide(
        torture_tables.PRIMARY_TABLES,
        lambda *_: torture_rows.primary_rows(),
        readers=torture_rows.READERS["primary"],
        relationships=(torture_tables.OFFERS, torture_tables.PARTNERS),
    ),
    secondary=SampleSide(
        torture_tables.SECONDARY_TABLES,
        lambda *_: torture_rows.secondary_rows(),
        readers=torture_rows.READERS["secondary"],
        relationships=(torture_tables.OFFERS, torture_tables.PARTNERS),
    ),
    sync_tables=TORTURE_SYNC_TABLES,
    rows_default=0,
    acts=torture_story.ACTS,
)

SAMPLES: Mapping[str, Sample] = MappingProxyType({"hotels": _HOTELS, "torture": _TORTURE})
"""Sample by name."""
