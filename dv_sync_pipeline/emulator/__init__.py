"""A Dataverse on this machine, spoken to over real HTTP: strict, quick, able to fail on demand.

Read in this order: `schema.py` (what a table is), `store.py` (where rows are kept), `routes.py`
(which URL calls which handler), `application.py` (one environment as an ASGI application).
`webapi/` and this package never import each other: they meet only over HTTP, so that one
misunderstanding of the protocol cannot pass its own test.
"""
