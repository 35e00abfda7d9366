"""Webhooks: what sets them off, and what receivers get."""
