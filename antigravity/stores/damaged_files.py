"""Names for damaged files, which are renamed so that new ones can take their places."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: How many damaged files of one name are kept.
KEPT: Final = 3


def aside_name(path: Path) -> Path:
    """Return a name for a damaged file beside it, which takes the place of nothing.

    It is ``NAME.broken``, ``NAME.broken-2`` or ``NAME.broken-3``; if all exist, it is that of the
    oldest one.
    """
    names = [path.with_name(f"{path.name}.broken")]
    names += [path.with_name(f"{path.name}.broken-{number}") for number in range(2, KEPT + 1)]
    free = [each for each in names if not each.exists()]
    return free[0] if free else min(names, key=lambda each: each.stat().st_mtime)
