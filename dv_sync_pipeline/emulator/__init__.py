"""A Dataverse on this machine, spoken to over real HTTP: strict, quick, able to fail on demand.

A request passes these modules, and a reader best follows it:

    server, wire            sockets, TLS, and what gets between a request and its answer
                            (limits, latency, faults, control)
    identity                who sends it
    application, routes     one environment as an ASGI application; which URL calls which handler
    rows_read, rows_write,  handlers: HTTP in, HTTP out
    bulk, files, functions, batch_route, metadata_read, metadata_routes, roles, bulk_delete
    reading, writes,        what a handler asks for, on behalf of a user (security)
    changes, apply, fetch_sql
    store, database, ddl    the rows: one SQLite table per table, one counter of versions
    schema, catalog         what a table is; what is looked up about it for each request
    values, replies         one value of a row; every error with its code

`system.py` founds an environment, `samples/` fills it, `switches.py` holds what could not be
verified. `webapi/` and this package never import each other: they meet only over HTTP, so that one
misunderstanding of the protocol cannot pass its own test.
"""
