"""What is proposed for which descriptions, and what is left to a person."""

from dataclasses import replace

import pytest

from dv_sync_pipeline.config import AssociationConfiguration, LookupTarget
from dv_sync_pipeline.sync.drift_rules import Schemas
from dv_sync_pipeline.sync.proposal import propose
from dv_sync_pipeline.sync.survey import GuidEvidence, SharedValues, Survey, TableFacts
from dv_sync_pipeline.webapi.metadata import Association, Column, ColumnKind, Key, StatusOption
from dv_sync_pipeline.webapi.tables import TableSummary
from dv_sync_pipeline_tests.worlds.memory import table

CODE = Column("code", ColumnKind.STRING, max_length=20)
NAME = Column("name", ColumnKind.STRING, max_length=100)
STRANGERS = GuidEvidence(looked_up=20, found=0, secondary_is_empty=False)


def lookup(name, *targets):
    """A lookup column."""
    return Column(name, ColumnKind.LOOKUP, targets=targets)


def facts(name, *columns, there=None, keys=("code",), key_here=True, guids=STRANGERS, custom=True):
    """A table of both sides with a code; `there` are the columns of the secondary, if others."""
    primary = table(name, [CODE, *columns], key=keys if key_here else ())
    secondary = table(name, [CODE, *(columns if there is None else there)], key=keys)
    return TableFacts(TableSummary(name, "", custom), Schemas(primary, secondary), guids)


def on_both_sides(of, primary=None, secondary=None):
    """The facts with other schemas."""
    schemas = Schemas(primary or of.primary, secondary or of.secondary)
    return replace(of, schemas=schemas)


def proposal(*tables, only_primary=(), only_secondary=()):
    """What is proposed for these tables."""
    return propose(Survey(tables, {}, only_primary, only_secondary))


def only_table(*tables):
    """The one table that is proposed for these."""
    (proposed,) = proposal(*tables).tables
    return proposed


def test_common_columns_are_mapped():
    """Those that both sides have, the key among them."""
    hotel = only_table(facts("hotel", NAME))

    assert ["code", "name"] == list(hotel.columns)
    assert () == hotel.questions


def test_the_name_stands_first():
    """People know rows by it; the others follow in alphabetical order."""
    hotel = facts("hotel", NAME, Column("area", ColumnKind.INTEGER))
    named = on_both_sides(hotel, primary=replace(hotel.primary, primary_name="name"))

    assert ("name", "area", "code") == only_table(named).columns


def test_columns_of_one_side_are_told():
    """The primary's would be missed; the secondary's are its own."""
    cost_centre = Column("costcentre", ColumnKind.STRING)
    hotel = only_table(facts("hotel", NAME, there=[cost_centre]))

    assert ("name: the secondary has no such column",) == hotel.questions
    assert ("costcentre",) == hotel.own_columns


@pytest.mark.parametrize(
    ("here", "there", "question"),
    [
        (
            NAME,
            replace(NAME, kind=ColumnKind.INTEGER),
            "name: left out; secondary: hotel.name cannot be kept equal",
        ),
        (
            NAME,
            replace(NAME, valid_for_update=False),
            "left out; secondary: hotel.name cannot be written",
        ),
        (replace(NAME, valid_for_read=False), NAME, "left out; primary: hotel.name cannot be read"),
        (
            NAME,
            replace(NAME, kind=ColumnKind.PARTY_LIST),
            "hotel.name is of type PartyListType, which is not",
        ),
    ],
)
def test_columns_that_cannot_be_kept_equal_are_left_out(here, there, question):
    """With the reason."""
    hotel = only_table(facts("hotel", here, there=[there]))

    assert ["code"] == list(hotel.columns)
    assert question in hotel.questions[0]


