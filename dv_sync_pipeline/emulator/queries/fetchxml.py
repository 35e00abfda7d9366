"""FetchXML as values (DATAVERSE 6.1).

Belongs here: the grammar of `<fetch>`. Does not belong here: what it means for rows
(`fetch_sql.py`) and how it is asked over HTTP (`fetch_reply.py`).

Element names and attributes are those of FetchXML; what is unknown is refused, except for hints
that change no answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree import ElementTree as ET

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.rows.replies import DataverseError

__all__ = [
    "Attribute",
    "Criterion",
    "Entity",
    "Fetch",
    "Filter",
    "Link",
    "Order",
    "parse_fetch",
]

ROWS_MAX = 5000
_LINKS_MAX = 15
_FETCH_HINTS = {
    "datasource",
    "latematerialize",
    "mapping",
    "min-active-row-version",
    "no-lock",
    "options",
    "output-format",
    "useraworderby",
    "utc-offset",
    "version",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column to show.

    Attributes:
        name: logical name.
        alias: under which it is shown, or "".
        aggregate: such as `sum`, or "".
        is_grouped: rows with the same value count as one.
        date_grouping: such as `month`, or "".
        is_distinct: a `countcolumn` of different values.

    """

    name: str
    alias: str = ""
    aggregate: str = ""
    is_grouped: bool = False
    date_grouping: str = ""
    is_distinct: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One part of an order: by a column, or by an alias of an aggregate.

    Attributes:
        attribute: logical name, or "".
        alias: of an attribute, or "".
        link: alias of the link whose column it is, or "".
        is_descending: greatest first.

    """

    attribute: str
    alias: str = ""
    link: str = ""
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Criterion:
    """One `<condition>`.

    Attributes:
        attribute: logical name.
        operator: FetchXML's word such as `eq`.
        values: as text.
        link: alias of the link whose column it is, or "".
        other: the column to compare with instead of a value, or "".

    """

    attribute: str
    operator: str
    values: tuple[str, ...] = ()
    link: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions and filters, joined by `and` or `or`."""

    kind: str
    parts: tuple["Criterion | Filter | Link", ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A table with what is wanted of it.

    Attributes:
        name: logical name.
        attributes: to show.
        shows_all: `<all-attributes/>`.
        filters: all must hold.
        orders: in order.
        links: tables joined to it.

    """

    name: str
    attributes: tuple[Attribute, ...] = ()
    shows_all: bool = False
    filters: tuple[Filter, ...] = ()
    orders: tuple[Order, ...] = ()
    links: tuple["Link", ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A joined table.

    Attributes:
        entity: the table.
        column: of it, `from` in FetchXML.
        outer_column: of the table it is joined to, `to` in FetchXML.
        kind: `inner`, `outer`, or a kind that only asks whether there is a row.
        alias: names it; FetchXML makes one up where there is none.

    """

    entity: Entity
    column: str
    outer_column: str
    kind: str
    alias: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """A whole query.

    Attributes:
        entity: where it begins.
        rows_max: on a page, or altogether if `is_top`.
        is_top: there is one page only.
        page: from 1.
        cookie: that the client sent, or "".
        is_distinct: the same row once.
        is_aggregate: aggregates instead of rows.
        wants_total: count all rows as well.

    """

    entity: Entity
    rows_max: int = ROWS_MAX
    is_top: bool = False
    page: int = 1
    cookie: str = ""
    is_distinct: bool = False
    is_aggregate: bool = False
    wants_total: bool = False


def parse_fetch(text: str) -> Fetch:
    """The query; `DataverseError` 400 if it is not FetchXML."""
    root = _parse_xml(text)
    if root.tag != "fetch" or len(root) != 1 or root[0].tag != "entity":
        raise _invalid("<fetch> must contain one <entity>.")
    fields = _fields(root, _FETCH_FIELDS)
    if fields.get("top") and fields.get("page"):
        raise _invalid("top cannot be used together with page.")
    rows_max = _whole(fields.get("top") or fields.get("count") or str(ROWS_MAX))
    return Fetch(
        _Reader().entity(root[0]),
        rows_max=min(rows_max, ROWS_MAX),
        is_top=bool(fields.get("top")),
        page=_whole(fields.get("page", "1")),
        cookie=fields.get("paging-cookie", ""),
        is_distinct=_truth(fields.get("distinct")),
        is_aggregate=_truth(fields.get("aggregate")),
        wants_total=_truth(fields.get("returntotalrecordcount")),
    )


_FETCH_FIELDS = {
    "aggregate",
    "count",
    "distinct",
    "page",
    "paging-cookie",
    "returntotalrecordcount",
    "top",
} | _FETCH_HINTS


def _parse_xml(text: str) -> ET.Element:
    if "<!" in text.replace("<!--", ""):
        raise _invalid("declarations are not allowed.")
    try:
        return ET.fromstring(text)  # noqa: S314 - without declarations it cannot explode
    except ET.ParseError as error:
        raise _invalid(str(error)) from None


def _invalid(reason: str) -> DataverseError:
    return DataverseError(400, "0x80040201", f"Invalid FetchXML: {reason}")


def _fields(element: ET.Element, known: set[str]) -> Mapping[str, str]:
    """The attributes of an element; raises the 400 for an unknown one."""
    for name in element.attrib:
        if name not in known:
            raise _invalid(f"the attribute '{name}' of <{element.tag}> is unknown.")
    return element.attrib


def _named(element: ET.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise _invalid(f"<{element.tag}> needs the attribute '{name}'.")
    return value


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise _invalid(f"'{text}' is not a positive number.")
    return int(text)


def _truth(text: str | None) -> bool:
    return (text or "").lower() in ("1", "true")


_LINK_KINDS: Mapping[str, str] = {
    "inner": "inner",
    "natural": "inner",
    "outer": "outer",
    "any": "any",
    "exists": "any",
    "in": "any",
    "not any": "not any",
}
"""Kinds of links; those that give the same rows have the same word."""

_Part: TypeAlias = Criterion | Filter | Link


class _Reader:
    """Reads elements; counts links, to name those without an alias as FetchXML does."""

    def __init__(self) -> None:
        self._links = 0

    def entity(self, element: ET.Element) -> Entity:
        return Entity(
            _named(element, "name").lower(),
            attributes=tuple(map(_attribute, element.findall("attribute"))),
            shows_all=element.find("all-attributes") is not None,
            filters=tuple(map(self._filter, element.findall("filter"))),
            orders=tuple(map(_order, element.findall("order"))),
            links=tuple(map(self._link, element.findall("link-entity"))),
        )

    def _filter(self, element: ET.Element) -> Filter:
        return Filter(
            element.get("type", "and"),
            tuple(map(self._part, element)),
        )

    def _part(self, element: ET.Element) -> _Part:
        if element.tag == "condition":
            return _criterion(element)
        if element.tag == "filter":
            return self._filter(element)
        if element.tag == "link-entity":
            return self._link(element)
        raise _invalid(f"<{element.tag}> cannot stand in a filter.")

    def _link(self, element: ET.Element) -> Link:
        self._links += 1
        if self._links > _LINKS_MAX:
            raise _invalid(f"there are more than {_LINKS_MAX} links.")
        kind = element.get("link-type", "inner").lower()
        if kind not in _LINK_KINDS:
            raise replies.not_implemented(f"the link-type '{kind}'")
        name = _named(element, "name").lower()
        return Link(
            self.entity(element),
            column=element.get("from", "").lower(),
            outer_column=element.get("to", "").lower(),
            kind=_LINK_KINDS[kind],
            alias=element.get("alias") or f"{name}{self._links}",
        )


def _attribute(element: ET.Element) -> Attribute:
    return Attribute(
        _named(element, "name").lower(),
        alias=element.get("alias", ""),
        aggregate=element.get("aggregate", ""),
        is_grouped=_truth(element.get("groupby")),
        date_grouping=element.get("dategrouping", ""),
        is_distinct=_truth(element.get("distinct")),
    )


def _order(element: ET.Element) -> Order:
    return Order(
        element.get("attribute", "").lower(),
        alias=element.get("alias", ""),
        link=element.get("entityname", ""),
        is_descending=_truth(element.get("descending")),
    )


def _criterion(element: ET.Element) -> Criterion:
    values = [value.text or "" for value in element.findall("value")]
    if "value" in element.attrib:
        values.insert(0, element.attrib["value"])
    return Criterion(
        _named(element, "attribute").lower(),
        _named(element, "operator").lower(),
        tuple(values),
        link=element.get("entityname", ""),
        other=element.get("valueof", "").lower(),
    )
