"""Text for people: tables that wrap, colours, relative times, progress.

On terminals tables are drawn with Rich, which is imported for nothing else; elsewhere, as in pipes
and files, they are plain columns that never wrap.  Rich honours ``NO_COLOR`` and ``TERM=dumb``.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

#: The colour of a cell by its first word.
_COLOURS: Final = {
    **dict.fromkeys(("ready", "works", "ok", "chosen", "available", "yes", "up", "on"), "green"),
    **dict.fromkeys(("busy", "limited", "protected", "warning", "unknown", "starting"), "yellow"),
    **dict.fromkeys(("locked", "failed", "FAIL", "refused"), "bold red"),
    **dict.fromkeys(("disabled", "unused", "off", "no", "-"), "bright_black"),
}
#: The longest cells of a column that is never wrapped, and the narrowest terminal where that holds.
_SHORT: Final = 14
_WIDE: Final = 100
#: Units of relative times: the shortest span in which each is used, its length, its name.
_UNITS: Final = (
    (2 * 86400.0, 86400.0, "days"),
    (90 * 60.0, 3600.0, "h"),
    (90.0, 60.0, "min"),
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in columns; on a terminal it wraps and has colours."""
    lines = [tuple(row) for row in rows]
    if sys.stdout.isatty():
        return _rich_table(head, lines)
    return _plain_table([tuple(head), *lines])


def span(seconds: float) -> str:
    """Return a length of time in its largest fitting unit, such as ``59 min``."""
    for shortest, length, name in _UNITS:
        if seconds >= shortest:
            return f"{seconds / length:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def ago(seconds: float | None) -> str:
    """Return how long ago something was, ``never`` for ``None``."""
    if seconds is None:
        return "never"
    return "just now" if seconds < 2 else f"{span(seconds)} ago"


def free_in(seconds: float | None) -> str:
    """Return when a lock ends."""
    if seconds is None:
        return "until somebody unlocks it"
    return f"free in {span(seconds)}"


def percent(fraction: float | None) -> str:
    """Return a fraction in percent, ``unknown`` for ``None``."""
    return "unknown" if fraction is None else f"{fraction * 100:.0f} %"


def _plain_table(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _rich_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, *cells in zip(head, *rows, strict=True):
        is_short = max(map(_width, cells), default=0) <= _SHORT and console.width >= _WIDE
        drawn.add_column(Text(name), overflow="fold", vertical="top", no_wrap=is_short)
    for row in rows:
        drawn.add_row(*(Text(cell, style=_colour(cell)) for cell in row))
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def _colour(cell: str) -> str:
    return _COLOURS.get(cell.split(",")[0].split(" ")[0], "")


def _width(text: str) -> int:
    """Return how many columns a terminal needs for ``text``."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
        if not unicodedata.combining(letter)
    )
