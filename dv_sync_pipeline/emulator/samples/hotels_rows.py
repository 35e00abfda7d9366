"""Rows of the sample `hotels`: brands, hotels, room types, rooms, rate plans.

Belongs here: how believable rows come out of a seed. Does not belong here: the tables
(`hotels_tables`), the words (`words`).

Rooms are made in bulk, one hotel and one column at a time, so that a million take seconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, islice, pairwise
from random import Random
from typing import Any, TypeAlias

from dv_sync_pipeline.emulator.rows.ids import rising_ids
from dv_sync_pipeline.emulator.samples import words
from dv_sync_pipeline.emulator.samples.hotels_tables import (
    AMENITIES,
    BEDDINGS,
    CHANNELS,
    CLOSED_FOR_SEASON,
    EQUIPMENT,
    OUT_OF_ORDER,
    SEGMENTS,
    STARS,
    VIEWS,
)

__all__ = ["Row", "Rows", "primary_rows", "secondary_rows"]

Row: TypeAlias = dict[str, Any]
"""Logical column name → value as the store keeps it; a lookup holds the id of its row."""

Rows: TypeAlias = Iterator[tuple[str, Iterator[Row]]]
"""Table name → its rows, parents before children."""

BRANDS = 12
HOTELS = 300
RATE_PLANS_PER_HOTEL = 3
KNOWN_HOTELS = 40
FOREIGN_HOTELS = 5
FOREIGN_ROOMS = 20

_ACTIVE = {"statecode": 0, "statuscode": 1}
_INACTIVE = {"statecode": 1, "statuscode": 2}
_SEASONAL = {"statecode": 1, "statuscode": CLOSED_FOR_SEASON}
_DISORDERLY = {"statecode": 0, "statuscode": OUT_OF_ORDER}
_FIRST_DAY = date(1987, 4, 1)
_LAST_CLEANING = datetime(2026, 5, 31, 18, 0, tzinfo=UTC)


def primary_rows(*, seed: int, rooms: int) -> Rows:
    """All that the master-data team keeps: every table, with `rooms` rooms."""
    brands = list(_brands(_random(seed, "brands")))
    hotels = list(_hotels(_random(seed, "hotels"), brands))
    room_types = list(_room_types(_random(seed, "room types")))
    yield "contoso_brand", iter(brands)
    yield "contoso_hotel", iter(hotels)
    yield "contoso_roomtype", iter(room_types)
    yield "contoso_room", _rooms(_random(seed, "rooms"), hotels, room_types, rooms)
    yield "contoso_rateplan", _rate_plans(_random(seed, "rate plans"), hotels)


def secondary_rows(*, seed: int) -> Rows:
    """What the other department has before the first run.

    Some of the primary's hotels under other ids, partly outdated, with the department's own
    columns; and hotels and rooms of its own, which the primary does not know.
    """
    random = _random(seed, "secondary")
    primary = dict(primary_rows(seed=seed, rooms=0))
    known = random.sample(list(primary["contoso_hotel"]), KNOWN_HOTELS)
    ids = _ids(random)
    foreign = [_foreign_hotel(random, next(ids), number) for number in range(FOREIGN_HOTELS)]
    hotels = [*(_known_hotel(random, next(ids), hotel) for hotel in known), *foreign]
    yield "contoso_hotel", iter(hotels)
    yield "contoso_room", _rooms(random, foreign, [], FOREIGN_ROOMS)


def _random(seed: int, purpose: str) -> Random:
    """A stream of its own for each purpose: more rooms do not change the hotels."""
    return Random(f"{seed}/{purpose}")


def _brands(random: Random) -> Iterator[Row]:
    ids = _ids(random)
    for number, name in enumerate(words.BRAND_NAMES, start=1):
        yield {
            "contoso_brandid": next(ids),
            "contoso_name": name,
            "contoso_code": f"B-{number:02}",
            "contoso_segment": random.choice(SEGMENTS),
            "contoso_foundedon": _day(random),
            "contoso_commission": Decimal(random.randrange(500, 1800)) / 100,
            "contoso_website": f"https://brand{number:02}.contoso.example",
            "contoso_history": f"{name}\n{random.choice(words.CITIES).name}",
            "contoso_franchise": random.random() < 0.3,  # noqa: PLR2004 - a share
            **_state(random, inactive=_INACTIVE),
        }


def _hotels(random: Random, brands: Sequence[Row]) -> Iterator[Row]:
    ids = _ids(random)
    for number in range(1, HOTELS + 1):
        yield {
            "contoso_hotelid": next(ids),
            "contoso_code": f"H-{number:04}",
            "contoso_brandid": _sometimes(random, random.choice(brands)["contoso_brandid"]),
            **_place(random),
            **_hotel_facts(random),
            **_state(random, inactive=_SEASONAL),
        }


def _place(random: Random) -> Row:
    city = random.choice(words.CITIES)
    language = words.LANGUAGES[city.language]
    return {
        "contoso_name": random.choice(language.hotel_names).format(city=city.name),
        "contoso_city": city.name,
        "contoso_language": city.language,
        "contoso_description": language.description.format(city=city.name),
        "contoso_latitude": round(city.latitude + random.uniform(-0.05, 0.05), 5),
        "contoso_longitude": round(city.longitude + random.uniform(-0.05, 0.05), 5),
    }


def _hotel_facts(random: Random) -> Row:
    return {
        "contoso_stars": _sometimes(random, random.choice(STARS)),
        "contoso_amenities": _some_of(random, AMENITIES),
        "contoso_floors": random.randrange(2, 30),
        "contoso_guestsserved": random.randrange(10_000, 9_000_000_000),
        "contoso_citytax": _sometimes(random, Decimal(random.randrange(0, 900)) / 100),
        "contoso_petsallowed": random.random() < 0.4,  # noqa: PLR2004 - a share
        "contoso_openedon": _day(random),
        "contoso_inspectedat": _sometimes(random, _moment(random)),
        "contoso_checkinfrom": f"2026-01-01T{random.randrange(13, 18)}:00:00Z",
    }


def _known_hotel(random: Random, row_id: str, hotel: Row) -> Row:
    """A hotel of the primary as the department typed it in long ago."""
    outdated = random.choice(
        (
            {"contoso_name": f"{hotel['contoso_city']} Hotel"},
            {"contoso_floors": hotel["contoso_floors"] + 1, "contoso_stars": None},
            {"contoso_description": None, "contoso_petsallowed": not hotel["contoso_petsallowed"]},
            {},
        )
    )
    ids = {"contoso_hotelid": row_id, "contoso_brandid": None}
    return hotel | ids | outdated | _department(random)


def _foreign_hotel(random: Random, row_id: str, number: int) -> Row:
    row = {"contoso_hotelid": row_id, "contoso_code": f"DEP-{number + 1:03}"}
    return row | _place(random) | _hotel_facts(random) | _ACTIVE | _department(random)


def _department(random: Random) -> Row:
    return {
        "contoso_costcentre": f"KST-{random.randrange(1000, 9999)}",
        "contoso_vatnumber": f"DE{random.randrange(100_000_000, 999_999_999)}",
    }


def _room_types(random: Random) -> Iterator[Row]:
    ids = _ids(random)
    for number, name in enumerate(words.ROOM_TYPE_NAMES, start=1):
        yield {
            "contoso_roomtypeid": next(ids),
            "contoso_name": name,
            "contoso_code": f"RT-{number:02}",
            "contoso_description": _sometimes(random, f"{name}\n{random.choice(words.BED_NAMES)}"),
            "contoso_bedding": random.choice(BEDDINGS),
            "contoso_equipment": _some_of(random, EQUIPMENT),
            "contoso_guestsmax": random.randrange(1, 6),
            "contoso_surcharge": Decimal(random.randrange(0, 25_000)) / 100,
            "contoso_smoking": number == 1,
            **_state(random, inactive=_INACTIVE),
        }


def _rate_plans(random: Random, hotels: Sequence[Row]) -> Iterator[Row]:
    ids = _ids(random)
    for hotel in hotels:
        names = random.sample(words.RATE_PLAN_NAMES, RATE_PLANS_PER_HOTEL)
        for number, name in enumerate(names, start=1):
            yield {
                "contoso_rateplanid": next(ids),
                "contoso_name": name,
                "contoso_code": f"{hotel['contoso_code']}-R{number}",
                "contoso_hotelid": hotel["contoso_hotelid"],
                "contoso_discount": Decimal(random.randrange(0, 4000)) / 100,
                "contoso_breakfast": random.random() < 0.5,  # noqa: PLR2004 - a share
                "contoso_channels": _some_of(random, CHANNELS),
                "contoso_nightsmin": random.randrange(1, 8),
                "contoso_bookablefrom": f"2026-{random.randrange(1, 13):02}-01T00:00:00Z",
                "contoso_terms": _sometimes(random, f"{name}\n{hotel['contoso_name']}"),
                **_state(random, inactive=_INACTIVE),
            }


def _rooms(
    random: Random, hotels: Sequence[Row], room_types: Sequence[Row], total: int
) -> Iterator[Row]:
    """`total` rooms, spread over hotels of different size."""
    ids = _ids(random)
    pools = _room_pools(random, room_types)
    sizes = [random.randrange(5, 40) for _ in hotels]
    bounds = [total * size // sum(sizes) for size in accumulate(sizes, initial=0)]
    for hotel, (first, last) in zip(hotels, pairwise(bounds), strict=True):
        yield from _rooms_of(random, hotel, pools, list(islice(ids, last - first)))


def _rooms_of(
    random: Random, hotel: Row, pools: Mapping[str, Sequence[Any]], ids: Sequence[str]
) -> Iterator[Row]:
    total = len(ids)
    language = words.LANGUAGES[hotel["contoso_language"]]
    per_floor = min(99, max(10, total // 40))
    floors = [1 + number // per_floor for number in range(total)]
    numbers = [f"{floors[number]}{1 + number % per_floor:02}" for number in range(total)]
    name = random.choice(language.room_names)
    columns = {
        "contoso_roomid": ids,
        "contoso_hotelid": [hotel["contoso_hotelid"]] * total,
        "contoso_number": numbers,
        "contoso_name": [name.format(number=number) for number in numbers],
        "contoso_floor": floors,
        "contoso_lockserial": [random.randrange(10**10, 10**12) for _ in numbers],
        "contoso_remarks": random.choices((None, None, *language.remarks), k=total),
        **{column: random.choices(pool, k=total) for column, pool in pools.items()},
    }
    states = random.choices((_ACTIVE, _DISORDERLY, _INACTIVE), weights=(94, 3, 3), k=total)
    for values, state in zip(zip(*columns.values(), strict=True), states, strict=True):
        yield dict(zip(columns, values, strict=True)) | state


def _room_pools(random: Random, room_types: Sequence[Row]) -> Mapping[str, Sequence[Any]]:
    """The values among which each column of a room is drawn."""
    kinds = [room_type["contoso_roomtypeid"] for room_type in room_types] or [None]
    return {
        "contoso_roomtypeid": kinds,
        "contoso_areasqm": [Decimal(random.randrange(900, 9000)) / 100 for _ in range(500)],
        "contoso_baserate": [Decimal(random.randrange(4900, 49_900)) / 100 for _ in range(500)],
        "contoso_noiselevel": [None, *(random.randrange(200, 600) / 10 for _ in range(100))],
        "contoso_accessible": [False] * 9 + [True],
        "contoso_view": [None, *VIEWS],
        "contoso_equipment": [_some_of(random, EQUIPMENT) for _ in range(50)],
        "contoso_renovatedon": [_sometimes(random, _day(random)) for _ in range(500)],
        "contoso_cleanedat": [_moment(random) for _ in range(500)],
    }


def _state(random: Random, *, inactive: Row) -> Row:
    """About one row in fifteen is inactive."""
    return inactive if random.randrange(15) == 0 else _ACTIVE


def _sometimes(random: Random, value: Any) -> Any:
    """The value, or null one time in ten."""
    return None if random.randrange(10) == 0 else value


def _some_of(random: Random, values: Sequence[int]) -> str | None:
    """Several choices as Dataverse writes them, ascending; null for none."""
    chosen = sorted(random.sample(values, random.randrange(len(values))))
    return ",".join(map(str, chosen)) or None


def _day(random: Random) -> str:
    return (_FIRST_DAY + timedelta(days=random.randrange(14_000))).isoformat()


def _moment(random: Random) -> str:
    moment = _LAST_CLEANING - timedelta(minutes=random.randrange(200_000))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _ids(random: Random) -> Iterator[str]:
    return rising_ids(random.getrandbits(47), random)
