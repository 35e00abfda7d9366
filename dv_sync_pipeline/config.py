"""What `sync.yaml` may say, and how it is read.

Belongs here: the pydantic models of the file, `${VAR}` substitution, and messages that name the
line. Does not belong here: anything that asks an environment whether a table or column exists;
that is `sync/engine.py`. The process environment is not read here either: `load` is given the
variables by the composition roots (`definitions.py`, `cli/`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from dv_sync_pipeline.errors import ConfigurationError
from dv_sync_pipeline.redact import redact

__all__ = [
    "CertificateCredential",
    "ClientSecretCredential",
    "Configuration",
    "Credential",
    "EnvironmentConfiguration",
    "Environments",
    "LookupConfiguration",
    "LookupTarget",
    "Schedule",
    "TableConfiguration",
    "find",
    "load",
    "parse",
]

CONFIGURATION_VARIABLE = "DV_SYNC_CONFIG"
DEFAULT_FILE_NAME = "sync.yaml"

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_LOGICAL_NAME = re.compile(r"[a-z][a-z0-9_]*")
_QUOTE_VARIABLES = 'Between { } a variable needs quotes: "${NAME}"'
EVERY_COLUMN = "*"
"""Among `columns`: every custom column that both environments have."""

_STATUS_COLUMNS = frozenset({"statecode", "statuscode"})


class _Model(BaseModel):
    """Frozen, and strict about unknown settings: a misspelt setting must not pass silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _check_logical_name(name: Any) -> Any:
    if isinstance(name, str) and not _LOGICAL_NAME.fullmatch(name):
        msg = f"{name!r} is not a logical name: lower-case letters, digits and _ only"
        raise ValueError(msg)
    return name


def _check_column_name(name: Any) -> Any:
    return name if name == EVERY_COLUMN else _check_logical_name(name)


def _name_columns_after_themselves(columns: Any) -> Any:
    if columns == EVERY_COLUMN:
        columns = [columns]
    return {name: name for name in columns} if isinstance(columns, list) else columns


def _split_key(key: Any) -> Any:
    return (key,) if isinstance(key, str) else key


LogicalName = Annotated[str, BeforeValidator(_check_logical_name)]
"""A table's or column's logical name (DATAVERSE 3.3: always lower case)."""

_ColumnName = Annotated[str, BeforeValidator(_check_column_name)]

ColumnMapping = Annotated[
    dict[_ColumnName, _ColumnName], BeforeValidator(_name_columns_after_themselves)
]
"""Primary column → secondary column; a plain list maps each column to its own name."""

Constant = str | int | float | bool | None
"""A value that every row shows."""


class ClientSecretCredential(_Model):
    """An application user that proves itself with a secret.

    The secret comes from a variable (`client_secret: ${NAME}`) or from a file, never from the text
    of `sync.yaml` itself.
    """

    kind: Literal["client_secret"]
    tenant_id: str = Field(min_length=1, description="Entra tenant: GUID or domain.")
    client_id: str = Field(min_length=1, description="Application (client) id.")
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None

    @model_validator(mode="after")
    def _has_one_secret(self) -> Self:
        if (self.client_secret is None) == (self.client_secret_file is None):
            msg = "give either client_secret or client_secret_file"
            raise ValueError(msg)
        if self.client_secret is not None and not self.client_secret.get_secret_value():
            msg = "client_secret is empty: set the variable that it names"
            raise ValueError(msg)
        return self

    def read_secret(self) -> str:
        """The secret itself; raises `ConfigurationError` when its file cannot be read."""
        if self.client_secret is not None:
            return self.client_secret.get_secret_value()
        return _read_text(self.client_secret_file, purpose="client secret").strip()


class CertificateCredential(_Model):
    """An application user that proves itself with a certificate (DATAVERSE 1.4)."""

    kind: Literal["certificate"]
    tenant_id: str = Field(min_length=1, description="Entra tenant: GUID or domain.")
    client_id: str = Field(min_length=1, description="Application (client) id.")
    certificate_file: Path = Field(description="PEM file with the private key and certificate.")

    def read_pem(self) -> str:
        """Private key and certificate; raises `ConfigurationError` when they cannot be read."""
        return _read_text(self.certificate_file, purpose="certificate")


Credential = Annotated[ClientSecretCredential | CertificateCredential, Field(discriminator="kind")]


