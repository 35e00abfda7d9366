"""Metadata: definitions as clients read and write them."""
