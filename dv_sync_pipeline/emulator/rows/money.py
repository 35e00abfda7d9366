"""Amounts of money: currency, rate and value in the base currency (DATAVERSE 3.3).

Belongs here: what a row with amounts gets besides what the client sent. Does not belong here: how
an amount is kept (`values.py`).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from dv_sync_pipeline.emulator.rows.database import Database, quoted
from dv_sync_pipeline.emulator.tables.catalog import Table

__all__ = ["complete", "recalculate"]

_SCALE = Decimal("0.0001")
_CURRENCY = "transactioncurrencyid"


class CurrencyStore(Protocol):
    """What is needed of `store.Store`."""

    database: Database

    def setting(self, name: str) -> str:
        """A fact about the environment: here its base currency."""


def complete(store: CurrencyStore, table: Table, values: dict[str, Any]) -> None:
    """Give a new row with an amount its currency, rate and base values."""
    if all(values.get(name) is None for name in table.amounts) and not values.get(_CURRENCY):
        return
    values[_CURRENCY] = values.get(_CURRENCY) or store.setting("currency")
    values |= _derived(store, table, values)


def recalculate(store: CurrencyStore, table: Table, row_id: str, values: dict[str, Any]) -> None:
    """Extend a change of amounts or of the currency by what follows from it."""
    if not values.keys() & {*table.amounts, _CURRENCY}:
        return
    complete(store, table, merged := {**_present(store, table, row_id), **values})
    names = (_CURRENCY, "exchangerate", *(f"{name}_base" for name in table.amounts))
    values |= {name: merged[name] for name in names if name in merged}


def _present(store: CurrencyStore, table: Table, row_id: str) -> dict[str, Any]:
    names = (_CURRENCY, *table.amounts)
    found = store.database.execute(
        f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table.name)} "
        f"WHERE {quoted(table.primary_id)} = ?",
        (row_id,),
    ).fetchone()
    return dict(zip(names, found or (), strict=False))


def _derived(store: CurrencyStore, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    rate = store.database.value(
        'SELECT "exchangerate" FROM "transactioncurrency" WHERE "transactioncurrencyid" = ?',
        (values[_CURRENCY],),
    )
    rate = rate or "1"
    derived: dict[str, Any] = {"exchangerate": rate}
    for name in table.amounts:
        amount = values.get(name)
        derived[f"{name}_base"] = (
            None if amount is None else str((Decimal(amount) / Decimal(rate)).quantize(_SCALE))
        )
    return derived
