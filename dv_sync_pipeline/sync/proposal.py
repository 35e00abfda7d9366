"""What a `sync.yaml` for two environments could say: descriptions in, proposal out.

Belongs here: every choice that can be made without asking a person, and the questions that cannot.
A proposed table has passed the same check as in a run (`mapping.agree`). Pure. Does not belong
here: reading the environments (`survey`), columns (`column_choice`), or the text of the file
(`cli/proposal_text.py`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dv_sync_pipeline.config import (
    AssociationConfiguration,
    LookupConfiguration,
    TableConfiguration,
)
from dv_sync_pipeline.errors import SchemaMismatchError
from dv_sync_pipeline.sync.column_choice import (
    ProposedLookup,
    own_columns,
    propose_columns,
    propose_lookups,
    unmapped_columns,
)
from dv_sync_pipeline.sync.deferral import deferred_lookups
from dv_sync_pipeline.sync.drift import Effect
from dv_sync_pipeline.sync.drift_rules import STATUS_COLUMNS, Schemas
from dv_sync_pipeline.sync.mapping import agree
from dv_sync_pipeline.sync.ordering import in_dependency_order
from dv_sync_pipeline.sync.survey import GuidEvidence, SharedValues, Survey, TableFacts
from dv_sync_pipeline.webapi.metadata import Association, Key

__all__ = ["Proposal", "ProposedTable", "propose"]


@dataclass(frozen=True, slots=True)
class ProposedTable:
    """One table of the proposal.

    Attributes:
        table: its name in both environments.
        description: what its makers say of it; often "".
        key: the columns by which rows are matched; `("id",)` by GUID.
        key_reason: why this key, in words.
        key_is_guessed: `dv-sync provision` would have to make the alternate key.
        columns: mapped columns.
        lookups: mapped lookup columns.
        associations: many-to-many relationships that stand at this table.
        status: `direct`, or `none` where one side has no state.
        questions: what a person must decide, each a sentence.
        own_columns: columns of the secondary alone, which are never written.

    """

    table: str
    description: str
    key: tuple[str, ...]
    key_reason: str
    key_is_guessed: bool
    columns: tuple[str, ...]
    lookups: tuple[ProposedLookup, ...]
    associations: tuple[AssociationConfiguration, ...]
    status: Literal["direct", "none"]
    questions: tuple[str, ...]
    own_columns: tuple[str, ...]

    @property
    def configuration(self) -> TableConfiguration:
        """The same as a table of `sync.yaml`."""
        return TableConfiguration(
            table=self.table,
            key=self.key,
            columns={name: name for name in self.columns},
            lookups={
                lookup.column: LookupConfiguration(tables=lookup.targets) for lookup in self.lookups
            },
            associations=self.associations,
            status=self.status,
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """All of it.

    Attributes:
        tables: in the order in which they are synchronized.
        undecided: tables that are left out, with the reason.
        only_primary, only_secondary: custom tables of one side alone.

    """

    tables: tuple[ProposedTable, ...]
    undecided: Mapping[str, str]
    only_primary: tuple[str, ...]
    only_secondary: tuple[str, ...]

    @property
    def questions(self) -> list[tuple[str, str]]:
        """Everything that a person must decide: table and sentence."""
        of_tables = [(each.table, text) for each in self.tables for text in each.questions]
        absent = [(name, _ABSENT) for name in self.only_primary]
        return [*self.undecided.items(), *of_tables, *absent]


_ABSENT = (
    "the secondary has no table of this name; if its rows live in another one there, add the table "
    "by hand, with target"
)


def propose(survey: Survey) -> Proposal:
    """Choose what can be chosen.

    Leaving out one table can take a lookup from another, and that its key: so it is done again
    until no table is left out any more.
    """
    undecided = dict(survey.unreadable)
    facts = {each.summary.name: each for each in survey.tables}
    while True:
        drafts = {name: _draft(each, facts.keys()) for name, each in facts.items()}
        keys = {name: key for name, draft in drafts.items() if (key := draft.key) is not None}
        tables = {name: drafts[name].table(key) for name, key in keys.items()}
        refused = {name: draft.refusal for name, draft in drafts.items() if name not in keys}
        if not refused:
            tables, refused = _as_a_run_sees_them(tables, facts)
        if not refused:
            break
        undecided |= refused
        facts = {name: each for name, each in facts.items() if name not in refused}
    return Proposal(
        tables=tuple(_in_order(tables, facts)),
        undecided=undecided,
        only_primary=survey.only_primary,
        only_secondary=survey.only_secondary,
    )


def _as_a_run_sees_them(
    tables: Mapping[str, ProposedTable], facts: Mapping[str, TableFacts]
) -> tuple[dict[str, ProposedTable], dict[str, str]]:
    """The tables with the warnings of a run, and those that it would stop at, with its reason."""
    deferred = deferred_lookups([table.configuration for table in tables.values()])
    checked: dict[str, ProposedTable] = {}
    refused: dict[str, str] = {}
    for name, table in tables.items():
        try:
            mapping = agree(
                table.configuration,
                schemas=_once_provisioned(facts[name].schemas, table),
                targets={each: each for each in tables},
                deferred=deferred.get(name, ()),
            )
        except SchemaMismatchError as error:
            refused[name] = str(error)
        else:
            warnings = [str(each) for each in mapping.drift if each.effect is Effect.WARNS]
            checked[name] = replace(table, questions=(*table.questions, *warnings))
    return checked, refused


def _once_provisioned(schemas: Schemas, table: ProposedTable) -> Schemas:
    """With the alternate key of a guess, which nobody has made yet."""
    if not table.key_is_guessed:
        return schemas
    guessed = Key(f"{table.table}_key", table.key, "Active")
    there = replace(schemas.secondary, keys=(*schemas.secondary.keys, guessed))
    return replace(schemas, secondary=there)


def _in_order(
    tables: Mapping[str, ProposedTable], facts: Mapping[str, TableFacts]
) -> Iterator[ProposedTable]:
    """Parents first; an association stands at the later one of its tables, so it adds no circle."""
    done: list[str] = []
    for configuration in in_dependency_order([each.configuration for each in tables.values()]):
        table = tables[configuration.table]
        done.append(table.table)
        yield replace(table, associations=_associations(facts[table.table], among=done))


def _associations(
    facts: TableFacts, *, among: Collection[str]
) -> tuple[AssociationConfiguration, ...]:
    theirs = {_known_by(each) for each in facts.secondary.associations}
    common = [each for each in facts.primary.associations if _known_by(each) in theirs]
    return tuple(
        AssociationConfiguration(relationship=each.name, table=each.other)
        for each in common
        if each.other in among
    )


def _known_by(association: Association) -> tuple[str, str]:
    return association.name.lower(), association.other


def _draft(facts: TableFacts, synchronized: Collection[str]) -> "_Draft":
    return _Draft(facts, propose_columns(facts), propose_lookups(facts, synchronized))


@dataclass(frozen=True, slots=True)
class _Key:
    """A choice of key, and why; a guess is a question too."""

    columns: tuple[str, ...]
    reason: str
    question: str = ""


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is chosen for one table, given which tables are synchronized.

    Attributes:
        facts: what both sides look like.
        columns: the mapped columns.
        lookups: every lookup of both sides, those without a target included.

    """

    facts: TableFacts
    columns: tuple[str, ...]
    lookups: tuple[ProposedLookup, ...]

    @property
    def mapped_lookups(self) -> tuple[ProposedLookup, ...]:
        """Those that point somewhere."""
        return tuple(lookup for lookup in self.lookups if lookup.targets)

    @property
    def key(self) -> _Key | None:
        """The best key; None if nothing can serve as one."""
        choices = (
            self._key_of_both,
            self._key_of_secondary,
            self._key_by_guid,
            self._key_by_values,
        )
        return next((key for choice in choices if (key := choice()) is not None), None)

    @property
    def refusal(self) -> str:
        """Why the table cannot be proposed, when it has no key."""
        known = "; ".join(map(_described, self.facts.secondary.keys)) or "none"
        return (
            "no way to match its rows: no alternate key of the secondary is active with columns "
            f"that are mapped (keys: {known}), {_doubt(self.facts.guids)}, and no text column "
            "of both tells them apart. Add the table by "
            "hand with a key of the columns that tell its rows apart, and dv-sync provision makes "
            "that key; or say key: id if GUIDs are the same"
        )

    def table(self, key: _Key) -> ProposedTable:
        """The table as it is proposed."""
        return ProposedTable(
            table=self.facts.summary.name,
            description=self.facts.summary.description,
            key=key.columns,
            key_reason=key.reason,
            key_is_guessed=bool(key.question),
            columns=self.columns,
            lookups=self.mapped_lookups,
            associations=(),
            status="direct" if all(self._have_states) else "none",
            questions=(*filter(None, [key.question]), *self._questions()),
            own_columns=own_columns(self.facts),
        )

    def _key_of_both(self) -> _Key | None:
        ours = {frozenset(key.columns) for key in self.facts.primary.keys if key.is_active}
        keys = [key for key in self._usable_keys() if frozenset(key.columns) in ours]
        return _chosen(keys, "active in both environments")

    def _key_of_secondary(self) -> _Key | None:
        """It serves; but the primary may hold rows that are alike under it."""
        where = "in the secondary alone: rows of the primary that are alike in it are parked"
        return _chosen(self._usable_keys(), where)

    def _key_by_guid(self) -> _Key | None:
        guids = self.facts.guids
        if guids.found:
            why = f"{guids.found} of {guids.looked_up} rows looked up have the same GUID there"
            return _Key(("id",), f"no alternate key, but {why}")
        if guids.secondary_is_empty:
            return _Key(("id",), "no alternate key, and the secondary is empty: GUIDs are taken on")
        return None

    def _key_by_values(self) -> _Key | None:
        """The column with the most values in common; a name changes sooner than a code."""
        mapped = [each for each in self.facts.shared_values if each.column in self.columns]
        if not mapped:
            return None
        name = self.facts.primary.primary_name
        best = max(mapped, key=lambda each: (each.found, each.column != name))
        return _Key((best.column,), "no alternate key yet", _guess(best))

    def _usable_keys(self) -> list[Key]:
        """Active ones of mapped columns; a lookup among them must not wait for a second pass."""
        table = self.facts.summary.name
        mapped = {*self.columns} | {
            lookup.column
            for lookup in self.mapped_lookups
            if table not in {target.table for target in lookup.targets}
        }
        keys = self.facts.secondary.keys
        return [key for key in keys if key.is_active and set(key.columns) <= mapped]

    @property
    def _have_states(self) -> tuple[bool, bool]:
        schemas = (self.facts.primary, self.facts.secondary)
        ours, theirs = (set(STATUS_COLUMNS) <= schema.columns.keys() for schema in schemas)
        return ours, theirs

    def _questions(self) -> Iterator[str]:
        yield from (f"{each.column}: {each.remark}" for each in self.lookups if each.remark)
        yield from unmapped_columns(self.facts)
        if len(set(self._have_states)) > 1:
            side = "primary" if self._have_states[0] else "secondary"
            yield f"status: only the {side} has a state"


def _chosen(keys: Sequence[Key], where: str) -> _Key | None:
    """The key with the fewest columns, the first by name among those; the others are told."""
    if not keys:
        return None
    best, *others = sorted(keys, key=lambda key: (len(key.columns), key.name))
    more = f"; others: {', '.join(map(_described, others))}" if others else ""
    return _Key(best.columns, f"alternate key {best.name}, {where}{more}")


def _described(key: Key) -> str:
    status = "" if key.is_active else f", {key.index_status}"
    return f"{key.name} ({', '.join(key.columns)}{status})"


def _guess(values: SharedValues) -> str:
    return (
        f"key: {values.column} is a guess: in {values.looked_at:,} rows looked at no two are alike "
        f"in it, and {values.found:,} of its values are in the secondary. If no two rows ever are, "
        "dv-sync provision --apply makes the alternate key; otherwise choose other columns"
    )


def _doubt(guids: GuidEvidence) -> str:
    if not guids.looked_up:
        return "the primary has no rows whose GUIDs could be compared"
    return f"none of the {guids.looked_up} rows looked up has its GUID there"
