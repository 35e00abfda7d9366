"""What the pipeline must never touch, as hashes to compare before and after (RELIABILITY 3, O4).

Reads rows as they came over HTTP and knows nothing of the engine: a caller says which columns are
mapped and which rows are linked; everything else is fenced.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any

MOVED_BY_EVERY_WRITE = frozenset(
    {"@odata.etag", "versionnumber", "modifiedon", "_modifiedby_value"}
)


def foreign_rows(
    rows: Iterable[Mapping[str, Any]], *, id_column: str, linked: Collection[str]
) -> dict[str, str]:
    """Id → hash of every column, its version included: nobody may even write the same values."""
    return {row[id_column]: _hash(row) for row in rows if row[id_column] not in linked}


def unmapped_columns(
    rows: Iterable[Mapping[str, Any]],
    *,
    id_column: str,
    linked: Collection[str],
    mapped: Collection[str],
) -> dict[str, str]:
    """Id → hash of what a linked row shows besides its mapped columns."""
    ours = MOVED_BY_EVERY_WRITE | set(mapped)
    return {
        row[id_column]: _hash({name: value for name, value in row.items() if name not in ours})
        for row in rows
        if row[id_column] in linked
    }


def _hash(row: Mapping[str, Any]) -> str:
    return sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()
