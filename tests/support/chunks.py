"""Cut bytes into chunks."""

from __future__ import annotations

from collections.abc import Sequence


def split_bytes(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Return chunks of the given sizes, and the rest as the last one."""
    chunks, start = [], 0
    for size in sizes:
        chunks.append(data[start : start + size])
        start += size
    return [*chunks, data[start:]]
