"""The state database keeps what it is told, refuses what it cannot trust, and gives turns."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from dv_sync_pipeline.errors import ConfigurationError, LedgerError, WrongEnvironmentError
from dv_sync_pipeline.sync.ledger import SCHEMA_VERSION, Ledger
from dv_sync_pipeline.sync.ledger.doubts import LOOKS_AFTER
from dv_sync_pipeline.sync.mapping import PRIMARY_ID
from dv_sync_pipeline.sync.projection import LINKS_SCHEMA
from dv_sync_pipeline.sync.report import ParkedReason, ParkedRow

MOMENT = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
LASTS = timedelta(seconds=30)
FIRST, SECOND = 1, 2


def links(*rows) -> pl.DataFrame:
    """Links from (primary id, secondary id, version, key, origin, intended)."""
    return pl.DataFrame(rows, schema=LINKS_SCHEMA, orient="row")


def parked(primary_id, *, since=MOMENT, message="too long") -> ParkedRow:
    """A row that waits."""
    return ParkedRow(
        table="hotel",
        primary_id=primary_id,
        key="H-1",
        reason=ParkedReason.VALUE_TOO_LONG,
        message=message,
        code="0x80044331",
        since=since,
        attempts=1,
    )


def test_links_come_back_as_they_were_saved(ledger):
    """Of this table only; the later one of a row counts."""
    ledger.save_links("hotel", links(("a", "a", 1, "H-1", "created", True)))
    ledger.save_links("hotel", links(("a", "x", 2, "H-1", "adopted", False)))
    ledger.save_links("room", links(("b", "b", 1, "1", "created", False)))

    assert [("a", "x", 2, "H-1", "adopted", False)] == ledger.links("hotel").rows()


def test_dropped_links_are_gone(ledger):
    """And no others."""
    ledger.save_links("hotel", links(*((i, i, 1, i, "created", False) for i in "abc")))

    ledger.drop_links("hotel", ["a", "c"])

    assert ["b"] == ledger.links("hotel")["@primary_id"].to_list()


def test_no_links_have_types_too(ledger):
    """An empty frame can be joined like a full one."""
    assert LINKS_SCHEMA == ledger.links("hotel").schema


def test_calls_within_a_transaction_are_one(ledger):
    """Several entries that belong together are all there, or none of them is."""
    seen = []

    def switch_off():
        with ledger.transaction():
            ledger.save_links("hotel", links(("a", "a", 1, "H-1", "created", False)))
            ledger.stamp_rows("hotel", ["a", "b"], writer=1)
            seen.append(ledger.count_links("hotel"))
            raise RuntimeError("the machine is switched off")

    with pytest.raises(RuntimeError):
        switch_off()

    assert [1] == seen
    assert 0 == ledger.count_links("hotel")
    assert set() == ledger.rows_written_since("hotel", since=0, writer=2)


def test_a_reconcile_is_owed_until_it_is_finished(ledger):
    """Also for a mapping that was never reconciled."""
    owed = [ledger.owes_reconcile("hotel", mapping="m1")]
    ledger.begin_reconcile("hotel", mapping="m1")
    owed.append(ledger.owes_reconcile("hotel", mapping="m1"))
    ledger.finish_reconcile("hotel", verified_through=MOMENT)
    owed.append(ledger.owes_reconcile("hotel", mapping="m1"))
    owed.append(ledger.owes_reconcile("hotel", mapping="m2"))

    assert [True, True, False, True] == owed
    assert MOMENT == ledger.verified_through("hotel")


def test_a_pass_that_was_begun_again_stays_verified_up_to_the_last(ledger):
    """What was proven once was proven."""
    ledger.begin_reconcile("hotel", mapping="m1")
    ledger.finish_reconcile("hotel", verified_through=MOMENT)
    ledger.begin_reconcile("hotel", mapping="m1")

    assert MOMENT == ledger.verified_through("hotel")
    assert ledger.owes_reconcile("hotel", mapping="m1")


def test_parked_rows_go_on_counting(ledger):
    """`since` stays, attempts rise, the latest message counts; rows that are well leave."""
    ledger.replace_parked("hotel", [parked("a"), parked("b")])

    ledger.replace_parked("hotel", [parked("a", since=MOMENT + LASTS, message="still too long")])

    assert [("a", MOMENT, 2, "still too long")] == [
        (row.primary_id, row.since, row.attempts, row.message) for row in ledger.parked("hotel")
    ]


def test_the_environments_of_the_first_run_are_remembered(ledger):
    """Swapped ones are recognised as such."""
    ledger.remember_environments({"primary": "p", "secondary": "s"})

    ledger.check_environments({"primary": "p", "secondary": "s"})
    with pytest.raises(WrongEnvironmentError, match="swapped"):
        ledger.check_environments({"primary": "s", "secondary": "p"})
    with pytest.raises(WrongEnvironmentError, match="organisation x, and not s"):
        ledger.remember_environments({"primary": "p", "secondary": "x"})


def test_a_parked_row_takes_whatever_the_server_said(ledger):
    """However long its message or code is."""
    row = replace(
        parked("a", message="x" * 9_000), code="SomeCodeThatIsLongerThanUsual", key="é" * 900
    )
    ledger.replace_parked("hotel", [row])

    assert [row] == ledger.parked("hotel")


def test_only_one_holder_has_the_lease(ledger):
    """Until it ends or is given back."""
    taken = [
        ledger.take_lease("hotel", FIRST, now=MOMENT, lasts=LASTS),
        ledger.take_lease("hotel", SECOND, now=MOMENT, lasts=LASTS),
        ledger.take_lease("room", SECOND, now=MOMENT, lasts=LASTS),
        ledger.take_lease("hotel", FIRST, now=MOMENT + LASTS / 2, lasts=LASTS),
        ledger.take_lease("hotel", SECOND, now=MOMENT + LASTS, lasts=LASTS),
        ledger.take_lease("hotel", SECOND, now=MOMENT + 2 * LASTS, lasts=LASTS),
    ]
    ledger.release_lease("hotel", SECOND)
    taken.append(ledger.take_lease("hotel", FIRST, now=MOMENT + 2 * LASTS, lasts=LASTS))

    assert [True, False, True, True, False, True, True] == taken


def test_a_holder_cannot_give_back_the_lease_of_another(ledger):
    """A run that lost its turn leaves the new one alone."""
    ledger.take_lease("hotel", SECOND, now=MOMENT, lasts=LASTS)

    ledger.release_lease("hotel", FIRST)

    assert not ledger.take_lease("hotel", FIRST, now=MOMENT, lasts=LASTS)


def test_a_lease_that_was_lost_cannot_be_renewed(ledger):
    """Not even when nobody has it now: its holder must learn that it was lost."""
    ledger.take_lease("hotel", FIRST, now=MOMENT, lasts=LASTS)
    renewed = [ledger.renew_lease("hotel", FIRST, now=MOMENT + LASTS * 2, lasts=LASTS)]
    ledger.take_lease("hotel", SECOND, now=MOMENT + LASTS * 4, lasts=LASTS)
    renewed.append(ledger.renew_lease("hotel", FIRST, now=MOMENT + LASTS * 4, lasts=LASTS))
    given_back = [ledger.release_lease("hotel", each) for each in (FIRST, SECOND)]
    renewed.append(ledger.renew_lease("hotel", FIRST, now=MOMENT + LASTS * 4, lasts=LASTS))

    assert [True, False, False] == renewed
    assert [False, True] == given_back


def write(ledger, row_id, *, writer, table="hotel"):
    """A row is linked and stamped."""
    ledger.save_links(table, links((row_id, row_id, 1, row_id, "created", False)), writer=writer)


def test_what_a_lost_turn_has_written_is_in_doubt(ledger):
    """Linked or not; not what its pass wrote before, nor what others wrote, nor another table."""
    write(ledger, "before", writer=FIRST)
    ledger.take_lease("hotel", FIRST, now=MOMENT, lasts=LASTS)
    write(ledger, "linked", writer=FIRST)
    write(ledger, "of another table", writer=FIRST, table="room")
    write(ledger, "of another pass", writer=SECOND)
    ledger.stamp_rows("hotel", ["unlinked"], writer=FIRST)
    ledger.take_lease("hotel", SECOND, now=MOMENT + LASTS, lasts=LASTS)

    assert {"linked", "unlinked"} == ledger.rows_in_doubt("hotel", due=MOMENT + LASTS)
    assert set() == ledger.rows_in_doubt("hotel", due=MOMENT)
    assert set() == ledger.rows_in_doubt("room")


def test_what_a_lost_turn_has_written_counts_as_written_now(ledger):
    """What a pass has read since its stamp may be older than what arrives."""
    ledger.take_lease("hotel", FIRST, now=MOMENT, lasts=LASTS)
    write(ledger, "a", writer=FIRST)
    ledger.stamp_rows("hotel", ["b"], writer=FIRST)
    began = ledger.latest_sequence()
    ledger.take_lease("hotel", SECOND, now=MOMENT + LASTS, lasts=LASTS)

    assert {"a", "b"} == ledger.rows_written_since("hotel", since=began, writer=SECOND)


def test_a_turn_that_was_given_back_leaves_no_doubt(ledger):
    """As nearly all are."""
    ledger.take_lease("hotel", FIRST, now=MOMENT, lasts=LASTS)
    write(ledger, "a", writer=FIRST)
    ledger.release_lease("hotel", FIRST)
    ledger.take_lease("hotel", SECOND, now=MOMENT + LASTS, lasts=LASTS)

    assert set() == ledger.rows_in_doubt("hotel")


def test_a_doubt_is_settled_look_by_look(ledger):
    """Looks that are not due yet are still made; a row doubted twice is no trouble."""
    ledger.doubt_rows("hotel", ["a"], now=MOMENT)
    ledger.doubt_rows("hotel", ["a", "b"], now=MOMENT)
    ledger.doubt_rows("room", ["c"], now=MOMENT)
    left = []
    for after in LOOKS_AFTER:
        ledger.settle_doubts("hotel", due=MOMENT + after)
        left.append(ledger.rows_in_doubt("hotel"))

    assert [{"a", "b"}, {"a", "b"}, set()] == left
    assert {"c"} == ledger.rows_in_doubt("room")


def test_the_file_is_for_its_user_alone(tmp_path):
    """It holds key values of rows."""
    folder = tmp_path / "state"
    Ledger.open(f"sqlite:///{folder / 'ledger.db'}").close()

    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


def test_a_ledger_of_a_newer_version_is_refused(ledger_url):
    """Nothing is read from tables that may mean something else."""
    Ledger.open(ledger_url).close()
    database = sa.create_engine(ledger_url)
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE ledger_info SET schema_version = schema_version + 1"))
    database.dispose()

    with pytest.raises(LedgerError, match=f"has version {SCHEMA_VERSION + 1}.*Install"):
        Ledger.open(ledger_url)


def test_a_ledger_of_version_2_is_brought_to_the_present(ledger_url):
    """Its lists of removals are forgotten: the next reconcile makes them anew; links stay."""
    Ledger.open(ledger_url).close()
    database = sa.create_engine(ledger_url)
    with database.begin() as connection:
        for statement in (
            "CREATE TABLE removals (table_name TEXT)",
            "CREATE TABLE removal_lists (table_name TEXT)",
            "DROP INDEX links_by_secondary_row",
            "ALTER TABLE links DROP COLUMN sequence",
            "ALTER TABLE links DROP COLUMN writer",
            "ALTER TABLE leases DROP COLUMN sequence",
            "INSERT INTO links VALUES ('hotel', 'one', 'two', 7, 'H-1', 'created', '0')",
            "UPDATE ledger_info SET schema_version = 2",
        ):
            connection.execute(sa.text(statement))

    ledger = Ledger.open(ledger_url)

    tables = set(sa.inspect(database).get_table_names())
    database.dispose()
    assert ["one"] == ledger.links_to("hotel", ["two"])[PRIMARY_ID].to_list()
    assert {"one"} == ledger.claim_rows("hotel", ["one"], since=-1, writer=5)
    assert ledger.take_lease("hotel", FIRST, now=MOMENT, lasts=LASTS)
    ledger.close()
    assert {"lists_of_removals", "listed_removals"} <= tables
    assert tables.isdisjoint({"removals", "removal_lists"})


def test_a_damaged_file_is_refused(tmp_path):
    """And the message says how to go on without it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ledger.db").write_bytes(b"not a database, but long enough to be one" * 9)

    with pytest.raises(LedgerError, match="move it away and reconcile"):
        Ledger.open(f"sqlite:///{tmp_path / 'state' / 'ledger.db'}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """A person can mend that."""
    (tmp_path / "file").touch()

    with pytest.raises(LedgerError, match=r"ledger\.db cannot be created.*state"):
        Ledger.open(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("not an address:hunter2", "not the address of a database"),
        ("nonsense://user:hunter2@host/ledger", "cannot be kept in nonsense"),
        ("postgresql+nodriver://user:hunter2@host/ledger", "not the address of a database"),
        ("oracle+oracledb://user:hunter2@host/ledger", "cannot be kept in oracle"),
        ("postgresql+pg8000://user:hunter2@host/ledger", "driver pg8000 is not installed"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_and_not_repeated(address, complaint):
    """A person mends `ledger:`; the password in it stays unsaid."""
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        Ledger.open(address)

    assert "hunter2" not in str(raised.value)