class EnvironmentConfiguration(_Model):
    """One Dataverse organisation and the application users that may speak to it."""

    url: str = Field(description="https://contoso.crm4.dynamics.com")
    credentials: tuple[Credential, ...] = Field(min_length=1)
    organization_id: str = Field(
        default="", description="If set, any other organisation is refused."
    )
    authority: str = Field(
        default="https://login.microsoftonline.com",
        description="Where tokens come from; other for sovereign clouds and the emulator.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authority to trust instead of the system's.",
    )
    rows_per_page: int = Field(default=5000, ge=1, le=5000)
    rows_per_call: int = Field(
        default=500, ge=1, le=1000, description="Rows in one bulk message (DATAVERSE 8.2)."
    )
    requests_in_flight: int = Field(
        default=4, ge=1, le=52, description="At once, for one run (DATAVERSE 9.1: 52 at most)."
    )

    @field_validator("url", "authority")
    @classmethod
    def _is_https_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.username:
            msg = (
                f"{redact(url)!r} is not an https address such as https://contoso.crm.dynamics.com"
            )
            raise ValueError(msg)
        return url.rstrip("/")

    @field_validator("url")
    @classmethod
    def _has_no_path(cls, url: str) -> str:
        if urlsplit(url).path not in ("", "/"):
            msg = f"{url!r} has a path: give the environment's address alone"
            raise ValueError(msg)
        return url


class Environments(_Model):
    """The two environments: the primary has the authority, the secondary is kept equal to it."""

    primary: EnvironmentConfiguration
    secondary: EnvironmentConfiguration

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.primary.url.lower() == self.secondary.url.lower():
            msg = "primary and secondary have the same url"
            raise ValueError(msg)
        return self


class Schedule(_Model):
    """When the nightly reconciliation runs."""

    reconcile: str | None = Field(default="0 2 * * *", description="Cron expression, or null.")
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _is_known_timezone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:
            msg = f"{timezone!r} is not a time zone such as Europe/Berlin"
            raise ValueError(msg) from error
        return timezone

    @field_validator("reconcile")
    @classmethod
    def _has_five_fields(cls, cron: str | None) -> str | None:
        if cron is not None and len(cron.split()) != 5:  # noqa: PLR2004 - cron has five fields
            msg = f"{cron!r} is not a cron expression of five fields such as '0 2 * * *'"
            raise ValueError(msg)
        return cron


class LookupTarget(_Model):
    """A table that a lookup may point to.

    Attributes:
        table: its name in the primary.
        by: set when the table is not synchronized: the column by which its rows are matched.

    """

    table: LogicalName
    by: LogicalName = ""


def _spell_out_target(target: Any) -> Any:
    return {"table": target} if isinstance(target, str) else target


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


class LookupConfiguration(_Model):
    """Where a lookup column points to.

    Attributes:
        tables: the tables; several for a customer, an owner, or another polymorphic lookup.
        column: its name in the secondary; "" for the same name.
        deferred: where lookups go round in a circle, set this one in a second pass; without it the
            choice is ours.

    """

    tables: tuple[Annotated[LookupTarget, BeforeValidator(_spell_out_target)], ...] = Field(
        min_length=1
    )
    column: LogicalName | Literal[""] = ""
    deferred: bool = False

    @property
    def synchronized(self) -> tuple[str, ...]:
        """The tables among them that must be synchronized first."""
        return tuple(target.table for target in self.tables if not target.by)


class AssociationConfiguration(_Model):
    """A many-to-many relationship whose pairs follow the primary.

    Attributes:
        relationship: its schema name, the same in both environments.
        table: the synchronized table on its other side, by its name in the primary.

    """

    relationship: str = Field(min_length=1)
    table: LogicalName


