"""State and status reason (DATAVERSE 12). The table of that section, line by line."""


def _state(hotels, row_id):
    row = hotels.read(row_id, select="statecode,statuscode")
    return row["statecode"], row["statuscode"]


def test_new_rows_are_active(hotels):
    """A new row has the first state and its default status reason (DATAVERSE 12)."""
    assert _state(hotels, hotels.create()) == (0, 1)


def test_state_in_a_create_is_ignored(hotels):
    """POST with statecode alone creates an active row (DATAVERSE 12)."""
    assert _state(hotels, hotels.create(statecode=1)) == (0, 1)


def test_inactive_pair_in_a_create_is_refused(api, refusal):
    """POST with an inactive pair answers 400 0x80048408 (DATAVERSE 12)."""
    answer = api.post("dvc_hotels", json={"statecode": 1, "statuscode": 2})

    assert refusal(answer) == (400, "0x80048408")


def test_active_status_in_a_create(hotels):
    """POST with a status reason of the active state is allowed (DATAVERSE 12)."""
    assert _state(hotels, hotels.create(statuscode=3)) == (0, 3)


def test_pair_is_set_by_patch(api, hotels):
    """PATCH with a matching pair sets both (DATAVERSE 12)."""
    row_id = hotels.create()

    api.patch(f"dvc_hotels({row_id})", json={"statecode": 1, "statuscode": 4})

    assert _state(hotels, row_id) == (1, 4)


def test_state_alone_brings_its_default_status(api, hotels):
    """PATCH with statecode alone sets the default status reason of that state (DATAVERSE 12)."""
    row_id = hotels.create()

    api.patch(f"dvc_hotels({row_id})", json={"statecode": 1})

    assert _state(hotels, row_id) == (1, 2)


def test_status_of_the_same_state(api, hotels):
    """PATCH with another status reason of the same state is allowed (DATAVERSE 12)."""
    row_id = hotels.create()

    api.patch(f"dvc_hotels({row_id})", json={"statuscode": 3})

    assert _state(hotels, row_id) == (0, 3)


def test_status_alone_never_changes_the_state(api, hotels, refusal):
    """PATCH with a status reason of another state alone answers 400 (DATAVERSE 12)."""
    row_id = hotels.create()

    answer = api.patch(f"dvc_hotels({row_id})", json={"statuscode": 2})

    assert refusal(answer) == (400, "0x80048408")
    assert _state(hotels, row_id) == (0, 1)


def test_mismatched_pair_is_refused(api, hotels, refusal):
    """PATCH with a pair that does not match answers 400 0x80048408 (DATAVERSE 12)."""
    answer = api.patch(f"dvc_hotels({hotels.create()})", json={"statecode": 1, "statuscode": 3})

    assert refusal(answer) == (400, "0x80048408")


def test_inactive_rows_can_be_changed(api, hotels):
    """PATCH of ordinary columns of an inactive row is allowed (DATAVERSE 12)."""
    row_id = hotels.create()
    api.patch(f"dvc_hotels({row_id})", json={"statecode": 1})

    assert api.patch(f"dvc_hotels({row_id})", json={"dvc_stars": 2}).status_code == 204
