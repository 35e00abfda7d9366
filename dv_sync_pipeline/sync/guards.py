"""When removals stop and wait for a person.

Belongs here: the list of rows to remove or pairs to undo, what identifies exactly it, and the
rule that holds it back. Pure. Does not belong here: removing anything; that is `removals.py`, and
for pairs `pairs.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

__all__ = ["HeldLists", "Removal", "RemovalList", "reason_to_hold", "removals_allowed"]

_LINKS_PER_REMOVAL = 10
_REMOVALS_ALWAYS_ALLOWED = 1000
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Removal:
    """A linked row of the secondary whose primary row is gone, or a pair that the primary undid.

    Attributes:
        primary_id: GUID of the row that is gone; of a pair, of its row of this table.
        secondary_id: GUID of the row that is to go; of a pair, of its row of this table.
        key: the row's key as a person reads it; of a pair, the keys of both rows.
        other_id: of a pair, GUID of its other row in the secondary; "" for a row.

    """

    primary_id: str
    secondary_id: str
    key: str
    other_id: str = ""


@dataclass(frozen=True, slots=True)
class RemovalList:
    """What a reconcile of one table found to be removed: its rows, or pairs of one relationship.

    Attributes:
        table: logical name in the primary.
        removals: the rows, by key; or the pairs.
        links: how many rows of the table were linked, these included; or how many pairs of linked
            rows the secondary has.
        primary_rows: how many rows the primary showed; or pairs.
        approved: the digest of the list that a person approved; "" if none.
        relationship: schema name of the many-to-many relationship; "" for rows.
        removed_lately: rows of the table that went within the last hour without approval: changes
            come in small portions, and a portion alone would never be too many.

    """

    table: str
    removals: Sequence[Removal]
    links: int
    primary_rows: int
    approved: str = ""
    relationship: str = ""
    removed_lately: int = 0

    @property
    def digest(self) -> str:
        """Names exactly this list: another row more or less gives another digest."""
        ids = "\n".join(sorted(map(_ids, self.removals)))
        return sha256(ids.encode()).hexdigest()[:_DIGEST_CHARACTERS]

    @property
    def noun(self) -> str:
        """What it lists, in the singular."""
        return "pair" if self.relationship else "row"


def _ids(removal: Removal) -> str:
    return f"{removal.primary_id} {removal.secondary_id} {removal.other_id}".rstrip()


def removals_allowed(links: int, *, max_removals: int | None) -> int:
    """How many may go without a person: as configured, or 10 % of the links and 1,000."""
    if max_removals is not None:
        return max_removals
    return max(_REMOVALS_ALWAYS_ALLOWED, links // _LINKS_PER_REMOVAL)


def reason_to_hold(found: RemovalList, *, max_removals: int | None) -> str:
    """Why a person must approve this list first; "" when nothing holds it back.

    A read that did not prove itself complete never comes this far: it fails the table.
    """
    if not found.removals or found.approved == found.digest:
        return ""
    if found.primary_rows == 0:
        return f"the primary shows no {found.noun} at all"
    allowed = removals_allowed(found.links, max_removals=max_removals)
    if len(found.removals) + found.removed_lately > allowed:
        some, of_all = f"{len(found.removals):,}", f"{found.links:,} {found.noun}s"
        lately = f" after {found.removed_lately:,} within an hour" if found.removed_lately else ""
        return f"{some} of {of_all} would go{lately}, {allowed:,} are allowed"
    return ""


@dataclass(frozen=True, slots=True)
class HeldLists:
    """The lists that wait for the approval of a person.

    Attributes:
        lists: those that are held.
        because: why they are, in words; "" when none is.

    """

    lists: tuple[RemovalList, ...] = ()
    because: str = ""

    @classmethod
    def of(cls, lists: Iterable[RemovalList], *, max_removals: int | None) -> Self:
        """Those of the lists that are held."""
        reasons = [(each, reason_to_hold(each, max_removals=max_removals)) for each in lists]
        held = [(each, reason) for each, reason in reasons if reason]
        return cls(
            tuple(each for each, _ in held),
            "; ".join(dict.fromkeys(reason for _, reason in held)),
        )

    @property
    def count(self) -> int:
        """How many rows or pairs wait."""
        return sum(len(each.removals) for each in self.lists)

    @property
    def pairs(self) -> int:
        """How many of them are pairs."""
        return sum(len(each.removals) for each in self.lists if each.relationship)
