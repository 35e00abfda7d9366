"""What DATAVERSE 16 could not verify: each behaviour as a switch, the likelier value by default.

Belongs here: nothing but the switches. The code that has to choose reads them, each time anew: a
test may turn one while the environment is running (`control.py`).
"""

from dataclasses import dataclass

__all__ = ["Switches"]


@dataclass(slots=True)
class Switches:
    """The unverified behaviours of one environment.

    Attributes:
        missing_bind_target_status: status for `@odata.bind` to a row that is not there: 404 or 400.
        duplicate_id_code: 0x80040237 or 0x80060892 for a GUID that exists.
        query_error_code: 0x0 or 0x80060888 for a query with an unknown property.
        body_error_code: 0x0 or 0x80048d19 for a body with an unknown property.
        error_codes_empty: answer every error with the code "".
        not_equal_includes_null: whether `ne` and `not` hold for rows without a value.
        batch_line_feeds_accepted: a `$batch` whose lines end in bare LF is read, not refused: the
            documentation wants CRLF (8.4), yet there are clients that live without.
        key_index_delay_seconds: how long a new alternate key stays Pending.
        metadata_delay_seconds: how long rows do not know a new table or column (3.1).
        tracking_of_untracked_ignored: track-changes on a table without tracking is ignored, and not
            refused with 0x80072491.
        expired_token_status: status for a delta token that is too old: 400, 410 or 500.
        recreated_rows_listed_as_deleted: a delta lists a delete although the row is there again.
        deletes_listed_first: a delta lists deletes before rows, and not behind them.
        null_keys_collide: rows with a null in an alternate key are checked like any other.
        inactive_rows_updatable: ordinary columns of an inactive row may be changed (12).
        restricted_delete_status: status for deleting a row that children restrict: 400 or 405.

    """

    missing_bind_target_status: int = 404
    duplicate_id_code: str = "0x80040237"
    query_error_code: str = "0x80060888"
    body_error_code: str = "0x0"
    error_codes_empty: bool = False
    not_equal_includes_null: bool = True
    batch_line_feeds_accepted: bool = False
    key_index_delay_seconds: float = 0
    metadata_delay_seconds: float = 0
    tracking_of_untracked_ignored: bool = False
    expired_token_status: int = 400
    recreated_rows_listed_as_deleted: bool = True
    deletes_listed_first: bool = False
    null_keys_collide: bool = False
    inactive_rows_updatable: bool = True
    restricted_delete_status: int = 400
