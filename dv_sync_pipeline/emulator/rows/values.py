"""One value of a row: from JSON to what SQLite keeps, back to JSON, and to a text for people.

Belongs here: the table of DATAVERSE 3.3. Does not belong here: which columns may be written
(`writes.py`) and lookups, which are written by `@odata.bind` (`references.py`).

Kept as: text, whole numbers and GUIDs as they are; booleans as 0 and 1; exact decimals as text of
a fixed scale, compared by the collation `dv_decimal`; times as ISO text in UTC, which sorts.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from msgspec import Raw

from dv_sync_pipeline.emulator.rows import replies
from dv_sync_pipeline.emulator.tables.schema import ColumnDefinition, ColumnKind, DateTimeBehavior

__all__ = [
    "Decoder",
    "decoder",
    "encoder",
    "formatter",
    "guid",
    "money_scale",
    "sql_type",
    "timestamp",
]

Decoder = Callable[[Any], Any]
"""A JSON value that is not null → what SQLite keeps; raises `DataverseError`."""

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SELECTIONS_MAX = 150
_FIRST_YEAR = 1753
_SCALES = {ColumnKind.DECIMAL: 10, ColumnKind.MONEY: 4}

money_scale = _SCALES[ColumnKind.MONEY]


def guid(text: object) -> str | None:
    """The GUID in lower case; None if it is none."""
    if isinstance(text, str) and _GUID.fullmatch(text):
        return text.lower()
    return None


def timestamp(moment: datetime) -> str:
    """A moment as rows keep it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- SQL ----------------------------------------------------------------------------------------

_SQL_TYPES = {
    ColumnKind.INTEGER: "INTEGER",
    ColumnKind.BIG_INTEGER: "INTEGER",
    ColumnKind.BOOLEAN: "INTEGER",
    ColumnKind.CHOICE: "INTEGER",
    ColumnKind.STATE: "INTEGER",
    ColumnKind.STATUS: "INTEGER",
    ColumnKind.DOUBLE: "REAL",
    ColumnKind.DECIMAL: "TEXT COLLATE dv_decimal",
    ColumnKind.MONEY: "TEXT COLLATE dv_decimal",
    ColumnKind.IMAGE: "BLOB",
}


def sql_type(kind: ColumnKind) -> str:
    """The type of the SQL column."""
    return _SQL_TYPES.get(kind, "TEXT")


# ---- from JSON ----------------------------------------------------------------------------------


def decoder(column: ColumnDefinition, *, table: str) -> Decoder:
    """The decoder of the column, with its limits built in."""
    return _DECODERS.get(column.kind, _keep)(column, table)


def _keep(_column: ColumnDefinition, _table: str) -> Decoder:
    return lambda value: value


def _text(column: ColumnDefinition, table: str) -> Decoder:
    name, max_length = column.name, column.max_length or 100

    def decode(value: Any) -> str | None:
        if value.__class__ is not str:
            raise replies.wrong_type(name, "Edm.String", value)
        if len(value) > max_length:
            raise replies.text_too_long(name, table=table, max_length=max_length)
        return value or None

    return decode


def _whole_number(column: ColumnDefinition, table: str) -> Decoder:
    name = column.name
    minimum, maximum = int(column.minimum or 0), int(column.maximum or 0)
    expected = "Edm.Int32" if column.kind is ColumnKind.INTEGER else "Edm.Int64"

    def decode(value: Any) -> int:
        if value.__class__ is not int:
            raise replies.wrong_type(name, expected, value)
        if not minimum <= value <= maximum:
            raise replies.number_out_of_range(
                name, table=table, minimum=minimum, maximum=maximum, is_integer=True
            )
        return int(value)

    return decode


def _exact_number(column: ColumnDefinition, table: str) -> Decoder:
    name, minimum, maximum = column.name, column.minimum, column.maximum
    precision, scale = column.precision or 0, _SCALES[column.kind]
    shape = f".{precision}f"
    # Formatting rounds half to even and costs half as much as rounding first.
    padding = "0" * (scale - precision)

    def decode(value: Any) -> str:
        if value.__class__ is not Decimal and value.__class__ is not int:
            raise replies.wrong_type(name, "Edm.Decimal", value)
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            raise replies.number_out_of_range(
                name, table=table, minimum=minimum, maximum=maximum, is_integer=False
            )
        return format(Decimal(value), shape) + padding

    return decode


