"""What `sync.yaml` may say: its settings as pydantic models.

Belongs here: environments, tables, and how they must fit together. The meaning of each setting
stands in the `Attributes:` of its model, from where the schema and the documentation take it. Does
not belong here: credentials (`credentials`), reading the file (`document`), and anything that asks
an environment whether a table or column exists; that is `sync/engine.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from dv_sync_pipeline.config.alerts import Alerts
from dv_sync_pipeline.config.base import LogicalName, Model, check_logical_name, listed
from dv_sync_pipeline.config.environments import Environments
from dv_sync_pipeline.config.following import Changes, ChangesSettings, Live, LiveSettings
from dv_sync_pipeline.config.gateway import Gateway
from dv_sync_pipeline.config.owners import Owner
from dv_sync_pipeline.config.schedule import Schedule
from dv_sync_pipeline.errors import ConfigurationError

__all__ = [
    "EVERY_COLUMN",
    "AssociationConfiguration",
    "Configuration",
    "Constant",
    "LookupConfiguration",
    "LookupTarget",
    "TableConfiguration",
]

EVERY_COLUMN = "*"
"""Among `columns`: every custom column that both environments have."""

_STATUS_COLUMNS = frozenset({"statecode", "statuscode"})


def _check_column_name(name: Any) -> Any:
    return name if name == EVERY_COLUMN else check_logical_name(name)


def _name_columns_after_themselves(columns: Any) -> Any:
    if columns == EVERY_COLUMN:
        columns = [columns]
    return {name: name for name in columns} if isinstance(columns, list) else columns


def _split_key(key: Any) -> Any:
    return (key,) if isinstance(key, str) else key


_ColumnName = Annotated[str, BeforeValidator(_check_column_name)]

Key = Annotated[
    tuple[LogicalName, ...],
    BeforeValidator(
        _split_key,
        json_schema_input_type=LogicalName | Annotated[list[LogicalName], Field(min_length=1)],
    ),
]
"""One column, or several; `id` for the GUID."""

ColumnMapping = Annotated[
    dict[_ColumnName, _ColumnName],
    BeforeValidator(
        _name_columns_after_themselves,
        json_schema_input_type=Literal["*"] | list[_ColumnName] | dict[_ColumnName, _ColumnName],
    ),
]
"""Primary column → secondary column; a plain list maps each column to its own name."""

Constant = str | int | float | bool | None
"""A value that every row shows."""


class LookupTarget(Model):
    """A table that a lookup may point to.

    Attributes:
        table: its name in the primary.
        by: set when the table is not synchronized: the column by which its rows are matched.

    """

    table: LogicalName = Field(examples=["systemuser"])
    by: LogicalName = Field(default="", examples=["domainname"])


def _spell_out_target(target: Any) -> Any:
    return {"table": target} if isinstance(target, str) else target


Target = Annotated[
    LookupTarget,
    BeforeValidator(_spell_out_target, json_schema_input_type=LogicalName | LookupTarget),
]
"""A table by its name alone, or with the column by which its rows are matched."""


def _spell_out_lookup(lookup: Any) -> Any:
    """`hotel`, `[account, contact]` and `{table: systemuser, by: domainname}` in one form."""
    if isinstance(lookup, str):
        return {"tables": [lookup]}
    if isinstance(lookup, list):
        return {"tables": lookup}
    if isinstance(lookup, dict) and "table" in lookup:
        target = {name: lookup[name] for name in ("table", "by") if name in lookup}
        others = {name: value for name, value in lookup.items() if name not in target}
        return {"tables": [target], **others}
    return lookup


class LookupConfiguration(Model):
    """Where a lookup column points to.

    Attributes:
        tables: the tables; several for a customer, an owner, or another polymorphic lookup.
        column: its name in the secondary; "" for the same name.
        deferred: where lookups go round in a circle, set this one in a second pass; without it the
            choice is ours.

    """

    tables: tuple[Target, ...] = Field(min_length=1, examples=[["account", "contact"]])
    column: LogicalName | Literal[""] = Field(default="", examples=["department_hotelid"])
    deferred: bool = False

    @property
    def synchronized(self) -> tuple[str, ...]:
        """The tables among them that must be synchronized first."""
        return tuple(target.table for target in self.tables if not target.by)


class LookupOfOneTable(LookupTarget):
    """A lookup column that points to one table; the short form of a lookup, for the schema alone.

    Attributes:
        column: its name in the secondary; "" for the same name.
        deferred: as in the long form.

    """

    column: LogicalName | Literal[""] = Field(default="", examples=["department_hotelid"])
    deferred: bool = False


Lookup = Annotated[
    LookupConfiguration,
    BeforeValidator(
        _spell_out_lookup,
        json_schema_input_type=LogicalName
        | Annotated[list[Target], Field(min_length=1)]
        | LookupOfOneTable
        | LookupConfiguration,
    ),
]
"""One table, several, or a table with more to say."""


class AssociationConfiguration(Model):
    """A many-to-many relationship whose pairs follow the primary.

    Attributes:
        relationship: its schema name, the same in both environments.
        table: the synchronized table on its other side, by its name in the primary.

    """

    relationship: str = Field(min_length=1, examples=["contoso_hotel_amenity"])
    table: LogicalName = Field(examples=["contoso_amenity"])


class StatusColumn(Model):
    """State and status reason by way of a column of the secondary.

    Attributes:
        column: a whole number or a choice that holds the wanted status reason. A value there proves
            that the row is ours, even when the ledger is lost.
        automation: the secondary's own automation sets state and status reason by it; we do not.

    """

    column: LogicalName = Field(examples=["department_syncstatus"])
    automation: bool = False


class TableConfiguration(Model):
    """One synchronized table.

    Attributes:
        table: its name in the primary.
        target: its name in the secondary; the same unless told otherwise.
        key: the columns (in the primary) by which rows of both sides are matched: those of an
            alternate key of the secondary; `id` matches by GUID.
        columns: mapped columns, primary name → secondary name; `*` stands for every custom column
            that both environments have, besides those that are named.
        exclude: columns that are left alone all the same.
        constants: columns of the secondary that show the same value in every row.
        values: columns of choices → choice in the primary → choice in the secondary; choices that
            are not named keep their number.
        filter: an OData condition on the rows of the primary, such as `statecode eq 0`; other rows
            count as gone.
        lookups: lookup columns → the tables they point to (primary names).
        associations: many-to-many relationships; each stands at one of its two tables.
        status: `direct` sets state and status reason after the data; `{column: name}` writes the
            wanted status reason into that column with the data first; `none` leaves them alone.
        status_values: status reason in the primary → status reason in the secondary; those that
            are not named keep their number.
        deletes: what happens to a linked secondary row whose primary row is gone; `keep` only
            reports it.
        max_removals: more removals than this in one run wait for a person; by default 10 % of the
            linked rows, and at least 1,000. Likewise for the pairs of each relationship.
        group: the asset group in Dagster.
        description: shown in Dagster.
        owners: who is asked about this table, instead of the owners of all tables.

    """

    table: LogicalName = Field(examples=["contoso_hotel"])
    target: LogicalName = Field(default="", examples=["department_hotel"])
    key: Key = Field(min_length=1, examples=[["contoso_hotelid", "contoso_number"], "id"])
    columns: ColumnMapping = Field(
        default_factory=dict,
        examples=[["contoso_name", "contoso_stars"], {"contoso_name": "department_label"}, "*"],
    )
    lookups: dict[LogicalName, Lookup] = Field(
        default_factory=dict,
        examples=[
            {
                "contoso_hotelid": "contoso_hotel",
                "contoso_customerid": ["account", "contact"],
                "ownerid": {"table": "systemuser", "by": "domainname"},
            }
        ],
    )
    associations: tuple[AssociationConfiguration, ...] = Field(
        default=(),
        examples=[[{"relationship": "contoso_hotel_amenity", "table": "contoso_amenity"}]],
    )
    exclude: frozenset[LogicalName] = Field(
        default=frozenset(), examples=[["contoso_internalnote"]]
    )
    constants: dict[LogicalName, Constant] = Field(
        default_factory=dict, examples=[{"department_source": "master data"}]
    )
    values: dict[LogicalName, dict[int, int]] = Field(
        default_factory=dict, examples=[{"contoso_grade": {1: 100000001, 2: 100000002}}]
    )
    filter: str = Field(default="", examples=["statecode eq 0"])
    status: Literal["direct", "none"] | StatusColumn = Field(
        default="direct", examples=["direct", {"column": "department_syncstatus"}]
    )
    status_values: dict[int, int] = Field(default_factory=dict, examples=[{2: 100000002}])
    deletes: Literal["delete", "deactivate", "keep"] = "delete"
    max_removals: int | None = Field(default=None, ge=0, examples=[100])
    group: LogicalName = Field(default="tables", examples=["hotels"])
    description: str = Field(default="", examples=["Hotels, with their addresses."])
    owners: tuple[Owner, ...] = Field(default=(), examples=[["steward@contoso.com"]])

    @model_validator(mode="before")
    @classmethod
    def _target_defaults_to_table(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("target") is None and "table" in values:
            return {**values, "target": values["table"]}
        return values

    @model_validator(mode="after")
    def _maps_each_column_once(self) -> Self:
        for problem in self._mapping_problems():
            raise ValueError(problem)
        return self

    def _mapping_problems(self) -> Iterator[str]:
        yield from self._repeated_columns()
        yield from self._useless_settings()
        known = self.target_columns.keys() | self.constants.keys() | {"id"}
        unmapped = set() if self.takes_every_column else set(self.key) - known
        if unmapped:
            yield f"key column {listed(unmapped)} is neither in columns nor in lookups"
        if "id" in self.key and len(self.key) > 1:
            yield "key: id stands alone, it cannot be combined with other columns"

    def _repeated_columns(self) -> Iterator[str]:
        twice = self.columns.keys() & self.lookups.keys()
        if twice:
            yield f"{listed(twice)} stands in columns and in lookups: a lookup goes in lookups"
        targets = [*self.target_columns.values(), *self.constants, *self.status_columns]
        repeated = {name for name in targets if targets.count(name) > 1}
        if repeated:
            yield f"two columns are mapped to {listed(repeated)}"
        reserved = _STATUS_COLUMNS & (self.columns.keys() | set(targets))
        if reserved:
            yield f"{listed(reserved)} cannot be mapped: set status: direct instead"

    def _useless_settings(self) -> Iterator[str]:
        if self.columns.get(EVERY_COLUMN, EVERY_COLUMN) != EVERY_COLUMN:
            yield "* cannot be renamed"
        excluded = self.exclude & (self.target_columns.keys() | set(self.key))
        if excluded:
            yield f"{listed(excluded)} is mapped and excluded"
        unmapped = set() if self.takes_every_column else self.values.keys() - self.columns.keys()
        if unmapped:
            yield f"values are given for {listed(unmapped)}, which is not in columns"
        if self.deletes == "deactivate" and self.status == "none":
            yield "deletes: deactivate sets the status, which status: none forbids"

    @property
    def key_set_too_late(self) -> frozenset[str]:
        """Key columns that are set in a second pass only; there must be none."""
        return frozenset(
            column
            for column, lookup in self.lookups.items()
            if column in self.key and (lookup.deferred or self.table in lookup.synchronized)
        )

    @property
    def status_columns(self) -> tuple[str, ...]:
        """The column of the secondary that holds the wanted status reason, if there is one."""
        return (self.status.column,) if isinstance(self.status, StatusColumn) else ()

    @property
    def has_removals(self) -> bool:
        """Whether rows that are gone in the primary are removed at all."""
        return self.deletes != "keep"

    @property
    def matches_by_id(self) -> bool:
        """Whether rows are matched by GUID and not by an alternate key."""
        return self.key == ("id",)

    @property
    def target_columns(self) -> dict[str, str]:
        """Every column mapped by name, lookups included: primary name → secondary name."""
        named = {name: target for name, target in self.columns.items() if name != EVERY_COLUMN}
        return {**named, **self._lookup_columns}

    @property
    def takes_every_column(self) -> bool:
        """Whether columns are mapped that are not named here."""
        return EVERY_COLUMN in self.columns

    @property
    def _lookup_columns(self) -> dict[str, str]:
        return {name: lookup.column or name for name, lookup in self.lookups.items()}

    @property
    def target_key(self) -> tuple[str, ...]:
        """The key in the secondary's column names; `("id",)` when matched by GUID."""
        return tuple(self.target_columns.get(name, name) for name in self.key)


