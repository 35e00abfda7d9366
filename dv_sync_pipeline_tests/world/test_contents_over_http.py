"""Images and files, over the real protocol."""

import asyncio
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from dv_sync_pipeline.emulator.tables import columns, define
from dv_sync_pipeline.sync.report import ParkedReason
from dv_sync_pipeline.webapi.files import PIECE_BYTES
from dv_sync_pipeline_tests.worlds.emulated_pair import EmulatedPair

TABLES = """\
tables:
  - {table: dvc_hotel, key: dvc_code, columns: [dvc_code, dvc_photo, dvc_plan]}
"""
ONE, TWO, THREE = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 4))
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
LARGE = bytes(range(251)) * (2 * PIECE_BYTES // 251) + b"the end"
LIMIT_KILOBYTES = 9 * 1024


@pytest.fixture
def pair(tmp_path):
    """Hotels with a photo and a plan; the secondary takes smaller plans than the primary."""

    def define_table(store, name):
        limit = LIMIT_KILOBYTES if name == "secondary" else 2 * LIMIT_KILOBYTES
        table = define.table(
            "dvc_Hotel",
            entity_set="dvc_hotels",
            columns=(
                columns.string("dvc_Code"),
                columns.image("dvc_Photo"),
                columns.file("dvc_Plan", max_kilobytes=limit),
            ),
            keys=(columns.key("dvc_code_key", "dvc_code"),),
        )
        store.create_table(table)

    with ExitStack() as stack:
        yield EmulatedPair.open(tmp_path, stack, tables_yaml=TABLES, define=define_table)


async def upload(side, row_id, column, content, name="file.bin"):
    """A person puts content into a column."""
    headers = {"Content-Type": "application/octet-stream", "x-ms-file-name": quote(name)}
    await side.send("PATCH", f"/dvc_hotels({row_id})/{column}", content=content, headers=headers)


async def a_hotel(pair, row_id=ONE, *, photo=None, plan=None):
    """A hotel in the primary with this content."""
    await pair.primary.put("dvc_hotels", row_id, {"dvc_code": row_id[-1]})
    for column, content in (("dvc_photo", photo), ("dvc_plan", plan)):
        if content is not None:
            await upload(pair.primary, row_id, column, content, name="Plan Zürich.pdf")


async def shown(pair, row_id=ONE):
    """Photo and plan of a hotel in the secondary."""
    answers = [
        await pair.secondary.send("GET", f"/dvc_hotels({row_id})/{column}/$value")
        for column in ("dvc_photo", "dvc_plan")
    ]
    return tuple(answer.content for answer in answers)


async def asked(pair, work):
    """Requests for content that a piece of work makes on either side."""
    before = [len(side.asked) for side in (pair.primary, pair.secondary)]
    result = await work
    new = [
        request
        for side, start in zip((pair.primary, pair.secondary), before, strict=True)
        for request in side.asked[start:]
        if "/dvc_photo" in request or "/dvc_plan" in request
    ]
    return result, new


def play(story):
    """Run a story to its end."""
    return asyncio.run(story)


def test_content_arrives_with_its_row_and_is_not_read_again(pair):
    """To the last byte, in several pieces; the second run asks for no content at all."""

    async def story():
        await a_hotel(pair, photo=PICTURE, plan=LARGE)
        first = (await pair.sync())["dvc_hotel"]
        second, requests = await asked(pair, pair.sync())
        (row,) = await pair.secondary.rows("dvc_hotels")
        return first, second["dvc_hotel"], requests, await shown(pair), row["dvc_plan_name"]

    first, second, requests, content, name = play(story())

    assert (1, 0) == (first.created, first.parked)
    assert (PICTURE, LARGE) == content
    assert "Plan Zürich.pdf" == name
    assert (1, 0, []) == (second.equal, second.updated, requests)


def test_changed_content_follows_and_cleared_content_goes(pair):
    """Only what has changed travels."""

    async def story():
        await a_hotel(pair, photo=PICTURE, plan=b"old")
        await pair.sync()
        await upload(pair.primary, ONE, "dvc_plan", b"new")
        report, requests = await asked(pair, pair.sync())
        changed = await shown(pair)
        await pair.primary.send("DELETE", f"/dvc_hotels({ONE})/dvc_plan")
        await pair.primary.put("dvc_hotels", ONE, {"dvc_photo": None})
        await pair.sync()
        return report["dvc_hotel"].updated, requests, changed, await shown(pair)

    updated, requests, changed, cleared = play(story())

    assert (1, (PICTURE, b"new")) == (updated, changed)
    assert not [request for request in requests if "dvc_photo" in request]
    assert (b"", b"") == cleared


def test_content_that_somebody_changed_there_is_put_back(pair):
    """The column is mapped, so it is ours."""

    async def story():
        await a_hotel(pair, plan=b"ours")
        await pair.sync()
        await upload(pair.secondary, ONE, "dvc_plan", b"theirs")
        await pair.sync()
        return await shown(pair)

    assert (b"", b"ours") == play(story())


def test_without_the_ledger_equal_content_is_found_equal_and_not_written(pair):
    """Both sides are read once and compared; what differs is copied."""

    async def story():
        await a_hotel(pair, ONE, photo=PICTURE, plan=LARGE)
        await a_hotel(pair, TWO, plan=b"old")
        await pair.sync()
        for file in (pair.folder / ".dv-sync").iterdir():
            file.unlink()
        await upload(pair.primary, TWO, "dvc_plan", b"new")
        verdict = (await pair.verify())["dvc_hotel"]
        report, requests = await asked(pair, pair.sync())
        return verdict, report["dvc_hotel"], requests, await shown(pair, TWO)

    verdict, report, requests, content = play(story())

    assert [{"dvc_plan"}] == [set(each.changes) for each in verdict.differences]
    assert (1, 1) == (report.equal, report.updated)
    written = [request for request in requests if request.startswith("PATCH")]
    assert [f"PATCH /api/data/v9.2/dvc_hotels({TWO})/dvc_plan"] == written
    assert (b"", b"new") == content


def test_a_file_that_is_too_large_parks_only_its_row(pair):
    """Before it is sent; the others go, and it goes too once it fits."""

    async def story():
        await a_hotel(pair, ONE, plan=b"x" * (LIMIT_KILOBYTES * 1024 + 1))
        await a_hotel(pair, TWO, plan=b"fits")
        report = (await pair.sync())["dvc_hotel"]
        other = await shown(pair, TWO)
        await upload(pair.primary, ONE, "dvc_plan", b"smaller")
        mended = (await pair.sync())["dvc_hotel"]
        return report.parked_rows, other, mended.parked, await shown(pair, ONE)

    parked, other, left, content = play(story())

    assert [("1", ParkedReason.FILE_TOO_LARGE)] == [(row.key, row.reason) for row in parked]
    assert "dvc_plan takes 9,216 kB, the file has 9,217 kB" == parked[0].message
    assert (b"", b"fits") == other
    assert (0, (b"", b"smaller")) == (left, content)


def test_a_file_that_cannot_be_read_parks_only_its_row(pair):
    """Nothing is cleared on a guess, and the other rows go."""

    async def story():
        await a_hotel(pair, ONE, plan=b"old")
        await pair.sync()
        await upload(pair.primary, ONE, "dvc_plan", b"lost")
        pair.primary.store.database.execute("DELETE FROM _dv_file")
        await a_hotel(pair, TWO, plan=b"fine")
        report = (await pair.sync())["dvc_hotel"]
        return report.parked_rows, await shown(pair, ONE), await shown(pair, TWO)

    parked, kept, other = play(story())

    assert [("1", "the primary does not give what dvc_plan holds")] == [
        (row.key, row.message) for row in parked
    ]
    assert ((b"", b"old"), (b"", b"fine")) == (kept, other)


def test_a_plan_of_a_run_names_the_content_and_copies_nothing(pair):
    """Every row with new content is listed."""

    async def story():
        await a_hotel(pair, plan=b"old")
        await pair.sync()
        await upload(pair.primary, ONE, "dvc_plan", b"new")
        async with pair.engine() as engine:
            report = await engine.reconcile("dvc_hotel", dry_run=True)
        return report, await shown(pair)

    report, content = play(story())

    assert [{"dvc_plan"}] == [set(each.changes) for each in report.differences]
    assert (b"", b"old") == content


def test_inactive_rows_that_refuse_changes_get_their_content(pair):
    """Made active for it, and inactive again."""
    pair.secondary.switches.inactive_rows_updatable = False

    async def story():
        await a_hotel(pair, plan=b"old")
        await pair.primary.put("dvc_hotels", ONE, {"statecode": 1})
        await pair.sync()
        await upload(pair.primary, ONE, "dvc_plan", b"new")
        report = (await pair.sync())["dvc_hotel"]
        (row,) = await pair.secondary.rows("dvc_hotels")
        return report.parked, row["statecode"], await shown(pair)

    assert (0, 1, (b"", b"new")) == play(story())
