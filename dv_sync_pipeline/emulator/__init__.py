"""A Dataverse on this machine, spoken to over real HTTP: strict, quick, able to fail on demand.

A request passes these rooms, and a reader best follows it:

    process/      the command: ports, TLS, tokens (`identity`), files (`run` puts all together)
    trouble/      what gets between a request and its answer: limits, latency, faults, levers
    service/      HTTP: `application`, `routes` (which URL calls which handler), the handlers
    definitions/  metadata as clients read and write it
    queries/      reading rows: filters, expands, groups, FetchXML, change tracking, as SQL
    rows/         `store`: one SQLite table per table, one counter of versions; the rules of
                  changing rows; `security`; `values`; `replies`: every error with its code
    tables/       `schema`: what a table is; the tables that every environment has (`system`)
    webhooks/     what a change sets off
    samples/      what an environment can be filled with

`rows/switches.py` holds what could not be verified. `webapi/` and this package never import each
other: they meet only over HTTP, so that one misunderstanding of the protocol cannot pass its own
test.
"""
