"""Keys that come free, and the rows that have waited for one.

Belongs here: which rows of a table to look at again once another one has given up its key, because
that was changed or because the row is gone. Does not belong here: looking at them (`rows_pass.py`),
or the order in which keys move within one pass (`key_changes.py`).

Keys are compared as people read them, which is how the ledger keeps them. Where that is not exact,
as for a lookup whose parent has got another key meanwhile, a row waits for the next reconcile.
"""

from collections.abc import Collection

from dv_sync_pipeline.sync.ledger import Ledger
from dv_sync_pipeline.sync.mapping import KEY
from dv_sync_pipeline.sync.report import ParkedReason

__all__ = ["keys_held", "waiting_for_keys"]

_KEY_IS_HELD = frozenset({ParkedReason.DUPLICATE_KEY, ParkedReason.KEYS_EXCHANGED})


def keys_held(ledger: Ledger, table: str, primary_ids: Collection[str]) -> frozenset[str]:
    """The keys that these rows show in the secondary, or wait for.

    None as long as no row of the table waits for a key: then nobody asks.
    """
    claims = _claims(ledger, table)
    if not claims:
        return frozenset()
    shown = ledger.links_of(table, sorted(primary_ids))[KEY]
    claimed = [key for row_id, key in claims.items() if row_id in primary_ids]
    return frozenset(map(_folded, [*shown, *claimed]))


def waiting_for_keys(ledger: Ledger, table: str, keys: Collection[str]) -> set[str]:
    """Primary ids of the rows that wait because others had these keys."""
    freed = set(map(_folded, keys))
    claims = _claims(ledger, table) if freed else {}
    return {row_id for row_id, key in claims.items() if _folded(key) in freed}


def _claims(ledger: Ledger, table: str) -> dict[str, str]:
    """Each row that waits for a key, and that key."""
    return {row.primary_id: row.key for row in ledger.parked(table, reasons=_KEY_IS_HELD)}


def _folded(key: str) -> str:
    return key.upper().rstrip()
