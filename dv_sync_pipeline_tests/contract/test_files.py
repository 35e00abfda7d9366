"""File and image columns (DATAVERSE 3.3)."""

import base64

import pytest

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)
SHOWN = base64.b64encode(PICTURE).decode()


def test_file_is_uploaded_whole(api, hotels):
    """PATCH on the column with the content keeps a file under its name (DATAVERSE 3.3)."""
    row_id = hotels.create()

    answer = api.patch(
        f"dvc_hotels({row_id})/dvc_plan",
        content=b"the plan",
        headers={"Content-Type": "application/octet-stream", "x-ms-file-name": "plan.pdf"},
    )

    assert answer.status_code == 204
    row = hotels.read(row_id, select="dvc_plan,dvc_plan_name")
    assert row["dvc_plan_name"] == "plan.pdf"
    assert row["dvc_plan"] is not None
    assert api.get(f"dvc_hotels({row_id})/dvc_plan/$value").content == b"the plan"


def test_file_is_uploaded_in_chunks(api, hotels):
    """A chunked upload begins a session and ends with its last range (DATAVERSE 3.3)."""
    row_id = hotels.create()
    start = api.patch(
        f"dvc_hotels({row_id})/dvc_plan?x-ms-file-name=plan.pdf",
        headers={"x-ms-transfer-mode": "chunked"},
    )

    statuses = [
        api.patch(
            start.headers["Location"],
            content=chunk,
            headers={"Content-Range": span, "x-ms-file-name": "plan.pdf"},
        ).status_code
        for chunk, span in ((b"the ", "bytes 0-3/8"), (b"plan", "bytes 4-7/8"))
    ]

    assert statuses == [206, 204]
    assert api.get(f"dvc_hotels({row_id})/dvc_plan/$value").content == b"the plan"


def test_part_of_a_file(api, hotels):
    """A Range header asks for a part of the content (DATAVERSE 3.3)."""
    row_id = hotels.create()
    api.patch(f"dvc_hotels({row_id})/dvc_plan?x-ms-file-name=p", content=b"the plan")

    answer = api.get(f"dvc_hotels({row_id})/dvc_plan/$value", headers={"Range": "bytes=4-7"})

    assert (answer.status_code, answer.content) == (206, b"plan")
    assert answer.headers["Content-Range"] == "bytes 4-7/8"


def test_file_is_removed(api, hotels):
    """DELETE on the column removes the file (DATAVERSE 3.3)."""
    row_id = hotels.create()
    api.patch(f"dvc_hotels({row_id})/dvc_plan?x-ms-file-name=p", content=b"the plan")

    assert api.delete(f"dvc_hotels({row_id})/dvc_plan").status_code == 204
    assert hotels.read(row_id, select="dvc_plan,dvc_plan_name")["dvc_plan_name"] is None


def test_file_does_not_travel_in_the_body(hotels):
    """A file column in a body has no effect (DATAVERSE 3.3)."""
    row_id = hotels.create(dvc_plan="aGVsbG8=")

    assert hotels.read(row_id, select="dvc_plan")["dvc_plan"] is None


def test_image_travels_as_base64(hotels):
    """The primary image may be set on create, in base64 (DATAVERSE 3.3)."""
    row_id = hotels.create(dvc_photo=SHOWN)

    row = hotels.read(row_id, select="dvc_photo,dvc_photoid,dvc_photo_timestamp,dvc_photo_url")
    assert row["dvc_photo"] == SHOWN
    assert row["dvc_photoid"] in row["dvc_photo_url"]


def test_other_images_wait_for_an_update(api, hotels):
    """An image that is not the primary one is ignored on create (DATAVERSE 3.3)."""
    row_id = hotels.create(dvc_logo=SHOWN)
    assert hotels.read(row_id, select="dvc_logo")["dvc_logo"] is None

    api.patch(f"dvc_hotels({row_id})", json={"dvc_logo": SHOWN})

    assert hotels.read(row_id, select="dvc_logo")["dvc_logo"] == SHOWN


def test_null_deletes_an_image(api, hotels):
    """Null deletes an image and what stands beside it (DATAVERSE 3.3)."""
    row_id = hotels.create(dvc_photo=SHOWN)

    api.patch(f"dvc_hotels({row_id})", json={"dvc_photo": None})

    row = hotels.read(row_id, select="dvc_photo,dvc_photo_url")
    assert (row["dvc_photo"], row["dvc_photo_url"]) == (None, None)


def test_full_size_image(api, hotels):
    """`/$value?size=full` answers the picture itself (DATAVERSE 3.3)."""
    row_id = hotels.create(dvc_photo=SHOWN)

    answer = api.get(f"dvc_hotels({row_id})/dvc_photo/$value?size=full")

    assert answer.content == PICTURE


@pytest.mark.parametrize("content", ["bm8gcGljdHVyZQ=="])
def test_what_is_no_picture_is_refused(api, refusal, content):
    """Content that is no image answers 0x80072553 (DATAVERSE 3.3)."""
    assert refusal(api.post("dvc_hotels", json={"dvc_photo": content})) == (400, "0x80072553")


def test_images_are_not_shown_unasked(hotels):
    """A read without $select leaves pictures out (DATAVERSE 3.3)."""
    assert "dvc_photo" not in hotels.read(hotels.create(dvc_photo=SHOWN))