class TableConfiguration(_Model):
    """One synchronized table.

    Attributes:
        table: its name in the primary.
        target: its name in the secondary; the same unless told otherwise.
        key: the columns (in the primary) by which rows of both sides are matched; `("id",)`
            matches by GUID.
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
        status: `direct` sets state and status reason; `none` leaves them alone.
        deletes: what happens to a linked secondary row whose primary row is gone; `keep` only
            reports it.
        max_removals: more removals than this in one run wait for a person; by default 10 % of the
            linked rows, and at least 1,000.
        group: the asset group in Dagster.
        description: shown in Dagster.

    """

    table: LogicalName
    target: LogicalName = ""
    key: Annotated[tuple[LogicalName, ...], BeforeValidator(_split_key), Field(min_length=1)]
    columns: ColumnMapping = Field(default_factory=dict)
    lookups: dict[
        LogicalName, Annotated[LookupConfiguration, BeforeValidator(_spell_out_lookup)]
    ] = Field(default_factory=dict)
    associations: tuple[AssociationConfiguration, ...] = ()
    exclude: frozenset[LogicalName] = frozenset()
    constants: dict[LogicalName, Constant] = Field(default_factory=dict)
    values: dict[LogicalName, dict[int, int]] = Field(default_factory=dict)
    filter: str = ""
    status: Literal["direct", "none"] = "direct"
    deletes: Literal["delete", "deactivate", "keep"] = "delete"
    max_removals: int | None = Field(default=None, ge=0)
    group: LogicalName = "tables"
    description: str = ""

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
            yield f"key column {_listed(unmapped)} is neither in columns nor in lookups"
        if "id" in self.key and len(self.key) > 1:
            yield "key: id stands alone, it cannot be combined with other columns"

    def _repeated_columns(self) -> Iterator[str]:
        twice = self.columns.keys() & self.lookups.keys()
        if twice:
            yield f"{_listed(twice)} stands in columns and in lookups: a lookup goes in lookups"
        targets = [*self.target_columns.values(), *self.constants]
        repeated = {name for name in targets if targets.count(name) > 1}
        if repeated:
            yield f"two columns are mapped to {_listed(repeated)}"
        reserved = _STATUS_COLUMNS & (self.columns.keys() | set(targets))
        if reserved:
            yield f"{_listed(reserved)} cannot be mapped: set status: direct instead"

    def _useless_settings(self) -> Iterator[str]:
        if self.columns.get(EVERY_COLUMN, EVERY_COLUMN) != EVERY_COLUMN:
            yield "* cannot be renamed"
        excluded = self.exclude & (self.target_columns.keys() | set(self.key))
        if excluded:
            yield f"{_listed(excluded)} is mapped and excluded"
        unmapped = set() if self.takes_every_column else self.values.keys() - self.columns.keys()
        if unmapped:
            yield f"values are given for {_listed(unmapped)}, which is not in columns"
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


class Configuration(_Model):
    """All of `sync.yaml`."""

    environments: Environments
    tables: tuple[TableConfiguration, ...] = Field(min_length=1)
    schedule: Schedule = Schedule()
    state: Path = Field(
        default=Path(".dv-sync"),
        description="Folder of the ledger, beside sync.yaml unless absolute.",
    )
    ledger: SecretStr | None = Field(
        default=None, description="SQLAlchemy address of the ledger; default: SQLite in `state`."
    )

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
                yield f"{attribute} {_listed(repeated)} stands in tables more than once"
        for table in self.tables:
            if table.key_set_too_late:
                yield (
                    f"{table.table}: key column {_listed(table.key_set_too_late)} is set in a "
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
            mend=f"Give one of {_listed(table.table for table in self.tables)}",
        )

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy address of the ledger."""
        if self.ledger is not None:
            return self.ledger.get_secret_value()
        return f"sqlite:///{self.state / 'ledger.db'}"


def find(variables: Mapping[str, str]) -> Path:
    """The configuration file that `DV_SYNC_CONFIG` names, else `sync.yaml` in this folder."""
    return Path(variables.get(CONFIGURATION_VARIABLE) or DEFAULT_FILE_NAME)


def load(file: Path, variables: Mapping[str, str]) -> Configuration:
    """Read, substitute and validate; relative paths count from the folder of the file.

    Raises `ConfigurationError` that names file and line.
    """
    text = _read_text(file, purpose="configuration")
    return parse(text, variables, file=file)


def parse(text: str, variables: Mapping[str, str], *, file: Path) -> Configuration:
    """As `load`, from text; `file` gives the name in messages and the base of relative paths."""
    document = _Document(file, variables)
    try:
        values = document.read(text)
        configuration = Configuration.model_validate(values)
    except yaml.YAMLError as error:
        raise _describe_syntax(error, text, file=file) from None
    except ValidationError as error:
        raise document.describe(error) from None
    return _resolve_paths(configuration, file.absolute().parent)


def _describe_syntax(error: yaml.YAMLError, text: str, *, file: Path) -> ConfigurationError:
    line, why = _place_and_reason(error, text)
    around = "".join(text.splitlines()[line - 1 : line])  # a file may end too early, after its text
    return ConfigurationError(
        "not valid YAML",
        where=f"{file}, line {line}",
        why=redact(why),
        mend=_QUOTE_VARIABLES if "${" in around else "",
    )


def _place_and_reason(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    match error:
        case yaml.MarkedYAMLError(problem_mark=yaml.Mark() as mark):
            return mark.line + 1, error.problem or ""
        case yaml.reader.ReaderError():
            return text.count("\n", 0, error.position) + 1, error.reason
        case _:
            return 1, ""


class _Document:
    """The file as a tree that remembers the line of each value."""

    def __init__(self, file: Path, variables: Mapping[str, str]) -> None:
        self._file = file
        self._variables = variables
        self._lines: dict[tuple[str | int, ...], int] = {}

    def read(self, text: str) -> Any:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise ConfigurationError("the file is empty", where=str(self._file))
        return self._value(root, ())

    def _value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self._lines[path] = node.start_mark.line + 1
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return [self._value(item, (*path, i)) for i, item in enumerate(node.value)]
            case _:
                return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = str(key_node.value)
            if name in values:
                raise self._error(f"{name} is given twice", key_node)
            values[name] = self._value(value_node, (*path, name))
            self._lines[(*path, name)] = key_node.start_mark.line + 1
        return values

    def _scalar(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        text = node.value
        if path and path[-1] == "client_secret" and not _VARIABLE.fullmatch(text):
            raise self._error(
                "a secret stands in the file",
                node,
                mend="Write client_secret: ${NAME} and set the variable, or use client_secret_file",
            )
        if _VARIABLE.search(text):
            return _VARIABLE.sub(lambda match: self._substitute(match, node), text)
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node, deep=True)
        except ValueError:
            raise self._error(
                f"{text} looks like a date or a number, and is none",
                node,
                mend="Put it between quotes",
            ) from None

    def _substitute(self, match: re.Match[str], node: yaml.Node) -> str:
        name, default = match["name"], match["default"]
        value = self._variables.get(name) or default
        if value is None:
            raise self._error(
                f"the variable {name} is not set", node, mend=f"Set {name} in the environment"
            )
        return value

    def _error(self, what: str, node: yaml.Node, mend: str = "") -> ConfigurationError:
        return ConfigurationError(
            what, where=f"{self._file}, line {node.start_mark.line + 1}", mend=mend
        )

    def describe(self, error: ValidationError) -> ConfigurationError:
        """Every problem with its line; the first one gives the place."""
        details = error.errors(include_input=False, include_url=False)
        causes = [one for one in details if not _is_consequence(one, details)]
        problems = sorted(self._problem(one) for one in causes)
        (line, first), *others = problems
        more = "".join(f"\n  line {other_line}: {text}" for other_line, text in others)
        return ConfigurationError(f"{first}{more}", where=f"{self._file}, line {line}")

    def _problem(self, details: ErrorDetails) -> tuple[int, str]:
        path, line = self._locate(details["loc"])
        text = _WORDING.get(details["type"], details["msg"]).removeprefix("Value error, ")
        setting = ".".join(str(part) for part in path)
        return line, redact(f"{setting}: {text}" if setting else text)

    def _locate(self, location: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], int]:
        """The setting's path as the file spells it, and the line of its nearest known part."""
        path = tuple(
            part
            for before, part in zip((None, *location), location, strict=False)
            if part != _KEY_OF_MAPPING and not (isinstance(before, int) and part in _UNION_TAGS)
        )
        known = path
        while known not in self._lines and known:
            known = known[:-1]
        return path, self._lines.get(known, 1)


