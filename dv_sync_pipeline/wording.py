"""How numbers are told to people, wherever that is: terminal, log, alert, error.

Belongs here: grammar. Does not belong here: what is said.
"""

__all__ = ["counted"]


def counted(count: int, what: str) -> str:
    """The number before the words, which mark a plural by `[s]`."""
    return f"{count:,} {what.replace('[s]', '' if count == 1 else 's')}"
