"""How the sample `hotels` is synchronized: the `tables` part of `sync.yaml`, to learn from."""

__all__ = ["HOTELS_SYNC_TABLES"]

HOTELS_SYNC_TABLES = """\
# The tables to keep equal; their order does not matter. Columns that stand in no list are never
# written: the cost centre and the VAT number of a hotel belong to the secondary alone.
tables:
  - table: contoso_brand
    description: The brands under which hotels are run.
    # Rows of both environments are matched by this alternate key.
    key: contoso_code
    # What becomes of linked rows whose primary row is gone: delete, deactivate or keep.
    deletes: delete
    columns:
      - contoso_name
      - contoso_code
      - contoso_segment
      - contoso_foundedon
      - contoso_commission
      - contoso_website
      - contoso_history
      - contoso_franchise

  - table: contoso_hotel
    description: Hotels, with their addresses and facts. Some exist in the secondary already.
    key: contoso_code
    columns:
      - contoso_name
      - contoso_code
      - contoso_city
      - contoso_language
      - contoso_description
      - contoso_latitude
      - contoso_longitude
      - contoso_stars
      - contoso_amenities
      - contoso_floors
      - contoso_guestsserved
      - contoso_citytax
      - contoso_petsallowed
      - contoso_openedon
      - contoso_inspectedat
      - contoso_checkinfrom
    # A lookup column names the synchronized table it points to; that table goes first.
    lookups:
      contoso_brandid: contoso_brand
    # direct: state and status reason follow the primary; none: they are left alone.
    status: direct

  - table: contoso_roomtype
    description: The kinds of rooms that a guest can book.
    key: contoso_code
    columns:
      - contoso_name
      - contoso_code
      - contoso_description
      - contoso_bedding
      - contoso_equipment
      - contoso_guestsmax
      - contoso_surcharge
      - contoso_smoking

  - table: contoso_room
    description: Single rooms; a number is unique within its hotel only.
    # A key of several columns, one of them a lookup.
    key: [contoso_hotelid, contoso_number]
    # A mapping instead of a list would rename columns: {contoso_name: contoso_title, ...}
    columns:
      - contoso_name
      - contoso_number
      - contoso_floor
      - contoso_areasqm
      - contoso_baserate
      - contoso_noiselevel
      - contoso_lockserial
      - contoso_accessible
      - contoso_view
      - contoso_equipment
      - contoso_renovatedon
      - contoso_cleanedat
      - contoso_remarks
    lookups:
      contoso_hotelid: contoso_hotel
      contoso_roomtypeid: contoso_roomtype

  - table: contoso_rateplan
    description: What a room costs under which conditions.
    key: contoso_code
    columns:
      - contoso_name
      - contoso_code
      - contoso_discount
      - contoso_breakfast
      - contoso_channels
      - contoso_nightsmin
      - contoso_bookablefrom
      - contoso_terms
    lookups:
      contoso_hotelid: contoso_hotel
"""
