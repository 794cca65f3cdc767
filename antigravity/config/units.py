"""Sizes and times with units."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMG]i?B|B)", re.ASCII)
_SIZES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "kiB": 2**10,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_TIME = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d)", re.ASCII)
_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_bytes(text: str) -> int | None:
    """Return the number of bytes in a text such as ``100 MiB``, or ``None``."""
    match = _SIZE.fullmatch(text.strip())
    return round(float(match[1]) * _SIZES[match[2]]) if match else None


def parse_seconds(text: str) -> float | None:
    """Return the number of seconds in a text such as ``10m``, or ``None``."""
    match = _TIME.fullmatch(text.strip())
    return float(match[1]) * _TIMES[match[2]] if match else None
