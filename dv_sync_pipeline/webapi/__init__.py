"""A client of the Dataverse Web API. Knows nothing of synchronizing.

Read in this order: `odata` (text), `verdict` (what an answer means), `auth`, `transport`,
`metadata`, `read`, `write`, and `client`, which puts them together for one environment.
"""
