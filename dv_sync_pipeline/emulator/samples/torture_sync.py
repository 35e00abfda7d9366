"""How the sample `torture` is synchronized: the `tables` part of `sync.yaml`."""

__all__ = ["TORTURE_SYNC_TABLES"]

TORTURE_SYNC_TABLES = """\
# Every row of this sample is named after the case that it stands for.
tables:
  - table: contoso_specimen
    description: One column of every type, with values at its limits; renamed in the secondary.
    target: dept_specimen
    key: contoso_code
    columns:
      contoso_name: contoso_name
      contoso_code: contoso_code
      contoso_text: dept_label
      contoso_memo: contoso_memo
      contoso_whole: contoso_whole
      contoso_big: contoso_big
      contoso_decimal: contoso_decimal
      contoso_double: contoso_double
      contoso_truth: contoso_truth
      contoso_day: contoso_day
      contoso_moment: contoso_moment
      contoso_clock: contoso_clock
      contoso_colour: contoso_colour
      contoso_colours: contoso_colours
      contoso_guid: contoso_guid

  - table: contoso_hotel
    description: Rows to adopt, rows that the secondary refuses, and every status.
    key: contoso_code
    columns: [contoso_name, contoso_code, contoso_city, contoso_stars, contoso_floors]

  - table: contoso_roomtype
    description: Parents that a room can do without.
    key: contoso_code
    columns: [contoso_name, contoso_code]

  - table: contoso_room
    description: A key with a lookup in it, and parents that are inactive or missing.
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_name, contoso_number]
    lookups:
      contoso_hotelid: contoso_hotel
      contoso_roomtypeid: contoso_roomtype

  - table: contoso_contract
    description: A table of which the secondary lacks a column.
    key: contoso_code
    columns: [contoso_name, contoso_code, contoso_terms]
"""
