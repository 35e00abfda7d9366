"""What is checked before anything is written."""

from dataclasses import replace

import pytest

from dv_sync_pipeline.config import TableConfiguration
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.drift_rules import Schemas
from dv_sync_pipeline.sync.mapping import agree, fingerprint
from dv_sync_pipeline.webapi.metadata import Column, ColumnKind, Key
from dv_sync_pipeline_tests.worlds.memory import table

CONFIGURATION = TableConfiguration(
    table="hotel",
    target="property",
    key=("code",),
    columns={"code": "code", "name": "title"},
    lookups={"brandid": "brand"},
)
COLUMNS = {
    "code": Column("code", ColumnKind.STRING),
    "name": Column("name", ColumnKind.STRING),
    "title": Column("title", ColumnKind.STRING),
    "brandid": Column("brandid", ColumnKind.LOOKUP, targets=("brand",)),
}


def agreed(configuration=CONFIGURATION, *, primary=(), secondary=(), key_status="Active"):
    """Agree on hotels, with some columns of either side replaced."""
    ours = COLUMNS | {column.name: column for column in primary}
    theirs = COLUMNS | {column.name: column for column in secondary}
    there = table("property", list(theirs.values()))
    return agree(
        configuration,
        schemas=Schemas(
            primary=table("hotel", list(ours.values())),
            secondary=replace(there, keys=(Key("by_code", ("code",), key_status),)),
        ),
        targets={"hotel": "property", "brand": "brand"},
    )


def test_columns_take_the_names_of_the_secondary():
    """Every frame speaks of the secondary's columns."""
    mapping = agreed()

    assert ("code", "title", "brandid") == mapping.compared
    assert ("code",) == mapping.key


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"code": "code", "nmae": "title"}, r"primary: the table hotel has no column nmae.*name\?"),
        ({"code": "code", "name": "tilte"}, r"secondary: .*property has no column tilte.*title\?"),
        ({"code": "code", "brandid": "brandid"}, "is a lookup and stands in columns.*brand"),
    ],
)
def test_a_column_that_does_not_exist_is_named(columns, message):
    """With environment and table, and the closest name that exists."""
    configuration = CONFIGURATION.model_copy(update={"columns": columns, "lookups": {}})

    with pytest.raises(SchemaMismatchError, match=message):
        agreed(configuration)


def test_the_prefix_of_a_publisher_makes_no_column_alike():
    """Every column begins with it; a stranger is not proposed, a slip of the pen is."""
    columns = [Column("contoso_name", ColumnKind.STRING)]
    told = {}
    for name in ("contoso_terms", "contoso_nmae"):
        settings = {"columns": {"code": "code", name: "title"}, "lookups": {}}
        with pytest.raises(SchemaMismatchError) as raised:
            agreed(CONFIGURATION.model_copy(update=settings), primary=columns)
        told[name] = str(raised.value)

    assert "Correct it in sync.yaml" in told["contoso_terms"]
    assert "Did you mean contoso_name?" in told["contoso_nmae"]


@pytest.mark.parametrize(
    ("primary", "secondary", "message"),
    [
        (Column("name", ColumnKind.STRING, valid_for_read=False), None, "cannot be read"),
        (None, Column("title", ColumnKind.STRING, valid_for_read=False), "cannot be read back"),
        (None, Column("title", ColumnKind.STRING, valid_for_create=False), "cannot be written"),
        (None, Column("title", ColumnKind.STRING, valid_for_update=False), "cannot be written"),
        (
            None,
            Column("title", ColumnKind.INTEGER),
            r"name cannot be kept equal in .*expected text.* found whole n",
        ),
        (Column("name", ColumnKind.VIRTUAL), None, "VirtualType, which is not synchronized"),
        (
            Column("name", ColumnKind.DECIMAL, precision=4),
            Column("title", ColumnKind.DECIMAL, precision=2),
            "cannot hold what hotel.name holds .expected 4 digits after the point, found 2",
        ),
        (
            Column("name", ColumnKind.DATE_TIME, date_time_behavior="UserLocal"),
            Column("title", ColumnKind.DATE_TIME, date_time_behavior="DateOnly"),
            "expected date, behaving as UserLocal as in the primary, found date, behaving as DateO",
        ),
        (
            Column("brandid", ColumnKind.LOOKUP, targets=("account",)),
            None,
            "primary: the lookup hotel.brandid does not point to brand.*account",
        ),
        (
            None,
            Column("brandid", ColumnKind.LOOKUP, targets=("account",)),
            "secondary: the lookup property.brandid does not point to brand.*account",
        ),
    ],
)
def test_columns_that_cannot_be_kept_equal_are_refused(primary, secondary, message):
    """Readable here, writable there, of one type, and pointing to the same table."""
    with pytest.raises(SchemaMismatchError, match=message):
        agreed(
            primary=[primary] if primary else [],
            secondary=[secondary] if secondary else [],
        )


def test_a_key_that_is_not_there_is_refused():
    """The message lists the keys that are."""
    configuration = CONFIGURATION.model_copy(update={"key": ("name",)})

    with pytest.raises(SchemaMismatchError, match=r"no alternate key on title.*its keys: code"):
        agreed(configuration)


def test_a_key_that_is_not_active_is_refused():
    """Dataverse does not enforce it yet (DATAVERSE 3.5)."""
    with pytest.raises(SchemaMismatchError, match=r"by_code of property is not active.*Pending"):
        agreed(key_status="Pending")


def test_rows_matched_by_id_need_no_key():
    """`key: id` is for tables without an alternate key."""
    mapping = agreed(CONFIGURATION.model_copy(update={"key": ("id",)}), key_status="Failed")

    assert () == mapping.key


def test_another_mapping_has_another_fingerprint():
    """A description does not count, a column does."""
    described = CONFIGURATION.model_copy(update={"description": "Hotels"})
    widened = CONFIGURATION.model_copy(update={"columns": {"code": "code"}})

    before = fingerprint(CONFIGURATION, agreed())

    assert before == fingerprint(described, agreed(described))
    assert before != fingerprint(widened, agreed(widened))