@pytest.mark.parametrize(
    ("here", "there", "question"),
    [
        (NAME, replace(NAME, max_length=20), "expected 100 characters as in the primary, found 20"),
        (
            Column("stars", ColumnKind.CHOICE, options=frozenset({1, 2, 3})),
            Column("stars", ColumnKind.CHOICE, options=frozenset({1})),
            "secondary: hotel.stars lacks the choices 2, 3",
        ),
    ],
)
def test_columns_that_take_less_are_mapped_with_a_question(here, there, question):
    """Most rows may fit all the same."""
    hotel = only_table(facts("hotel", here, there=[there]))

    assert here.name in hotel.columns
    assert question in hotel.questions[0]


def test_columns_of_the_platform_are_left_alone():
    """In a custom table only what its makers added is master data."""
    note = Column("importsequencenumber", ColumnKind.INTEGER, is_custom=False)
    phone = Column("telephone1", ColumnKind.STRING, is_custom=False)

    assert ["code"] == list(only_table(facts("hotel", note, phone)).columns)


def test_a_standard_table_is_mapped_with_its_standard_columns():
    """Its master data stands in them; the platform's notes do not."""
    note = Column("importsequencenumber", ColumnKind.INTEGER, is_custom=False)
    phone = Column("telephone1", ColumnKind.STRING, is_custom=False)
    account = only_table(facts("account", note, phone, custom=False))

    assert ["code", "telephone1"] == list(account.columns)


def test_a_key_of_both_sides_is_preferred():
    """Under it neither side can hold two rows that are alike."""
    hotel = facts("hotel", NAME)
    another = Key("a_short_one", ("name",), "Active")
    secondary = replace(hotel.secondary, keys=(another, *hotel.secondary.keys))
    proposed = only_table(on_both_sides(hotel, secondary=secondary))

    assert ("code",) == proposed.key
    assert "alternate key hotel_key, active in both environments" == proposed.key_reason


def test_a_key_of_the_secondary_alone_serves():
    """With a word about what the primary may hold."""
    hotel = only_table(facts("hotel", key_here=False))

    assert ("code",) == hotel.key
    assert "in the secondary alone: rows of the primary that are alike" in hotel.key_reason


@pytest.mark.parametrize(
    ("guids", "key"),
    [
        (GuidEvidence(20, 1, secondary_is_empty=False), ("id",)),
        (GuidEvidence(20, 0, secondary_is_empty=True), ("id",)),
        (GuidEvidence(0, 0, secondary_is_empty=True), ("id",)),
        (STRANGERS, None),
        (GuidEvidence(0, 0, secondary_is_empty=False), None),
    ],
)
def test_without_a_key_guids_decide(guids, key):
    """Rows that share them, or nothing there yet; otherwise nobody can know."""
    tables = proposal(facts("hotel", keys=(), guids=guids)).tables

    assert key == (tables[0].key if tables else None)


def test_a_table_without_a_key_is_told():
    """With the keys that there are, and why they do not serve."""
    hotel = facts("hotel", keys=())
    failed = Key("broken", ("code",), "Failed")
    proposed = proposal(on_both_sides(hotel, secondary=replace(hotel.secondary, keys=(failed,))))

    assert () == proposed.tables
    assert "keys: broken (code, Failed)" in proposed.undecided["hotel"]


def test_values_that_tell_rows_apart_are_a_guess():
    """The column with the most of them in common; of equals, the one that is not the name."""
    hotel = facts("hotel", NAME, Column("area", ColumnKind.STRING), keys=())
    hotel = on_both_sides(hotel, primary=replace(hotel.primary, primary_name="name"))
    found = {"area": 2, "code": 7, "name": 7}
    shared = [SharedValues(column, 9, count) for column, count in found.items()]
    proposed = only_table(replace(hotel, shared_values=tuple(shared)))

    assert ("code",) == proposed.key
    (question,) = proposed.questions
    assert "in 9 rows looked at no two are alike in it, and 7 of its values" in question


