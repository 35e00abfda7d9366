"""The domain: what it means for two environments to agree. No Dagster, no HTTP.

Read in this order: `projection`, `difference`, `ordering` (values in, values out), `ledger` (the
state database), `writer`, `reconcile`, `verification`, and `engine`, which puts them together.
"""