def _floating_number(column: ColumnDefinition, table: str) -> Decoder:
    name, minimum, maximum = column.name, column.minimum, column.maximum
    lowest, highest = _as_float(minimum, -math.inf), _as_float(maximum, math.inf)
    precision = column.precision if column.precision is not None else 5

    def decode(value: Any) -> float:
        if value.__class__ not in (Decimal, int, float):
            raise replies.wrong_type(name, "Edm.Double", value)
        number = float(value)
        if not lowest <= number <= highest:
            raise replies.number_out_of_range(
                name, table=table, minimum=minimum, maximum=maximum, is_integer=False
            )
        return round(number, precision)

    return decode


def _as_float(limit: Decimal | None, default: float) -> float:
    """A limit with which floating numbers are compared twenty times as fast."""
    return default if limit is None else float(limit)


def _truth(column: ColumnDefinition, _table: str) -> Decoder:
    name = column.name

    def decode(value: Any) -> int:
        if value.__class__ is not bool:
            raise replies.wrong_type(name, "Edm.Boolean", value)
        return int(value)

    return decode


def _moment(column: ColumnDefinition, _table: str) -> Decoder:
    name = column.name
    if column.date_time_behavior is DateTimeBehavior.DATE_ONLY:
        return _day(name)

    def decode(value: Any) -> str:
        if value.__class__ is not str:
            raise replies.wrong_type(name, "Edm.DateTimeOffset", value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise replies.wrong_type(name, "Edm.DateTimeOffset", value) from None
        if moment.year < _FIRST_YEAR:
            raise replies.wrong_date(name, value)
        if len(value) == _STAMP_LENGTH and value[-1] == "Z":
            return str(value)
        try:
            return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except OverflowError:  # the last hours of the year 9999, west of Greenwich
            raise replies.wrong_date(name, value) from None

    return decode


_STAMP_LENGTH = len("2026-01-31T13:00:00Z")
_DAY_LENGTH = len("2026-01-31")


def _day(name: str) -> Decoder:
    def decode(value: Any) -> str:
        if value.__class__ is not str or len(value) != _DAY_LENGTH:
            raise replies.wrong_type(name, "Edm.Date", value)
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise replies.wrong_type(name, "Edm.Date", value) from None
        if day.year < _FIRST_YEAR:
            raise replies.wrong_date(name, value)
        return str(value)

    return decode


def _option(column: ColumnDefinition, table: str) -> Decoder:
    name, accepted = column.name, {option.value: None for option in column.options}

    def decode(value: Any) -> int:
        if value.__class__ is not int:
            raise replies.wrong_type(name, "Edm.Int32", value)
        if value not in accepted:
            raise replies.option_out_of_range(value, column=name, table=table, accepted=accepted)
        return int(value)

    return decode


def _selection(column: ColumnDefinition, table: str) -> Decoder:
    name = column.name
    decode_one = _option(column, table)

    @lru_cache  # the same few selections come again and again
    def normalize(text: str) -> str | None:
        try:
            numbers = {decode_one(int(part)) for part in text.split(",") if part.strip()}
        except ValueError:
            raise replies.wrong_type(name, "Edm.String", text) from None
        if len(numbers) > _SELECTIONS_MAX:
            raise replies.invalid_argument(f"{name} has more than {_SELECTIONS_MAX} selections.")
        return ",".join(map(str, sorted(numbers))) or None

    def decode(value: Any) -> str | None:
        if value.__class__ is not str:
            raise replies.wrong_type(name, "Edm.String", value)
        return normalize(value)

    return decode


def _identifier(column: ColumnDefinition, _table: str) -> Decoder:
    name = column.name

    def decode(value: Any) -> str:
        identifier = guid(value)
        if identifier is None:
            raise replies.wrong_type(name, "Edm.Guid", value)
        return identifier

    return decode


def _picture(column: ColumnDefinition, _table: str) -> Decoder:
    name = column.name

    def decode(value: Any) -> bytes:
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise replies.wrong_type(name, "Edm.Binary", value) from None
        if not content.startswith(_PICTURE_BEGINNINGS):
            raise replies.not_a_picture(name)
        return content

    return decode


_PICTURE_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
"""PNG, JPEG, GIF, BMP."""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


_DECODERS: Mapping[ColumnKind, Callable[[ColumnDefinition, str], Decoder]] = {
    ColumnKind.STRING: _text,
    ColumnKind.MEMO: _text,
    ColumnKind.INTEGER: _whole_number,
    ColumnKind.BIG_INTEGER: _whole_number,
    ColumnKind.DECIMAL: _exact_number,
    ColumnKind.MONEY: _exact_number,
    ColumnKind.DOUBLE: _floating_number,
    ColumnKind.BOOLEAN: _truth,
    ColumnKind.DATE_TIME: _moment,
    ColumnKind.CHOICE: _option,
    ColumnKind.STATE: _option,
    ColumnKind.STATUS: _option,
    ColumnKind.MULTI_CHOICE: _selection,
    ColumnKind.UNIQUE_IDENTIFIER: _identifier,
    ColumnKind.IMAGE: _picture,
}


# ---- to JSON ------------------------------------------------------------------------------------

_ENCODERS: Mapping[ColumnKind, Callable[[Any], Any]] = {
    ColumnKind.BOOLEAN: bool,
    ColumnKind.DECIMAL: Raw,  # text of digits: exact, and quicker than a Decimal
    ColumnKind.MONEY: Raw,
    ColumnKind.IMAGE: _base64,
}


def encoder(kind: ColumnKind) -> Callable[[Any], Any] | None:
    """What turns a kept value that is not null into JSON; None if it is JSON already."""
    return _ENCODERS.get(kind)


# ---- for people ---------------------------------------------------------------------------------


def formatter(column: ColumnDefinition) -> Callable[[Any], str] | None:
    """What turns a kept value into its formatted value; None if it has none (DATAVERSE 3.3)."""
    make = _FORMATTERS.get(column.kind)
    return make(column) if make else None


def _label(column: ColumnDefinition) -> Callable[[Any], str]:
    labels = {option.value: option.label for option in column.options}
    return lambda value: labels.get(value, str(value))


def _labels(column: ColumnDefinition) -> Callable[[Any], str]:
    labels = {str(option.value): option.label for option in column.options}
    return lambda value: "; ".join(labels.get(part, part) for part in value.split(","))


def _grouped(column: ColumnDefinition) -> Callable[[Any], str]:
    precision = column.precision or 0
    sign = "$" if column.kind is ColumnKind.MONEY else ""
    return lambda value: f"{sign}{Decimal(str(value)):,.{precision}f}"


def _calendar(column: ColumnDefinition) -> Callable[[Any], str]:
    if column.format == "DateOnly":
        return lambda value: _american_day(datetime.fromisoformat(value))
    return lambda value: _american_time(datetime.fromisoformat(value))


def _american_day(moment: datetime) -> str:
    return f"{moment.month}/{moment.day}/{moment.year}"


def _american_time(moment: datetime) -> str:
    hour = moment.hour % 12 or 12
    return f"{_american_day(moment)} {hour}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"  # noqa: PLR2004


_FORMATTERS: Mapping[ColumnKind, Callable[[ColumnDefinition], Callable[[Any], str]]] = {
    ColumnKind.BOOLEAN: _label,
    ColumnKind.CHOICE: _label,
    ColumnKind.STATE: _label,
    ColumnKind.STATUS: _label,
    ColumnKind.MULTI_CHOICE: _labels,
    ColumnKind.INTEGER: _grouped,
    ColumnKind.BIG_INTEGER: _grouped,
    ColumnKind.DECIMAL: _grouped,
    ColumnKind.DOUBLE: _grouped,
    ColumnKind.MONEY: _grouped,
    ColumnKind.DATE_TIME: _calendar,
}