def test_lookups_name_the_tables_they_point_to():
    """Synchronized ones, and those that every environment fills by itself."""
    room = facts("room", lookup("hotelid", "hotel"), lookup("managerid", "systemuser"))
    proposed = proposal(room, facts("hotel"))

    assert ["hotel", "room"] == [each.table for each in proposed.tables]
    assert {
        "hotelid": (LookupTarget(table="hotel"),),
        "managerid": (LookupTarget(table="systemuser", by="domainname"),),
    } == {each.column: each.targets for each in proposed.tables[1].lookups}


def test_a_lookup_to_an_unknown_table_is_left_out():
    """And told, with both ways to mend it."""
    room = only_table(facts("room", lookup("hotelid", "hotel")))

    assert () == room.lookups
    assert "hotelid: left out, hotel is not synchronized: synchronize it too" in room.questions[0]


def test_leaving_out_a_table_takes_the_key_of_another():
    """A room that is known by its hotel cannot be matched without hotels."""
    room = facts("room", lookup("hotelid", "hotel"), keys=("hotelid", "code"))
    proposed = proposal(room, facts("hotel", keys=()))

    assert () == proposed.tables
    assert {"hotel", "room"} == proposed.undecided.keys()


def test_a_key_cannot_wait_for_a_second_pass():
    """A lookup to its own table is set last: no row can be matched by it."""
    chain = facts("chain", lookup("parentid", "chain"), keys=("parentid",))

    assert () == proposal(chain).tables


def test_currency_goes_with_amounts():
    """Where there is no amount, nobody asks for it."""
    currency = replace(lookup("transactioncurrencyid", "transactioncurrency"), is_custom=False)
    price = Column("price", ColumnKind.MONEY, precision=2)

    assert () == only_table(facts("hotel", currency)).lookups
    assert [(LookupTarget(table="transactioncurrency", by="isocurrencycode"),)] == [
        each.targets for each in only_table(facts("hotel", currency, price)).lookups
    ]


def test_owners_are_left_alone():
    """The secondary's security is that department's own."""
    owner = Column("ownerid", ColumnKind.OWNER, targets=("systemuser", "team"), is_custom=False)

    assert () == only_table(facts("hotel", owner)).lookups


def test_an_association_stands_at_the_later_table():
    """So that it adds no circle to the order of tables."""
    pairs = Association("hotel_pool", "hotel_pool", "hotelid", "pool", "poolid", "hotel_pool")
    hotel, pool = facts("hotel", lookup("poolid", "pool")), facts("pool")
    hotel = on_both_sides(
        hotel,
        primary=replace(hotel.primary, associations=(pairs,)),
        secondary=replace(hotel.secondary, associations=(pairs,)),
    )
    proposed = proposal(hotel, pool)

    assert ["pool", "hotel"] == [each.table for each in proposed.tables]
    assert (AssociationConfiguration(relationship="hotel_pool", table="pool"),) == (
        proposed.tables[1].associations
    )


def test_status_needs_a_state_on_both_sides():
    """And status reasons that the secondary has."""
    hotel = facts("hotel")
    stateless = replace(table("hotel", [CODE], status=False), keys=hotel.secondary.keys)
    without = on_both_sides(hotel, secondary=stateless)
    lacking = on_both_sides(
        hotel,
        replace(hotel.primary, status_options=(StatusOption(1, 0), StatusOption(7, 1))),
        replace(hotel.secondary, status_options=(StatusOption(1, 0),)),
    )

    assert "direct" == only_table(hotel).status
    assert "none" == only_table(without).status
    assert ("status: only the primary has a state",) == only_table(without).questions
    assert "secondary: hotel lacks the status reasons 7" in only_table(lacking).questions[0]


def test_tables_of_one_side_are_told():
    """A table of the primary alone may live on under another name."""
    proposed = proposal(facts("hotel"), only_primary=("pool",), only_secondary=("department",))

    assert ["pool"] == [table for table, _ in proposed.questions]
    assert ("department",) == proposed.only_secondary
