"""How the sample `torture` is synchronized: the `tables` part of `sync.yaml`."""

__all__ = ["TORTURE_SYNC_TABLES"]

TORTURE_SYNC_TABLES = """\
# Every row of this sample is named after the case that it stands for.
tables:
  - table: contoso_specimen
    description: One column of every type, with values at its limits; renamed in the secondary.
    target: dept_specimen
    key: contoso_code
    # What is gone in the primary stays and is reported; by default it is deleted.
    deletes: keep
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

  - table: contoso_chain
    description: Chains of hotels, each perhaps a part of another, three levels deep.
    key: contoso_code
    columns: [contoso_name, contoso_code]
    lookups:
      contoso_parentchainid: contoso_chain

  - table: contoso_hotel
    description: Rows to adopt, rows that the secondary refuses, and every status.
    key: contoso_code
    columns: [contoso_name, contoso_code, contoso_city, contoso_stars, contoso_floors]
    lookups:
      contoso_chainid: contoso_chain
      # Rooms look up hotels, so this one closes a circle: it is set in a second pass.
      contoso_flagshiproomid: contoso_room
    # Pairs of a many-to-many relationship follow the primary, where both rows are ours.
    associations:
      - {relationship: contoso_hotel_amenity, table: contoso_amenity}
      - {relationship: contoso_hotel_partner, table: contoso_hotel}

  - table: contoso_amenity
    description: What hotels offer; each hotel some, and each of them at some hotels.
    key: contoso_code
    columns: [contoso_name, contoso_code]

  - table: contoso_roomtype
    description: Parents that a room can do without.
    key: contoso_code
    deletes: deactivate
    columns: [contoso_name, contoso_code]

  - table: contoso_room
    description: A key with a lookup in it, and parents that are inactive or missing.
    key: [contoso_hotelid, contoso_number]
    columns: [contoso_name, contoso_number]
    lookups:
      contoso_hotelid: contoso_hotel
      contoso_roomtypeid: contoso_roomtype

  - table: account
    description: Companies that may be customers; without a key, so matched by GUID.
    key: id
    columns: [name]

  - table: contact
    description: People that may be customers; their full name is computed on both sides.
    key: id
    # More removals than that wait for a person: here each one does.
    max_removals: 0
    columns: [firstname, lastname]

  - table: contoso_pointer
    description: Lookups to tables that are not synchronized, and lookups to one of several tables.
    key: contoso_code
    columns: [contoso_name, contoso_code, contoso_amount]
    lookups:
      # Found on the other side by a column, since their GUIDs differ.
      transactioncurrencyid: {table: transactioncurrency, by: isocurrencycode}
      contoso_managerid: {table: systemuser, by: domainname}
      contoso_teamid: {table: team, by: name}
      contoso_unitid: {table: businessunit, by: name}
      contoso_subjectid: [contoso_hotel, contoso_chain]
      contoso_customerid: [account, contact]

  - table: contoso_owned
    description: Rows of users and of teams.
    key: contoso_code
    columns: [contoso_name, contoso_code]
    lookups:
      ownerid: [{table: systemuser, by: domainname}, {table: team, by: name}]

  - table: contoso_mapped
    description: Columns by the dozen, choices with other numbers, constants, and a filter.
    key: contoso_code
    # Every column of the customer's that both environments have.
    columns: "*"
    exclude: [contoso_internal]
    values:
      contoso_grade: {1: 11, 2: 12}
      contoso_grades: {1: 11, 2: 12}
    constants: {dept_source: master data, dept_rank: 7}
    filter: contoso_published eq true

  - table: contoso_licence
    description: State and status reason by way of a column of the secondary.
    key: contoso_code
    columns: [contoso_name, contoso_code]
    status: {column: dept_syncstatus}

  - table: contoso_document
    description: Photos and plans, whose content travels on its own.
    key: contoso_code
    columns: [contoso_name, contoso_code, contoso_photo, contoso_plan]

  - table: contoso_contract
    description: A table of which the secondary lacks a column.
    key: contoso_code
    columns: [contoso_name, contoso_code, contoso_terms]
"""
