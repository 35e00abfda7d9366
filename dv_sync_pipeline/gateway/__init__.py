"""The receiver of webhooks: authenticate, limit, store the wake-up, answer 202.

Knows neither Dagster nor the Web API: it writes wake-ups into the ledger, and whoever acts upon
them reads the rows themselves. Nothing that a sender says is ever written to the secondary.
"""
