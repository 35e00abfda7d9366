"""Hotels that have amenities: two tables and the pairs between them, in memory on both sides."""

from dataclasses import replace
from pathlib import Path

from dv_sync_pipeline.webapi.associations import Pair as RowPair
from dv_sync_pipeline.webapi.metadata import Association, Column, ColumnKind
from dv_sync_pipeline_tests.worlds.memory import row_id, table
from dv_sync_pipeline_tests.worlds.memory_pair import Pair

OFFERS = Association(
    name="offers",
    intersect="offer",
    column="hotelid",
    other="amenity",
    other_column="amenityid",
    navigation_property="offers",
)
TABLES_YAML = """\
tables:
  - {{table: hotel, key: code, columns: [code], {settings}
     associations: [{{relationship: offers, table: amenity}}]}}
  - {{table: amenity, key: code, columns: [code]}}
"""
_CODE = Column("code", ColumnKind.STRING)
_HOTEL = replace(table("hotel", [_CODE], key=["code"]), associations=(OFFERS,))
_AMENITY = table("amenity", [_CODE], key=["code"])
_OFFER = table(
    "offer",
    [Column(name, ColumnKind.UNIQUE_IDENTIFIER) for name in ("hotelid", "amenityid")],
    status=False,
)


class Amenities(Pair):
    """The world; a hotel and an amenity of the same number have ids that end alike."""

    def __init__(self, state: Path, *, settings: str = "") -> None:
        """`settings` are further ones of the table hotel, each followed by a comma."""
        super().__init__(state, TABLES_YAML.format(settings=settings), (_HOTEL, _AMENITY, _OFFER))

    def hotel(self, number: int) -> str:
        """A hotel of the primary; returns its id."""
        self.primary.put("hotel", row_id(200 + number), code=f"H-{number}")
        return row_id(200 + number)

    def amenity(self, number: int, **values: object) -> str:
        """An amenity of the primary; returns its id."""
        id_ = row_id(300 + number)
        self.primary.put("amenity", id_, **{"code": f"A-{number}", **values})
        return id_

    def offered(self) -> set[tuple[str, str]]:
        """Hotel and amenity of every pair in the secondary, by id."""
        return {_ids(pair) for pair in self.secondary.pairs(OFFERS)}


def _ids(pair: RowPair) -> tuple[str, str]:
    return pair.id, pair.other_id
