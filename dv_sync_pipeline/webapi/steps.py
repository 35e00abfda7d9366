"""Webhooks as values: a service endpoint, the steps that post to it, and how they are compared.

Belongs here: what a registration is, as it should be and as it was found, and what has to be done
about the difference (DATAVERSE 10.1). Does not belong here: the requests (`registration.py`), which
tables and columns are watched (`sync/provisioning.py`), what is done with a delivery (`gateway/`).

Steps have no images: the content of a delivery is never applied, only its row's id is used.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from dv_sync_pipeline.config.gateway import KEY_HEADER

__all__ = [
    "Endpoint",
    "FoundEndpoint",
    "FoundStep",
    "Message",
    "RegistrationChange",
    "RegistrationChangeKind",
    "Step",
    "differences",
    "key_digest",
    "watching",
]


class Message(StrEnum):
    """What can happen to a row, as Dataverse calls it."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    ASSOCIATE = "Associate"
    DISASSOCIATE = "Disassociate"


_ROW_MESSAGES = (Message.CREATE, Message.UPDATE, Message.DELETE)
_PAIR_MESSAGES = (Message.ASSOCIATE, Message.DISASSOCIATE)
"""These know no table: their steps hear of every relationship (DATAVERSE 10.1)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message on one table that wakes the gateway.

    Attributes:
        message: what must happen.
        table: to a row of this table; "" for messages on pairs, which know no table.
        columns: an update must contain one of these; empty stands for any column.

    """

    message: Message
    table: str = ""
    columns: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """For people: `Update of contoso_hotel`."""
        return f"{self.message} of {self.table or 'pairs'}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A registration as it should be.

    Attributes:
        name: by which we find it again; unlike that of any other pipeline in the environment.
        url: of the gateway.
        key: that every delivery carries; Dataverse never shows it again.
        steps: what wakes the gateway.

    """

    name: str
    url: str
    key: str = field(repr=False)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundStep:
    """A step of ours as Dataverse shows it.

    Attributes:
        id: GUID.
        step: message, table and columns.
        is_sound: enabled, asynchronous, after the operation, and leaving no jobs behind.

    """

    id: str
    step: Step
    is_sound: bool


@dataclass(frozen=True, slots=True)
class FoundEndpoint:
    """A registration as Dataverse shows it.

    Attributes:
        id: GUID.
        url: where deliveries go.
        key_digest: of the key it was registered with; "" if that is not known.
        carries_header: the key travels in our header.
        steps: those that bear our name.
        has_other_steps: somebody else has put steps on it.

    """

    id: str
    url: str
    key_digest: str
    carries_header: bool
    steps: tuple[FoundStep, ...] = ()
    has_other_steps: bool = False


class RegistrationChangeKind(StrEnum):
    """What has to be done about a part of a registration."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class RegistrationChange:
    """One part of a registration that is not as it should be.

    Attributes:
        kind: what has to be done about it.
        step: the step; None for the endpoint itself.
        why: what is wrong with it, for people; "" when it is missing altogether.
        id: GUID of what is there; "" when it is missing.

    """

    kind: RegistrationChangeKind
    step: Step | None
    why: str = ""
    id: str = ""

    @property
    def title(self) -> str:
        """For people."""
        return f"step {self.step.title}" if self.step else "service endpoint"


# ---- wanted, and compared -----------------------------------------------------------------------


def watching(
    tables: Mapping[str, Iterable[str]], *, pairs: Collection[str] = ()
) -> tuple[Step, ...]:
    """The steps for these tables (logical name → columns whose updates matter).

    `pairs` are the many-to-many relationships that matter; their messages know neither table nor
    relationship, so one step each serves all of them.
    """
    on_rows = (
        Step(message, table, frozenset(columns) if message is Message.UPDATE else frozenset())
        for table, columns in tables.items()
        for message in _ROW_MESSAGES
    )
    return (*on_rows, *(Step(message) for message in _PAIR_MESSAGES if pairs))


def differences(wanted: Endpoint, found: FoundEndpoint | None) -> tuple[RegistrationChange, ...]:
    """What has to be done so that the registration is as wanted; empty when it is."""
    if found is None:
        create = RegistrationChangeKind.CREATE
        return tuple(RegistrationChange(create, step) for step in (None, *wanted.steps))
    return (*_endpoint_changes(wanted, found), *_step_changes(wanted, found))


def _endpoint_changes(wanted: Endpoint, found: FoundEndpoint) -> Iterator[RegistrationChange]:
    why = ""
    if found.url != wanted.url:
        why = f"it posts to {found.url} and not to {wanted.url}"
    elif found.key_digest != key_digest(wanted.key):
        why = "it was registered with another key"
    elif not found.carries_header:
        why = f"the key does not travel in the header {KEY_HEADER}"
    if why:
        yield RegistrationChange(RegistrationChangeKind.UPDATE, None, why, found.id)


def _step_changes(wanted: Endpoint, found: FoundEndpoint) -> Iterator[RegistrationChange]:
    left = list(found.steps)
    for step in wanted.steps:
        same = next((each for each in left if _is_for_the_same(each.step, step)), None)
        if same is None:
            yield RegistrationChange(RegistrationChangeKind.CREATE, step)
            continue
        left.remove(same)
        why = _what_is_wrong(same, step)
        if why:
            yield RegistrationChange(RegistrationChangeKind.UPDATE, step, why, same.id)
    for each in left:
        why = "nothing waits for it"
        yield RegistrationChange(RegistrationChangeKind.REMOVE, each.step, why, each.id)


def _is_for_the_same(one: Step, other: Step) -> bool:
    return (one.message, one.table) == (other.message, other.table)


def _what_is_wrong(found: FoundStep, wanted: Step) -> str:
    if found.step.columns != wanted.columns:
        changed = sorted(found.step.columns ^ wanted.columns)
        return f"it listens to other columns; the difference: {', '.join(changed)}"
    return "" if found.is_sound else "it is disabled, or not asynchronous"


def key_digest(key: str) -> str:
    """Tells two keys apart; 32 bits betray nothing of a key of 32 random bytes."""
    return sha256(key.encode()).hexdigest()[:8]
