"""Blocks: the sums of a day or of several days, so that long time ranges are few rows.

Pure; :mod:`.block_builder` makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

#: The sizes of blocks in hours; each is a multiple of the one before.
SIZES: Final = (24, 8 * 24, 64 * 24)


class Part(Struct, frozen=True):
    """A part of a time range: the blocks of ``size`` hours, or the hours themselves for 1."""

    size: int
    since: int
    until: int


def split_span(
    since: int, until: int, ends: Mapping[int, int], sizes: Sequence[int] = SIZES
) -> list[Part]:
    """Return the fewest parts of a range of hours.

    :param ends: for each size, the hour before which all blocks are there.
    """
    if since >= until:
        return []
    if not sizes:
        return [Part(1, since, until)]
    *smaller, size = sizes
    first = -(-since // size) * size
    last = min(until, ends.get(size, 0)) // size * size
    if first >= last:
        return split_span(since, until, ends, smaller)
    return [
        *split_span(since, first, ends, smaller),
        Part(size, first, last),
        *split_span(last, until, ends, smaller),
    ]


def late_sums(sums: Iterable[Mapping[str, Any]], ends: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return the sums of hours whose blocks are made, as sums to add to these blocks."""
    return [
        {**row, "size": size, "hour": row["hour"] // size * size}
        for size, until in sorted(ends.items())
        for row in sums
        if row["hour"] < until
    ]
