"""Numbers, costs, durations and names as the pages show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from antigravity.dashboard.indented_json import indent_json
from antigravity.dashboard.texts import text
from antigravity.interfaces.lab import LARGEST

#: The longest name that is shown whole.
_LONGEST: Final = 40
#: What stands for a value that is not known, or is none.
NONE: Final = "\N{EN DASH}"
#: Units of times that are still running: the shortest time for each, its length, its name.
_SPANS: Final = ((172_800, 86_400, "d"), (5400, 3600, "h"), (90, 60, "min"))
_UNITS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float | None) -> str:
    """Return a whole number with its thousands apart."""
    return NONE if value is None else f"{value:,.0f}".replace(",", "\u202f")


def short_number(value: float | None) -> str:
    """Return a number with three digits and a unit prefix, such as ``12.3k``."""
    if value is None:
        return NONE
    for size, unit in _UNITS:
        if value >= size:
            return (
                f"{value / size:.3g}{unit}" if value < 999.5 * size else f"{value / size:.0f}{unit}"
            )
    return f"{value:.0f}"


def money(dollars: float | None) -> str:
    """Return a cost; a price that is unknown is no cost of 0."""
    if dollars is None:
        return text("common.unpriced")
    return f"${dollars:.4f}" if 0 < dollars < 1 else f"${dollars:,.2f}"


def duration(seconds: float | None) -> str:
    """Return a time with a unit that suits its length."""
    if seconds is None:
        return NONE
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f}\u202fµs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g}\u202fms"
    if seconds < 120:
        return f"{seconds:.3g}\u202fs"
    if seconds < 7200:
        return f"{seconds / 60:.0f}\u202fmin"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f}\u202fh"
    return f"{seconds / 86_400:.0f}\u202fd"


def span(seconds: float | None) -> str:
    """Return a time that is still running, such as an age, in whole units."""
    if seconds is None:
        return NONE
    for shortest, length, unit in _SPANS:
        if seconds >= shortest:
            return f"{seconds / length:.0f}\u202f{unit}"
    return f"{max(seconds, 0):.0f}\u202fs"


def middle(value: str | None, longest: int = _LONGEST) -> str:
    """Return a text whose middle is left out if it is long."""
    if not value:
        return NONE
    if len(value) <= longest:
        return value
    side = (longest - 1) // 2
    return f"{value[:side]}…{value[-side:]}"


def clock_time(iso: str) -> str:
    """Return day and time of a time in ISO 8601."""
    try:
        return datetime.fromisoformat(iso).strftime("%m-%d %H:%M:%S")
    except ValueError:
        return iso


def pretty(text: str) -> str:
    """Return JSON with line breaks and indents; as it is if they would make it too long.

    Anything else, such as events, stays as it is.
    """
    indented = indent_json(text, LARGEST)
    return indented if len(indented) <= LARGEST else text


def json_text(value: Any) -> str:
    """Return a value as JSON."""
    return msgspec.json.encode(value).decode()


def byte_size(value: int) -> str:
    """Return a size with three digits and a binary unit."""
    size, unit = float(value), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.3g}\u202f{unit}" if size < 1000 else f"{size:.0f}\u202f{unit}"


def setting_text(value: object) -> str:
    """Return the value of a setting in about the form of TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(setting_text, value))}]"
        case dict():
            return "{}"
    return str(value)
