"""When removals stop and wait for a person.

Belongs here: the list of rows to remove, what identifies exactly this list, and the rule that holds
it back. Pure. Does not belong here: removing anything; that is `removals.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["Removal", "RemovalList", "reason_to_hold", "removals_allowed"]

_LINKS_PER_REMOVAL = 10
_REMOVALS_ALWAYS_ALLOWED = 1000
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Removal:
    """A linked row of the secondary whose primary row is gone.

    Attributes:
        primary_id: GUID of the row that is gone.
        secondary_id: GUID of the row that is to go.
        key: the row's key as a person reads it.

    """

    primary_id: str
    secondary_id: str
    key: str


@dataclass(frozen=True, slots=True)
class RemovalList:
    """What a reconcile of one table found to be removed.

    Attributes:
        table: logical name in the primary.
        removals: the rows, by key.
        links: how many rows of the table were linked, these included.
        primary_rows: how many rows the primary showed.
        approved: the digest of the list that a person approved; "" if none.

    """

    table: str
    removals: Sequence[Removal]
    links: int
    primary_rows: int
    approved: str = ""

    @property
    def digest(self) -> str:
        """Names exactly this list: another row more or less gives another digest."""
        ids = "\n".join(sorted(f"{each.primary_id} {each.secondary_id}" for each in self.removals))
        return sha256(ids.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def removals_allowed(links: int, *, max_removals: int | None) -> int:
    """How many rows may go without a person: as configured, or 10 % of the links and 1,000."""
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
        return "the primary shows no row at all"
    allowed = removals_allowed(found.links, max_removals=max_removals)
    if len(found.removals) > allowed:
        return f"{len(found.removals):,} of {found.links:,} rows would go, {allowed:,} are allowed"
    return ""