class Configuration(Model):
    """All of `sync.yaml`.

    Attributes:
        environments: the two environments.
        tables: the tables that are kept equal; their order does not matter.
        schedule: when everything is compared and repaired.
        alerts: whom to tell when something needs a person.
        gateway: the receiver of webhooks.
        changes: whether changes start runs: `true`, as without it, `false`, or settings.
        live: whether one long run applies changes, within a second or two: `true`, `false`, as
            without it, or settings.
        state: folder of the ledger, beside `sync.yaml` unless absolute.
        ledger: SQLAlchemy address of the ledger; without it, SQLite in `state`.
        owners: who is asked about the tables; mail addresses, or teams as `team:NAME`. Shown in
            Dagster.
        key_prefix: what the names of assets, jobs and all else in Dagster begin with; needed where
            one Dagster project holds several pairs of environments.

    """

    environments: Environments
    tables: tuple[TableConfiguration, ...] = Field(min_length=1)
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    gateway: Gateway = Gateway()
    changes: Changes = ChangesSettings()
    live: Live = LiveSettings(enabled=False)
    state: Path = Path(".dv-sync")
    ledger: SecretStr | None = Field(
        default=None,
        examples=["postgresql+psycopg://dv_sync:${LEDGER_PASSWORD}@db.example/dv_sync"],
    )
    owners: tuple[Owner, ...] = Field(default=(), examples=[["team:master-data"]])
    key_prefix: LogicalName | Literal[""] = Field(default="", examples=["hotels"])

    @model_validator(mode="after")
    def _tables_agree(self) -> Self:
        for problem in self._table_problems():
            raise ValueError(problem)
        return self

    def _table_problems(self) -> Iterator[str]:
        for attribute in ("table", "target"):
            names = [getattr(table, attribute) for table in self.tables]
            repeated = {name for name in names if names.count(name) > 1}
            if repeated:
                yield f"{attribute} {listed(repeated)} stands in tables more than once"
        for table in self.tables:
            if table.key_set_too_late:
                yield (
                    f"{table.table}: key column {listed(table.key_set_too_late)} is set in a "
                    "second pass, so it can be no key"
                )
            yield from self._unknown_tables(table)

    def _unknown_tables(self, table: TableConfiguration) -> Iterator[str]:
        known = {table.table for table in self.tables}
        for association in table.associations:
            if association.table not in known:
                yield (
                    f"{table.table}: {association.relationship} leads to {association.table}, "
                    "which is not in tables"
                )
        for column, lookup in table.lookups.items():
            for parent in sorted(set(lookup.synchronized) - known):
                yield (
                    f"{table.table}: the lookup {column} points to {parent}, which is not in "
                    f"tables; if it is not to be synchronized, say {{table: {parent}, by: ...}}"
                )

    def table(self, name: str) -> TableConfiguration:
        """The table of that name in the primary; `ConfigurationError` if it is not synchronized."""
        for table in self.tables:
            if table.table == name:
                return table
        raise ConfigurationError(
            f"the table {name} is not synchronized",
            mend=f"Give one of {listed(table.table for table in self.tables)}",
        )

    def owners_of(self, table: TableConfiguration) -> list[str]:
        """Who is asked about this table."""
        return list(table.owners or self.owners)

    @property
    def follows_changes(self) -> bool:
        """Whether changes are to arrive in near real time, by either path."""
        return self.changes.enabled or self.live.enabled

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy address of the ledger."""
        if self.ledger is not None:
            return self.ledger.get_secret_value()
        return f"sqlite:///{self.state / 'ledger.db'}"
