"""Rows: where they are kept, and the rules of changing them."""