def _is_consequence(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether a list counts as too short only because its items are wrong."""
    location = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(location)] == location for other in errors if other is not error
    )


_UNION_TAGS = frozenset({"client_secret", "certificate"})
"""Kinds of credentials: pydantic puts them after the index, where the file has nothing."""

_KEY_OF_MAPPING = "[key]"
"""What pydantic appends to the location of a mapping's key."""

_WORDING = {
    "extra_forbidden": "there is no such setting; look for a misspelling",
    "missing": "this setting is missing",
    "model_type": "expected settings, one 'name: value' a line",
    "dict_type": "expected settings, one 'name: value' a line",
    "tuple_type": "expected a list",
    "too_short": "expected at least one",
    "union_tag_invalid": "kind must be client_secret or certificate",
    "union_tag_not_found": "kind is missing: client_secret or certificate",
}
"""Plain words for pydantic's types of errors; the others speak for themselves."""


def _resolve_paths(configuration: Configuration, folder: Path) -> Configuration:
    """Every path of the configuration made absolute, counted from the folder of the file."""

    def resolve(model: _Model) -> _Model:
        changes: dict[str, Any] = {}
        for name in type(model).model_fields:
            value = getattr(model, name)
            if isinstance(value, Path):
                changes[name] = folder / value
            elif isinstance(value, _Model):
                changes[name] = resolve(value)
            elif isinstance(value, tuple) and value and isinstance(value[0], _Model):
                changes[name] = tuple(resolve(item) for item in value)
        return model.model_copy(update=changes)

    resolved = resolve(configuration)
    assert isinstance(resolved, Configuration)  # noqa: S101 - resolve keeps the type
    return resolved


def _read_text(file: Path | None, *, purpose: str) -> str:
    try:
        return Path(str(file)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the {purpose} file {file} cannot be read",
            why=getattr(error, "strerror", None) or str(error),
            mend=f"Set {CONFIGURATION_VARIABLE} to the path of a configuration"
            if purpose == "configuration"
            else "Check the path and its permissions",
        ) from None


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
